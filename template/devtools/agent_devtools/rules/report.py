"""Reports the results of checks: a table for people, JSON for programs, SARIF 2.1.0 for code scanning."""

from __future__ import annotations

import atexit
import gc
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from .check import Checked, DocumentError, Rule, describe, rules
from .project import ROOT, Project, Violation, say
from .run import RULEBOOK, Result, RunFailed, run, run_changed

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
HEADINGS = ("RULE", "TITLE", "CHECKS", "PASSED", "FAILED", "EXCEPTED", "TIME")
LEFT = (True, True, False, False, False, False, False)  # text columns; numbers are aligned to the right
CHINESE = 0x2E7F  # the last code point before Chinese characters
SEVERITIES = {"mandatory": "major", "forbidden": "major", "advised": "minor"}
LEVELS = {"mandatory": "error", "forbidden": "error", "advised": "warning"}
LASTS = timedelta(days=90)  # a suggested exception


def main(asked: list[str], wanted: list[str], *, fast: bool, changed: bool, form: str) -> int:
    """Run the checks of the rules in `wanted`, or of all rules, and print a report.

    `asked` are the words of the command. Exit codes: 0 no violation, 1 a violation, 2 the checks could not run.
    """
    if fast or changed:
        gc.disable()  # collecting the syntax trees, which are needed to the end, takes a fifth of the time
        atexit.register(gc.freeze)  # not at exit either
    paths: set[str] | None = None
    try:
        match asked:
            case ["explain", rule]:
                print(explain(rule))
                return 0
            case [] | [_] if changed:
                results, paths = run_changed(asked[0] if asked else "HEAD", wanted)
            case []:
                results = run(wanted, fast=fast)
            case _:
                raise RunFailed(say("say `explain RULE`, `--changed [COMMIT]`, or no more than options"))
    except (RunFailed, DocumentError) as error:
        print(error, file=sys.stderr)
        return 2
    if form:
        print(json.dumps(_FORMS[form](results), indent=2, ensure_ascii=False))
    else:
        print(table(results) if paths is None else changes(results, paths))
    return int(any(check.violations for _, check in _checks(results)))


def table(results: list[Result]) -> str:
    """Return a table of the rules, then a line for each violation and each exception used."""
    rows = [[say(word) for word in HEADINGS], *(_row(result) for result in results)]
    widths = [max(map(_columns, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(_padded, row, widths, LEFT)) for row in rows]
    lines += ["", *_violations(results), *_exceptions(results), *_warnings(results)]
    failed = sum(_count(result, "failed") for result in results)
    total = sum(len(result.checks) for result in results)
    if failed:
        lines.append(say("{failed} of {total} checks failed.", failed=failed, total=total))
    else:
        lines.append(say("None of {total} checks failed.", total=total))
    return "\n".join(lines)


def changes(results: list[Result], paths: set[str]) -> str:
    """Report the violations in files that differ, and code that changed without tests (rule 14.1)."""
    lines = [*_violations(results), *_exceptions(results)]
    failed = sum(_count(result, "failed") for result in results)
    total = sum(len(result.checks) for result in results)
    values = {"failed": failed, "total": total, "files": len(paths)}
    lines.append(say("{failed} of {total} checks failed, in {files} files that differ.", **values))
    if any(path.startswith("src/") for path in paths) and not any(path.startswith("tests/") for path in paths):
        lines.append(say("The code differs and no test does: rule 14.1 asks for the test first."))
    return "\n".join(lines)


def _row(result: Result) -> list[str]:
    counts = [_count(result, outcome) for outcome in ("passed", "failed", "excepted")]
    label = "" if result.rule is RULEBOOK else result.rule.id
    return [label, result.rule.title, *map(str, [len(result.checks), *counts]), f"{result.seconds:.1f} s"]


def _columns(text: str) -> int:
    """Return the width on a terminal, where a Chinese character takes two columns."""
    return len(text) + sum(ord(letter) > CHINESE for letter in text)


def _padded(text: str, width: int, left: bool) -> str:
    space = " " * (width - _columns(text))
    return text + space if left else space + text


def _count(result: Result, outcome: str) -> int:
    return sum(check.outcome == outcome for check in result.checks)


def _violations(results: list[Result]) -> Iterator[str]:
    for result, check in _checks(results):
        for violation in check.violations:
            yield describe(violation, None if result.rule is RULEBOOK else result.rule, check.name, check.remedy)
            if result.rule is not RULEBOOK:
                yield "    " + say("{path} explains why, and how to ask for an exception.", path=result.rule.path)
    if any(check.violations for _, check in _checks(results)):
        yield ""


def _exceptions(results: list[Result]) -> Iterator[str]:
    for _, check in _checks(results):
        for violation, reason in check.excepted:
            place = f"{violation.path}:{violation.line}"
            yield say("{place}: excepted from {check}: {reason}", place=place, check=check.name, reason=reason)


def _warnings(results: list[Result]) -> Iterator[str]:
    for result, check in _checks(results):
        for violation in check.warned:
            line = describe(violation, None if result.rule is RULEBOOK else result.rule, check.name, check.remedy)
            yield f"{say('warning, and an error in CI')}: {line}"


def _checks(results: list[Result]) -> Iterator[tuple[Result, Checked]]:
    for result in results:
        for check in result.checks:
            yield result, check


def as_json(results: list[Result]) -> dict[str, Any]:
    return {
        "ok": not any(check.violations for _, check in _checks(results)),
        "rules": [
            {
                "id": result.rule.id,
                "title": result.rule.title,
                "level": result.rule.level,
                "document": result.rule.path,
                "seconds": round(result.seconds, 3),
                "checks": [_check(check) for check in result.checks],
            }
            for result in results
        ],
    }


def _check(check: Checked) -> dict[str, Any]:
    return {
        "name": check.name,
        "kind": "running" if check.running else "static",
        "outcome": check.outcome,
        "seconds": round(check.seconds, 3),
        "remedy": check.remedy,
        "violations": [asdict(violation) for violation in check.violations],
        "warnings": [asdict(violation) for violation in check.warned],
        "excepted": [{**asdict(violation), "exception": reason} for violation, reason in check.excepted],
    }


def as_sarif(results: list[Result]) -> dict[str, Any]:
    """Return a SARIF log of one run; excepted violations are marked as suppressed."""
    checks = list(_checks(results))
    found: list[dict[str, Any]] = []
    for index, (result, check) in enumerate(checks):
        every = [(violation, None) for violation in check.violations] + check.excepted
        for violation, exception in every:
            entry = _result(index, result, check, violation)
            if exception:
                entry["suppressions"] = [{"kind": "external", "justification": exception}]
            found.append(entry)
    rules = [
        {
            "id": check.name,
            "shortDescription": {"text": f"Rule {result.rule.id}: {result.rule.title}"},
            "help": {"text": f"{check.remedy} See {result.rule.path}."},
            "defaultConfiguration": {"level": LEVELS[result.rule.level]},
            "properties": {"rule": result.rule.id, "kind": "running" if check.running else "static"},
        }
        for result, check in checks
    ]
    project = Project(ROOT).pyproject["project"]
    driver = {"name": f"{project['name']} rules", "version": project["version"], "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": found}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(index: int, result: Result, check: Checked, violation: Violation) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": violation.path, "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": violation.line},
    }
    return {
        "ruleId": check.name,
        "ruleIndex": index,
        "level": LEVELS[result.rule.level],
        "message": {"text": f"{violation.message}. {check.remedy}"},
        "locations": [{"physicalLocation": place}],
    }


def as_code_quality(results: list[Result]) -> list[dict[str, Any]]:
    """Return a code-quality report for GitLab, without excepted violations."""
    found: list[dict[str, Any]] = []
    for result, check in _checks(results):
        for violation in check.violations:
            same = sum(
                other["check_name"] == check.name and other["location"]["path"] == violation.path for other in found
            )
            identity = f"{check.name}\0{violation.path}\0{violation.message}\0{same}"
            found.append(
                {
                    "description": f"{violation.message}. {check.remedy}",
                    "check_name": check.name,
                    "fingerprint": sha256(identity.encode()).hexdigest(),
                    "severity": SEVERITIES[result.rule.level],
                    "location": {"path": violation.path, "lines": {"begin": violation.line}},
                }
            )
    return found


_FORMS = {"json": as_json, "sarif": as_sarif, "code-quality": as_code_quality}


def explain(asked: str) -> str:
    """Return the document of a rule, given its id, its chapter or one of its checks. Raises `RunFailed`."""
    found = next((rule for rule in rules(ROOT) if rule.matches(asked) or asked in rule.checks), None)
    if found is None:
        known = ", ".join(rule.id for rule in rules(ROOT))
        raise RunFailed(say("There is no rule or check {asked}: rules/ holds {known}.", asked=asked, known=known))
    document = (ROOT / found.path).read_text("utf-8").split("---\n", 2)[2].strip()
    check = asked if asked in found.checks else found.checks[0]
    return f"{_links_from_here(document, Path(found.path).parent)}\n\n{_form(found, check)}"


def _links_from_here(document: str, folder: Path) -> str:
    """Replace the links of a document with paths in the project."""
    return re.sub(r"\[([^\]]+)\]\(([\w./-]+)\)", lambda link: f"{link[1]} ({(folder / link[2]).as_posix()})", document)


def _form(rule: Rule, check: str) -> str:
    """Return a template of an exception."""
    until = (datetime.now(UTC) + LASTS).date()
    title = say("An exception, for pyproject.toml:")
    others = ", ".join(name for name in rule.checks if name != check)
    return "\n".join(
        [
            title,
            "",
            "[[tool.rules.exceptions]]",
            f'check = "{check}" # {others}' if others else f'check = "{check}"',
            f'paths = ["src/..."] # {say("leave it out to except everything")}',
            f'reason = "{say("why the rule cannot be kept here")}"',
            f'owner = "{say("who answers for it")}"',
            f"expires = {until} # {say('a year from now at most')}",
        ]
    )

"""What the checks found: as a table for people, as JSON for programs, as SARIF 2.1.0 for code scanning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from .check import told
from .project import Violation
from .run import RULEBOOK, Checked, Result

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"mandatory": "error", "forbidden": "error", "advised": "warning"}


def table(results: list[Result]) -> str:
    """A row for each rule, then a line for each violation and each exception that was used."""
    title_width = max(len(result.rule.title) for result in results)
    lines = [f"{'RULE':<8}  {'TITLE':<{title_width}}  CHECKS  PASSED  FAILED  EXCEPTED    TIME"]
    for result in results:
        label = "" if result.rule is RULEBOOK else result.rule.id
        # Characters of Chinese are two columns wide: what they take is taken from the padding.
        wide = sum(ord(letter) > 0x2E7F for letter in result.rule.title)
        counts = [_count(result, outcome) for outcome in ("passed", "failed", "excepted")]
        lines.append(
            f"{label:<8}  {result.rule.title:<{title_width - wide}}  {len(result.checks):>6}  {counts[0]:>6}  "
            f"{counts[1]:>6}  {counts[2]:>8}  {result.seconds:>5.1f} s"
        )
    lines += ["", *_violations(results), *_exceptions(results)]
    failed = sum(_count(result, "failed") for result in results)
    total = sum(len(result.checks) for result in results)
    lines.append(f"{failed or 'None'} of {total} checks failed.")
    return "\n".join(lines)


def _count(result: Result, outcome: str) -> int:
    return sum(check.outcome == outcome for check in result.checks)


def _violations(results: list[Result]) -> Iterator[str]:
    for result, check in _checks(results):
        for violation in check.violations:
            yield told(violation, None if result.rule is RULEBOOK else result.rule, check.name, check.remedy)
            if result.rule is not RULEBOOK:
                yield f"    {result.rule.path} tells why, and how to ask for an exception."
    if any(check.violations for _, check in _checks(results)):
        yield ""


def _exceptions(results: list[Result]) -> Iterator[str]:
    for _, check in _checks(results):
        for violation, reason in check.excepted:
            yield f"{violation.path}:{violation.line}: excepted from {check.name}: {reason}"


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
        "excepted": [{**asdict(violation), "exception": reason} for violation, reason in check.excepted],
    }


def as_sarif(results: list[Result], *, name: str, version: str) -> dict[str, Any]:
    """A SARIF log of one run; violations that are excepted are there, suppressed."""
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
    driver = {"name": name, "version": version, "rules": rules}
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

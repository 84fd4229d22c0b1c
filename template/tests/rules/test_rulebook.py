"""The rulebook itself: its documents and its checks are the same, and its exceptions are in order."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from agent_devtools.rules.check import SHARED, Rule, check, name_of, problems, rules, rules_in
from agent_devtools.rules.project import File, Project, Violation

# The files that coding assistants read, with their maximum size in characters.
ASSISTANTS = {
    "CLAUDE.md": 40_000,
    "GEMINI.md": 40_000,
    ".cursor/rules/rules.mdc": 20_000,
    ".github/copilot-instructions.md": 4_000,  # of which code review reads no more
    ".augment/rules/rules.md": 24_000,
    ".devin/rules/rules.md": 12_000,
}
# A line that each has to have, so that its assistant reads it always, and AGENTS.md with it.
READ_ALWAYS = {
    "CLAUDE.md": "@AGENTS.md",
    "GEMINI.md": "@./AGENTS.md",
    ".cursor/rules/rules.mdc": "alwaysApply: true",
    ".augment/rules/rules.md": "type: always_apply",
    ".devin/rules/rules.md": "trigger: always_on",
}


def checks_of(project: Project, rule: Rule) -> set[str]:
    """The names of the checks that the rule's module defines."""
    file = project.file(rule.tests)
    return set(map(name_of, re.findall(r"^def (test_\w+)", file.text, re.MULTILINE))) if file else set()


@check("Correct it: no other check can see what is in this file.")
def test_code_can_be_parsed(project: Project) -> Iterator[Violation]:
    for module in project.modules("src", "devtools", "tests", "migrations"):
        if module.path.startswith(("tests/rules/", "devtools/agent_devtools/rules/")):
            continue  # imported by now
        if not module.tree.body and module.text.strip():
            try:
                ast.parse(module.text, module.path)
            except SyntaxError as error:
                yield module.at(error.lineno or 1, "SyntaxError: {message}", message=error.msg)


@check("Give every rule, in rules/ and in rules/local/, the checks that it lists, and list those that it has.")
def test_documents_list_their_checks(project: Project) -> Iterator[Violation]:
    found: dict[str, str] = {}
    for rule in rules_in(project):
        document = project.known(rule.path)
        actual = checks_of(project, rule)
        for name in sorted(set(rule.checks) - actual):
            yield document.at(
                document.line_of(f"- {name}$"),
                "lists the check {name}, which {tests} has not",
                name=name,
                tests=rule.tests,
            )
        for name in sorted(actual - set(rule.checks)):
            yield document.at(
                document.line_of("^checks:"), "does not list the check {name} of {tests}", name=name, tests=rule.tests
            )
        for name in sorted(actual & found.keys()):
            yield document.at(
                document.line_of(f"- {name}$"), "lists the check {name}, as {other} does", name=name, other=found[name]
            )
        found |= dict.fromkeys(actual, rule.path)
    owned = {rule.tests for rule in rules_in(project)} | {SHARED}
    for file in project.files("tests/rules/*test_[0-9]*.py"):
        if file.path not in owned:
            yield file.at(1, "checks a rule that no document describes")


@check("Give it check, reason, owner and expires (paths, if for some files only); remove or renew expired ones.")
def test_exceptions_are_in_order(project: Project) -> Iterator[Violation]:
    known = {name for rule in rules(project.root) for name in rule.checks}
    yield from problems(project.root, known)


@check("Run the command `sync`, which lists the rules in AGENTS.md and copies the list; fix by hand what it leaves.")
def test_assistants_know_the_rules(project: Project) -> Iterator[Violation]:
    source = project.known("AGENTS.md")
    listed = [line for line in source.lines if re.match(r"- \[\d+\.1 ", line)]
    own = [rule for rule in rules_in(project) if not rule.path.startswith("rules/local/")]
    for rule in own:
        if not any(line.startswith(f"- [{rule.id} {rule.title}]({rule.path})") for line in listed):
            yield source.at(
                source.line_of(rf"\[{re.escape(rule.id)} "), "does not list {id} {title}", id=rule.id, title=rule.title
            )
    if len(listed) > len(own):
        yield source.at(source.line_of(re.escape(listed[-1])), "lists a rule that there is not")
    for path, limit in ASSISTANTS.items():
        file = project.file(path)
        if file is None:
            continue
        if "AGENTS.md" not in file.text:
            yield file.at(1, "does not send its reader to AGENTS.md")
        line = READ_ALWAYS.get(path)
        if line and line not in (_front_matter(file) if ":" in line else file.lines):
            where = "its front matter" if ":" in line else "the file"
            yield file.at(1, "is not read with every task: {where} lacks `{line}`", where=where, line=line)
        if len(file.text) > limit:
            yield file.at(
                1, "has {count} characters, of which its reader sees {limit}", count=len(file.text), limit=limit
            )
        repeated = [line for line in file.lines if re.match(r"- \[\d+\.1 ", line)]
        same = [line.replace("](rules/", "](../rules/") for line in listed]
        if repeated and repeated != same:
            other = next((text for text in repeated if text not in same), repeated[-1])
            yield file.at(file.lines.index(other) + 1, "says of a rule what AGENTS.md does not")


def _front_matter(file: File) -> list[str]:
    """Its lines; none where the file does not begin with it."""
    found = re.match(r"---\n(.*?\n)---\n", file.text, re.DOTALL)
    return found[1].splitlines() if found else []

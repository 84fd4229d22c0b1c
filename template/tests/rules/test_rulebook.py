"""The rulebook itself: its documents and its checks are the same, and its exceptions are in order."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.support.rules.check import check, name_of
from tests.support.rules.documents import Rule, rules
from tests.support.rules.exceptions import problems
from tests.support.rules.project import File, Project, Violation


def checks_of(project: Project, rule: Rule) -> set[str]:
    """The names of the checks that the rule's module defines."""
    file = project.file(rule.tests)
    return set(map(name_of, re.findall(r"^def (test_\w+)", file.text, re.MULTILINE))) if file else set()


@check("Give every rule, in rules/ and in rules/local/, the checks that it lists, and list those that it has.")
def test_documents_list_their_checks(project: Project) -> Iterator[Violation]:
    found: dict[str, str] = {}
    for rule in rules(project.root):
        document = File(project.root, rule.path)
        actual = checks_of(project, rule)
        for name in sorted(set(rule.checks) - actual):
            yield document.at(document.line_of(f"- {name}$"), f"lists the check {name}, which {rule.tests} has not")
        for name in sorted(actual - set(rule.checks)):
            yield document.at(document.line_of("^checks:"), f"does not list the check {name} of {rule.tests}")
        for name in sorted(actual & found.keys()):
            yield document.at(document.line_of(f"- {name}$"), f"lists the check {name}, as {found[name]} does")
        found |= dict.fromkeys(actual, rule.path)
    owned = {rule.tests for rule in rules(project.root)}
    for file in project.files("tests/rules/*test_[0-9]*.py"):
        if file.path not in owned:
            yield file.at(1, "checks a rule that no document tells of")


@check("An exception in pyproject.toml has check, reason, owner, expires, and paths if it is for some files only.")
def test_exceptions_are_in_order(project: Project) -> Iterator[Violation]:
    known = {name for rule in rules(project.root) for name in rule.checks}
    yield from problems(project.root, known)

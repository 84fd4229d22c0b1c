"""`rules explain 6.1`: what a rule asks, why, how, how it is checked, and how to enter an exception from it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .catalogue import say
from .check import ROOT
from .documents import Rule, rules
from .run import RunFailed

LASTS = timedelta(days=90)


def explain(asked: str) -> str:
    """The document of a rule, which `asked` names by its id, its chapter or one of its checks. Raises `RunFailed`."""
    found = next((rule for rule in rules(ROOT) if rule.matches(asked) or asked in rule.checks), None)
    if found is None:
        known = ", ".join(rule.id for rule in rules(ROOT))
        raise RunFailed(say("There is no rule or check {asked}: rules/ holds {known}.", asked=asked, known=known))
    document = (ROOT / found.path).read_text("utf-8").split("---\n", 2)[2].strip()
    check = asked if asked in found.checks else found.checks[0]
    return f"{_links_from_here(document, Path(found.path).parent)}\n\n{_form(found, check)}"


def _links_from_here(document: str, folder: Path) -> str:
    """The document with its links as paths of the project."""
    return re.sub(r"\[([^\]]+)\]\(([\w./-]+)\)", lambda link: f"{link[1]} ({(folder / link[2]).as_posix()})", document)


def _form(rule: Rule, check: str) -> str:
    """An exception to fill in."""
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

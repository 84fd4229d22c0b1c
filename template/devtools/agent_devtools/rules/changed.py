"""Runs the static checks on files that differ from a commit: fast enough for a hook, or after every edit.

Checks see the Python modules that differ, with those they import, and all other files, because one of them may
contradict another. Checks that need every module run in `rules --fast` only.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from .catalogue import say
from .check import ROOT
from .documents import Rule, rules
from .flow import Flow
from .project import File, Module, Project, Violation
from .run import RULEBOOK, Check, Result, RunFailed, checked, is_plain, quiet, tests_of

# Checks that look for something missing, or follow it through every module.
NEED_ALL = {
    "documents-list-their-checks",
    "every-route-asks-who-is-there",
    "every-route-is-tested",
    "services-have-interfaces",
    "tests-have-three-levels",
    "what-you-add-is-tested",
}
DECLARES_SETTINGS = re.compile(r"^class\s+\w*Settings\b", re.MULTILINE)


class Changes(Project):
    """A project whose modules are only those that differ."""

    def __init__(self, root: Path, differing: set[str]) -> None:
        super().__init__(root)
        self.differing = differing

    def files(self, *patterns: str) -> list[File]:
        found = super().files(*patterns)
        return [file for file in found if file.path in self.differing] if patterns == ("*",) else found

    def modules(self, *folders: str) -> list[Module]:
        return [module for module in super().modules(*folders) if module.path in self.differing]

    @cached_property
    def flow(self) -> Flow:
        own = [module for module in self._modules if module.path in self.differing]
        texts = "\n".join(module.text for module in own)
        beside = [module for module in super().modules() if module not in own and _is_named(module, texts)]
        return Flow([*own, *beside])

    @cached_property
    def settings(self) -> dict[str, Any]:
        return self.settings_in([module for module in super().modules() if DECLARES_SETTINGS.search(module.text)])


def _is_named(module: Module, texts: str) -> bool:
    """Whether these texts may import the module."""
    stem = module.dotted.rpartition(".")[2]
    return f"import {stem}" in texts or f".{stem} import" in texts or f", {stem}" in texts


def differing(reference: str) -> set[str]:
    """Return the paths of files that differ from a commit, untracked files included."""
    commands = (
        ["git", "diff", "--name-only", "--relative", "-z", reference, "--"],
        ["git", "ls-files", "--others", "--exclude-standard", "-z"],
    )
    found = set[str]()
    for command in commands:
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        except OSError:
            raise RunFailed(say("Git is not installed, and `--changed` asks it what differs.")) from None
        if done.returncode:
            raise RunFailed(say("Git knows no commit {reference} here.", reference=reference))
        found |= set(filter(None, done.stdout.split("\0")))
    return found


def run_changed(reference: str, wanted: list[str]) -> tuple[list[Result], set[str]]:
    """Check the files that differ; return the results and these files. Raises `RunFailed`, `DocumentError`."""
    paths = differing(reference)
    project = Changes(ROOT, paths)
    results = []
    for rule in [RULEBOOK, *rules(ROOT)] if paths else []:
        if not wanted or any(map(rule.matches, wanted)):
            with quiet():
                checks = [checked(rule, name, check, project=project) for name, check in static_checks(rule)]
            for check in checks:
                check.violations = [found for found in check.violations if _counts(found, project)]
            results.append(Result(rule, checks, sum(check.seconds for check in checks)))
    return results, paths


def static_checks(rule: Rule) -> Iterator[tuple[str, Check]]:
    """Yield the checks of a rule that need only the project."""
    for name, check in tests_of(rule):
        if not getattr(check, "is_running", False) and is_plain(check, {"project"}) and name not in NEED_ALL:
            yield name, check


def _counts(violation: Violation, project: Changes) -> bool:
    return violation.path in project.differing or not violation.path.endswith(".py")

"""Reads the jobs of CI: GitHub's workflows and GitLab's pipeline in one form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from .deployment import Table, documents
from .project import File, Project, Violation

WORKFLOWS = (".github/workflows/*.yml", ".github/workflows/*.yaml")
ACTIONS = (".github/actions/*/action.yml", ".github/actions/*/action.yaml")
GITLAB = (".gitlab-ci.yml", ".gitlab/*.yml", ".gitlab-ci/*.yml")
# Keywords of GitLab that are not jobs.
NO_JOB = {
    "default",
    "include",
    "image",
    "services",
    "stages",
    "variables",
    "workflow",
    "cache",
    "before_script",
    "pages",
}
# Events for changes. A called workflow runs when its caller does.
BEFORE_A_CHANGE = {"pull_request", "push", "merge_group", "workflow_call"}


@dataclass(frozen=True)
class Command:
    """A command of a job; `text` is one line."""

    job: Job
    line: int
    text: str
    step: Table

    def at(self, message: str, **values: object) -> Violation:
        return self.job.file.at(self.line, message, **values)


@dataclass(frozen=True, eq=False)
class Job:
    name: str
    file: File
    line: int
    body: Table
    document: Table

    @property
    def is_github(self) -> bool:
        return self.file.path.startswith(".github/")

    @property
    def steps(self) -> list[Table]:
        return [step for step in self.body.get("steps") or () if isinstance(step, Table)]

    @cached_property
    def commands(self) -> list[Command]:
        if self.is_github:
            return [
                Command(self, line, text, step)
                for step in self.steps
                if isinstance(step.get("run"), str)
                for line, text in _lines(self.file, step.lines.get("run", step.line), step["run"])
            ]
        found: list[Command] = []
        for key in ("before_script", "script", "after_script"):
            given = self.body.get(key) or ()
            for text in [given] if isinstance(given, str) else _flat(given):
                start = found[-1].line if found else self.body.lines.get(key, self.line)
                found += [Command(self, line, each, self.body) for line, each in _lines(self.file, start, text)]
        return found

    @property
    def uses(self) -> list[tuple[int, str]]:
        """Yield the actions and workflows that the job uses."""
        own = [(self.body.lines["uses"], str(self.body["uses"]))] if "uses" in self.body else []
        return own + [(step.lines["uses"], str(step["uses"])) for step in self.steps if "uses" in step]

    @property
    def runs_before_a_change(self) -> bool:
        """Whether the job runs for every change: not scheduled, manual or disabled."""
        if self.is_github:
            return bool(triggers(self.document) & BEFORE_A_CHANGE) and not is_narrow(self.body.get("if"))
        if self.name.startswith(".") or self.body.get("when") in {"manual", "never", "delayed"}:
            return False
        rules = [rule for rule in self.body.get("rules") or () if isinstance(rule, Table)]
        if rules and all(rule.get("when") in {"manual", "never"} or is_narrow(rule.get("if")) for rule in rules):
            return False
        only = self.body.get("only")
        return not only or "merge_requests" in str(only) or "branches" in str(only)


def _flat(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    elif value is not None:
        yield str(value)


def _lines(file: File, start: int, text: str) -> Iterator[tuple[int, str]]:
    """Yield the commands of a script, with the lines of the file where they begin."""
    number = start
    for raw in re.sub(r"\\\n\s*", " ", text).splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        first = line[:24]
        number = next((at for at in range(number, len(file.lines) + 1) if first in file.lines[at - 1]), number)
        yield number, line


def triggers(document: Table) -> set[str]:
    """Return the events that start a workflow. YAML parses the key `on` as true."""
    on: Any = document.get("on", document.get(True))
    if isinstance(on, str):
        return {on}
    return {str(name) for name in on or ()}


def is_narrow(condition: object) -> bool:
    """Whether a condition may skip a job or step for a change."""
    if condition is None:
        return False
    text = re.sub(r"^\$\{\{|\}\}$", "", str(condition).strip()).strip().lower()
    if "||" in text or text in {"always()", "!cancelled()", "success()", "true"}:
        return False
    return bool(
        re.fullmatch(r"false|failure\(\)|cancelled\(\)|0|''", text)
        or (
            re.search(
                r"&&\s*false|^false\s*&&|'schedule'|\"schedule\"|workflow_dispatch|commit_message|head_commit|\.actor\b",
                text,
            )
            and not re.search(r"!=", text)
        )
    )


@lru_cache(maxsize=2)
def jobs(project: Project) -> list[Job]:
    """Return every job of every pipeline."""
    found = []
    for file in project.files(*WORKFLOWS):
        for document in documents(file):
            given = document.get("jobs") if isinstance(document, Table) else None
            named = given if isinstance(given, Table) else Table()
            for name, body in named.items():
                if isinstance(body, Table):
                    found.append(Job(str(name), file, named.lines.get(name, body.line), body, document))
    for file in project.files(*GITLAB):
        for document in documents(file):
            for name, body in document.items() if isinstance(document, Table) else ():
                if isinstance(body, Table) and name not in NO_JOB:
                    found.append(Job(str(name), file, document.lines.get(name, body.line), body, document))
    return found


def needs(job: Job) -> set[str]:
    """Return the names of the jobs that a job waits for."""
    given = job.body.get("needs")
    each = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    return {str(item.get("job")) if isinstance(item, Table) else str(item) for item in each}


def ancestors(job: Job, all_jobs: list[Job]) -> list[Job]:
    """Return the jobs of the same workflow that must succeed before a job."""
    beside = {other.name: other for other in all_jobs if other.file.path == job.file.path}
    before, queue = set[str](), [job]
    while queue:
        new = needs(queue.pop()) & beside.keys() - before
        before |= new
        queue += [beside[name] for name in new]
    return [beside[name] for name in before]

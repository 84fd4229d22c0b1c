"""Every container that a compose file or a manifest starts, those of others included."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .deployment import COMPOSE, PROCESS_TYPES, Table, documents, interpolated, manifests
from .project import File, Project, Violation

WORKLOADS = {"CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "StatefulSet"}
BUILT = "agent"  # the name of the image in the manifests; a release sets its digest


@dataclass(frozen=True)
class Container:
    """`body` is its service or container; `pod` is the pod's spec, and `kind` the object's kind, in a manifest."""

    name: str
    file: File
    line: int
    body: Table
    is_own: bool  # whether it runs this project's image
    pod: Table | None = None
    kind: str = "service"
    is_initial: bool = False

    @property
    def image(self) -> str:
        return interpolated(str(self.body.get("image") or ""))

    @property
    def command(self) -> str:
        """What it starts, as one line."""
        keys = ("entrypoint", "command") if self.pod is None else ("command", "args")
        return " ".join(word for key in keys for word in listed(self.body.get(key)))

    @property
    def environment(self) -> dict[str, tuple[int, str]]:
        """Each variable that is set here, and where; a value that comes from elsewhere is empty."""
        found: dict[str, tuple[int, str]] = {}
        for item in self.body.get("env") or ():
            if isinstance(item, Table):
                found[str(item.get("name"))] = (item.lines.get("value", item.line), str(item.get("value", "")))
        given = self.body.get("environment") or {}
        if isinstance(given, Table):
            for name, value in given.items():
                found[str(name)] = (given.lines.get(name, given.line), "" if value is None else str(value))
        elif isinstance(given, list):
            for item in given:
                name, _, value = str(item).partition("=")
                found[name] = (self.line_of("environment"), value)
        return found

    def line_of(self, *keys: str) -> int:
        """The line of the first of these keys that the container has, else its own."""
        return next((self.body.lines[key] for key in keys if key in self.body.lines), self.line)

    def at(self, line: int, message: str, **values: object) -> Violation:
        return self.file.at(line, message, **values)


def listed(value: object) -> list[str]:
    """A command as words: a list as it is, a text as a shell splits it."""
    if isinstance(value, list):
        return list(map(str, value))
    try:
        return shlex.split(value) if isinstance(value, str) else []
    except ValueError:
        return str(value).split()


@lru_cache(maxsize=2)
def services(project: Project) -> list[Container]:
    """The services of every compose file."""
    found = []
    for file in project.files(*COMPOSE):
        for document in documents(file):
            given = document.get("services") if isinstance(document, Table) else None
            named = given if isinstance(given, Table) else Table()
            for name, body in named.items():
                if isinstance(body, Table):
                    line = named.lines.get(name, body.line)
                    found.append(Container(str(name), file, line, body, _is_own(project, str(name), body)))
    return found


def _is_own(project: Project, name: str, body: Table) -> bool:
    image, package = str(body.get("image") or ""), project.package.removeprefix("src/")
    command = " ".join([*listed(body.get("command")), *listed(body.get("args"))])
    return (
        name in PROCESS_TYPES
        or image == BUILT
        or "${IMAGE" in image
        or "build" in body
        or f"{package}." in command
        or command.startswith(f"{project.pyproject['project']['name']} ")
    )


def pods(project: Project) -> Iterator[tuple[File, Table, Table]]:
    """Every pod of the manifests: the file, the object that makes it, and the pod's spec."""
    for file, item in manifests(project):
        spec: Any = item.get("spec")
        if item.get("kind") not in WORKLOADS or not isinstance(spec, Table):
            continue
        if item["kind"] == "CronJob":
            spec = (spec.get("jobTemplate") or {}).get("spec") or {}
        pod = spec if item["kind"] == "Pod" else (spec.get("template") or {}).get("spec")
        if isinstance(pod, Table):
            yield file, item, pod


@lru_cache(maxsize=2)
def in_pods(project: Project) -> list[Container]:
    """The containers of every manifest."""
    return [
        Container(
            str(body.get("name")),
            file,
            body.line,
            body,
            _is_own(project, str(body.get("name")), body),
            pod,
            str(item["kind"]),
            is_initial=key == "initContainers",
        )
        for file, item, pod in pods(project)
        for key in ("initContainers", "containers")
        for body in pod.get(key) or ()
        if isinstance(body, Table)
    ]


def containers(project: Project) -> list[Container]:
    return [*services(project), *in_pods(project)]

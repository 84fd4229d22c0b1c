"""Reads how the project is deployed: YAML with line numbers, processes, containers and pods."""

from __future__ import annotations

import re
import shlex
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import yaml

from .project import File, Project, Violation

PROCESS_TYPES = ("web", "worker", "scheduler")
COMPOSE = ("compose*.y*ml", "docker-compose*.y*ml")
MANIFESTS = ("deploy/kubernetes/*.yaml", "deploy/kubernetes/*.yml")
COMPONENT = "app.kubernetes.io/component"


class Table(dict[Hashable, Any]):
    """A YAML mapping that knows its own line and the line of each key."""

    def __init__(self) -> None:
        self.line = 1
        self.lines: dict[Hashable, int] = {}


class _Loader(yaml.CSafeLoader):
    def table(self, node: yaml.MappingNode) -> Iterator[Table]:
        made = Table()
        yield made
        self._join(node)
        made.update(self.construct_mapping(node))
        made.line = node.start_mark.line + 1
        made.lines = {key.value: key.start_mark.line + 1 for key, _ in node.value}

    @staticmethod
    def _join(node: yaml.MappingNode) -> None:
        """Join two lists with the same key; YAML would silently drop the first."""
        lists: dict[object, yaml.SequenceNode] = {}
        for key, value in node.value:
            if isinstance(value, yaml.SequenceNode) and isinstance(key, yaml.ScalarNode):
                if key.value in lists:
                    value.value = [*lists[key.value].value, *value.value]
                lists[key.value] = value


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.table)
_Loader.add_multi_constructor("!", lambda *_: None)  # tags of GitLab and Compose


def documents(file: File) -> list[Any]:
    """Return the documents of a YAML file, with mappings as `Table`."""
    return _documents(file.text)


@cache
def _documents(text: str) -> list[Any]:
    documents = yaml.load_all(text, _Loader)
    return [document for document in documents if document is not None]


@dataclass(frozen=True)
class Process:
    """A process type, as one file starts it."""

    type: str
    command: tuple[str, ...]
    file: File
    line: int
    image: str
    replicas: int
    environment: dict[str, str]
    body: Table


def procfile(project: Project) -> dict[str, tuple[str, ...]]:
    file = project.known("Procfile")
    pairs = [line.split(":", 1) for line in file.lines if ":" in line]
    return {name: tuple(shlex.split(command)) for name, command in pairs}


def composed(project: Project) -> list[Process]:
    """Return the processes of this repository in the compose files."""
    found: list[Process] = []
    for file in project.files(*COMPOSE):
        for document in documents(file):
            services = document.get("services") or Table()
            for name, service in services.items():
                if name not in PROCESS_TYPES or not isinstance(service, Table):
                    continue
                command = service.get("command") or ()
                parts = tuple(shlex.split(command) if isinstance(command, str) else map(str, command))
                replicas = (service.get("deploy") or {}).get("replicas", 1)
                environment = service.get("environment") or {}
                if isinstance(environment, list):
                    environment = dict(item.partition("=")[::2] for item in environment)
                found.append(
                    Process(
                        str(name),
                        parts,
                        file,
                        services.lines[name],
                        str(service.get("image", "")),
                        replicas if isinstance(replicas, int) else 1,
                        {str(key): interpolated(str(value)) for key, value in environment.items()},
                        service,
                    )
                )
    return found


def interpolated(value: str) -> str:
    """Interpolate a value of Compose without variables: `${POOL:-5}` is 5."""
    return re.sub(r"\$\{\w+(?::?-([^}]*)|[^}]*)\}", lambda found: found[1] or "", value)


def manifests(project: Project) -> Iterator[tuple[File, Table]]:
    """Return every object of the Kubernetes manifests."""
    for file in project.files(*MANIFESTS):
        yield from ((file, document) for document in documents(file) if isinstance(document, Table))


def deployed(project: Project) -> list[Process]:
    """Return the processes that Kubernetes runs, with the maximum of their autoscalers as replicas.

    Other programs in the same manifests are not included.
    """
    limits: dict[str, int] = {}
    for _, item in manifests(project):
        if item.get("kind") == "HorizontalPodAutoscaler" and "spec" in item:
            name = item["spec"].get("scaleTargetRef", item["metadata"])["name"]
            limits[name] = max(limits.get(name, 0), item["spec"].get("maxReplicas", 1))
        elif item.get("kind") == "ScaledObject":
            name = item["spec"]["scaleTargetRef"]["name"]
            limits[name] = max(limits.get(name, 0), item["spec"].get("maxReplicaCount", 100))
    found: list[Process] = []
    for file, item in manifests(project):
        if item.get("kind") != "Deployment" or "template" not in item.get("spec", {}):
            continue
        name = str(item["metadata"]["name"])
        pod = item["spec"]["template"].get("spec") or Table()  # a patch may have any part of it
        for container in pod.get("containers", ()):
            command = (*container.get("command", ()), *container.get("args", ()))
            if container.get("name") not in PROCESS_TYPES and not any(
                str(part).endswith(".processes") for part in command
            ):
                continue
            found.append(
                Process(
                    name.rpartition("-")[2],
                    tuple(map(str, command)),
                    file,
                    container.lines.get("command", container.line),
                    str(container.get("image", "")),
                    limits.get(name) or item["spec"].get("replicas", 1),
                    {str(each["name"]): str(each.get("value", "")) for each in container.get("env", ())},
                    pod,
                )
            )
    return found


WORKLOADS = {"CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "StatefulSet"}
BUILT = "agent"  # the image's name in the manifests; a release sets its digest


@dataclass(frozen=True)
class Container:
    """A container of a compose file or a manifest. `pod` is the pod's spec, and `kind` that of its object."""

    name: str
    file: File
    line: int
    body: Table
    is_own: bool  # runs this project's image
    pod: Table | None = None
    kind: str = "service"
    is_initial: bool = False

    @property
    def image(self) -> str:
        return interpolated(str(self.body.get("image") or ""))

    @property
    def command(self) -> str:
        """The command, as one line."""
        keys = ("entrypoint", "command") if self.pod is None else ("command", "args")
        return " ".join(word for key in keys for word in listed(self.body.get(key)))

    @property
    def environment(self) -> dict[str, tuple[int, str]]:
        """The variables that are set here, with their lines; a value from elsewhere is empty."""
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
        """Return the line of the first of these keys in the container, or the container's own."""
        return next((self.body.lines[key] for key in keys if key in self.body.lines), self.line)

    def at(self, line: int, message: str, **values: object) -> Violation:
        return self.file.at(line, message, **values)


def listed(value: object) -> list[str]:
    """Return a command as words; a string is split as by a shell."""
    if isinstance(value, list):
        return list(map(str, value))
    try:
        return shlex.split(value) if isinstance(value, str) else []
    except ValueError:
        return str(value).split()


@lru_cache(maxsize=2)
def services(project: Project) -> list[Container]:
    """Return the services of every compose file."""
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
    """Yield every pod of the manifests: the file, the object that creates it, and the spec."""
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
    """Return the containers of every manifest."""
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

"""Reads how the project is deployed, and finds containers and manifests with more rights than they need (rule 13.1)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import yaml

from .project import File, Project, Violation
from .secrets import is_placeholder

PROCESS_TYPES = ("web", "worker", "scheduler")
COMPOSE = ("compose*.y*ml", "docker-compose*.y*ml")
MANIFESTS = ("deploy/kubernetes/*.yaml", "deploy/kubernetes/*.yml")
WORKLOADS = {"CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "StatefulSet"}
BUILT = "agent"  # the image's name in the manifests; a release sets its digest
STORES = re.compile(r"postgres|pgvector|timescale|valkey|redis|mysql|mariadb|mongo|elasticsearch|rabbitmq|memcached")


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
class Container:
    """A container of a compose file or a manifest. `pod` is the pod's spec, and `resource` the object that has it."""

    name: str
    file: File
    line: int
    body: Table
    is_own: bool  # runs this project's image
    pod: Table | None = None
    resource: Table = field(default_factory=Table)
    is_initial: bool = False

    @property
    def kind(self) -> str:
        return str(self.resource.get("kind", "service"))

    @property
    def image(self) -> str:
        return interpolated(str(self.body.get("image") or ""))

    @property
    def words(self) -> list[str]:
        keys = ("entrypoint", "command") if self.pod is None else ("command", "args")
        return [word for key in keys for word in listed(self.body.get(key))]

    @property
    def command(self) -> str:
        """The command, as one line."""
        return " ".join(self.words)

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


def manifests(project: Project) -> Iterator[tuple[File, Table]]:
    """Return every object of the Kubernetes manifests."""
    for file in project.files(*MANIFESTS):
        yield from ((file, document) for document in documents(file) if isinstance(document, Table))


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
        Container(name, file, body.line, body, _is_own(project, name, body), pod, item, key == "initContainers")
        for file, item, pod in pods(project)
        for key in ("initContainers", "containers")
        for body in pod.get(key) or ()
        if isinstance(body, Table)
        for name in [str(body.get("name"))]
    ]


def containers(project: Project) -> list[Container]:
    return [*services(project), *in_pods(project)]


def interpolated(value: str) -> str:
    """Interpolate a value of Compose without variables: `${POOL:-5}` is 5."""
    return re.sub(r"\$\{\w+(?::?-([^}]*)|[^}]*)\}", lambda found: found[1] or "", value)


# Processes


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
    for service in services(project):
        body = service.body
        if service.name in PROCESS_TYPES:
            command, image = tuple(listed(body.get("command"))), str(body.get("image", ""))
            replicas = (body.get("deploy") or {}).get("replicas", 1)
            replicas = replicas if isinstance(replicas, int) else 1
            environment = {name: interpolated(value) for name, (_, value) in service.environment.items()}
            place = (service.file, service.line)
            found.append(Process(service.name, command, *place, image, replicas, environment, body))
    return found


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
    for container in in_pods(project):
        is_process = container.name in PROCESS_TYPES or any(word.endswith(".processes") for word in container.words)
        if container.kind == "Deployment" and not container.is_initial and is_process:
            name, image = str(container.resource["metadata"]["name"]), str(container.body.get("image", ""))
            replicas = limits.get(name) or container.resource["spec"].get("replicas", 1)
            environment = {variable: value for variable, (_, value) in container.environment.items()}
            place = (container.file, container.line_of("command"))
            command, pod = tuple(container.words), container.pod or Table()
            found.append(Process(name.rpartition("-")[2], command, *place, image, replicas, environment, pod))
    return found


# Rights


def of_containers(project: Project) -> Iterator[Violation]:
    """Yield containers with more rights than a process needs."""
    for container in containers(project):
        if container.file.path == "compose.dev.yaml":
            continue
        yield from _of_host(container)
        if container.is_own and container.file.path == "compose.yaml":
            wanted = {
                "cap_drop: [ALL]": container.body.get("cap_drop") == ["ALL"],
                "read_only": bool(container.body.get("read_only")),
                "no-new-privileges": "no-new-privileges" in str(container.body.get("security_opt")),
            }
            for key in (key for key, given in wanted.items() if not given):
                yield container.at(container.line, "{name} lacks `{key}`", name=container.name, key=key)
        elif container.is_own and container.pod is not None and "image" in container.body:
            yield from _restricted(container)


def published(project: Project) -> Iterator[Violation]:
    """Yield databases and caches that are published to other machines."""
    for service in services(project):
        if not STORES.search(service.image or service.name):
            continue
        for item in service.body.get("ports") or ():
            open_to = str(item.get("host_ip", "")) if isinstance(item, Table) else str(item)
            if not re.match(r"127\.|\[?::1|localhost", open_to):
                yield service.at(service.line_of("ports"), "{name} is open to every network", name=service.name)
    for file, item in manifests(project):
        spec = item.get("spec") or Table()
        if item.get("kind") == "Service" and spec.get("type") in {"LoadBalancer", "NodePort"}:
            name = str(item["metadata"]["name"])
            if STORES.search(name) or name in {"worker", "scheduler"}:
                yield file.at(spec.lines["type"], "{name} is open to every network", name=name)


def in_manifests(project: Project) -> Iterator[Violation]:
    """Yield values of secrets in manifests and compose files."""
    typed = {
        name
        for name, (module, item) in project.settings.items()
        if re.search(r"SecretStr|PostgresUrl|RedisUrl", module.lines[item.lineno - 1])
    }
    for container in containers(project):
        for name, (line, value) in container.environment.items():
            if container.is_own and name in typed and value and not is_placeholder(value):
                message = "{name} is written into the environment of {container}"
                yield container.at(line, message, name=name, container=container.name)
    for file, item in manifests(project):
        if item.get("kind") in {"ConfigMap", "Secret"}:
            for line, name in _written(item, typed):
                yield file.at(line, "{name} is written into a {kind}", name=name, kind=item["kind"])
    for file in project.files("deploy/*kustomization.y*ml"):
        for number, text in enumerate(file.lines, 1):
            found = re.match(r"\s*-\s*[\"']?(\w+)=(\S+)", text)
            if found and found[1] in typed and not is_placeholder(found[2]):
                yield file.at(number, "{name} is written into a {kind}", name=found[1], kind="kustomization")


def _of_host(container: Container) -> Iterator[Violation]:
    """Yield settings that give a container rights on its host."""
    body, pod, name = container.body, container.pod or Table(), container.name
    context = body.get("securityContext") or Table()
    faults = [
        (body, "privileged", body.get("privileged") is True),
        (body, "pid", body.get("pid") == "host"),
        (body, "network_mode", body.get("network_mode") == "host"),
        (body, "cap_add", bool({"ALL", "SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"} & {*(body.get("cap_add") or ())})),
        (context, "privileged", context.get("privileged") is True),
        (context, "allowPrivilegeEscalation", context.get("allowPrivilegeEscalation") is True),
        (pod, "hostNetwork", pod.get("hostNetwork") is True),
        (pod, "hostPID", pod.get("hostPID") is True),
        (pod, "hostIPC", pod.get("hostIPC") is True),
    ]
    for table, key, given in faults:
        if given:
            yield container.at(table.lines[key], "{name} has the rights of its host: {key}", name=name, key=key)
    for volume in body.get("volumes") or ():
        if "docker.sock" in (str(volume.get("source")) if isinstance(volume, Table) else str(volume)):
            yield container.at(
                container.line_of("volumes"), "{name} has the rights of its host: {key}", name=name, key="docker.sock"
            )
    for table, key in ((context, "runAsUser"), (pod.get("securityContext") or Table(), "runAsUser")):
        if table.get(key) == 0:
            yield container.at(table.lines[key], "{name} runs as root", name=name)
    user = str(body.get("user", ""))
    if container.is_own and re.match(r"(?:0|root)(?::|$)", user):
        yield container.at(container.line_of("user"), "{name} runs as root", name=name)


def _restricted(container: Container) -> Iterator[Violation]:
    """Yield settings of Kubernetes' restricted profile that a container lacks."""
    pod = (container.pod or Table()).get("securityContext") or Table()
    context = container.body.get("securityContext") or Table()
    wanted = {
        "runAsNonRoot": context.get("runAsNonRoot", pod.get("runAsNonRoot")) is True,
        "allowPrivilegeEscalation: false": context.get("allowPrivilegeEscalation") is False,
        "readOnlyRootFilesystem": context.get("readOnlyRootFilesystem") is True,
        "capabilities: drop: [ALL]": "ALL" in ((context.get("capabilities") or {}).get("drop") or ()),
    }
    for key, given in wanted.items():
        if not given:
            line = context.line if context else container.line
            yield container.at(line, "{name} lacks `{key}`", name=container.name, key=key)


def _written(item: Table, typed: set[str]) -> Iterator[tuple[int, str]]:
    """Yield the values of a Secret, and secret values of a ConfigMap."""
    for key in ("data", "stringData"):
        given = item.get(key)
        table = given if isinstance(given, Table) else Table()
        for name, value in table.items():
            if value and not is_placeholder(str(value)) and (item["kind"] == "Secret" or name in typed):
                yield table.lines[name], str(name)

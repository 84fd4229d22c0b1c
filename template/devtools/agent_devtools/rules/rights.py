"""Finds containers, manifests and workflows with more rights than they need."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .deployment import Container, Table, containers, manifests, services
from .pipelines import WORKFLOWS, jobs
from .project import Project, Violation
from .secrets import is_placeholder

INJECTED = re.compile(
    r"\$\{\{\s*github\.(?:event\.(?:issue|pull_request|comment|review|head_commit)"
    r"\.(?:title|body|message|head\.ref)|head_ref)"
)
RIGHTS = [
    (re.compile(r"^\s*permissions:\s*[\"']?write-all"), "the workflow may change everything: write-all"),
    (
        re.compile(r"^\s*(?:-\s*|on:.*)?[\"']?\bpull_request_target\b"),
        "pull_request_target gives the secrets of the repository to code that others sent",
    ),
    (
        re.compile(r"\$\{\{\s*(?:toJSON\(secrets\)|secrets\[)|^\s*secrets:\s*inherit\b"),
        "hands every secret of the repository over",
    ),
]

STORES = re.compile(r"postgres|pgvector|timescale|valkey|redis|mysql|mariadb|mongo|elasticsearch|rabbitmq|memcached")


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


def of_workflows(project: Project) -> Iterator[Violation]:
    """Yield workflows with more rights than they need, or that run code from pull requests with rights."""
    for file in project.files(*WORKFLOWS):
        for number, line in enumerate(file.lines, 1):
            yield from (file.at(number, message) for pattern, message in RIGHTS if pattern.search(line))
    for job in jobs(project):
        if job.is_github and "permissions" not in job.document and "permissions" not in job.body:
            message = "the job {job} has whatever permissions the repository grants"
            yield job.file.at(job.line, message, job=job.name)
        for command in job.commands:
            if found := INJECTED.search(command.text):
                yield command.at("what others wrote becomes a part of the command: {text}", text=found[0])


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

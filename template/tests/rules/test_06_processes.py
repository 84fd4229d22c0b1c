"""Rule 6.1: a process keeps nothing that another would miss: what lasts is in the backing services."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from agent_devtools.rules.check import Broken, check
from agent_devtools.rules.deployment import PROCESS_TYPES, Table, in_pods, manifests, pods, services
from agent_devtools.rules.flow import Call
from agent_devtools.rules.project import File, Project, Violation
from agent_devtools.rules.scopes import scope_at
from agent_devtools.rules.state import State

if TYPE_CHECKING:
    from tests.support.api import Api
    from tests.support.processes import RunningProcess

OWN = "observability/"  # telemetry belongs to the process: counters, and the exporter of spans
MAKE_APPS = ("app.py", "processes/health_server.py")  # put objects there that live as long as the process
# Commands, and the servers of `dev`, may write files: they are no part of the service. A process and its children share
# their counters in files of the time that they run.
LAPTOP = ("management/", "agent/commands", "observability/shared_metrics.py")
# Write, move or delete files, whatever their arguments are.
WRITERS = {
    "dbm.open",
    "diskcache.Cache",
    "joblib.Memory",
    "joblib.dump",
    "os.link",
    "os.makedirs",
    "os.mkdir",
    "os.mkfifo",
    "os.remove",
    "os.rename",
    "os.replace",
    "os.rmdir",
    "os.symlink",
    "os.unlink",
    "pickle.dump",
    "shelve.open",
    "shutil.copy",
    "shutil.copy2",
    "shutil.copyfile",
    "shutil.copyfileobj",
    "shutil.copytree",
    "shutil.make_archive",
    "shutil.move",
    "shutil.rmtree",
    "shutil.unpack_archive",
    "sqlite3.connect",
    "tempfile.mkdtemp",
    "tempfile.mkstemp",
    "tempfile.mktemp",
    "urllib.request.urlretrieve",
}
METHODS = {"write_text", "write_bytes", "to_csv", "to_excel", "to_feather", "to_json", "to_parquet", "to_pickle"}
PATH_METHODS = {"hardlink_to", "mkdir", "rename", "replace", "rmdir", "symlink_to", "touch", "unlink"}
OPENERS = {"open", "fdopen", "open_file", "ZipFile", "TarFile"}
MODE = re.compile(r"[rwaxbt+|:gz2]{1,5}")


@check("Keep it in the database or the cache, where every process sees it, or in an object of the request.")
def test_no_state_in_modules(project: Project) -> Iterator[Violation]:
    state = State(project)
    for module in project.modules():
        if project.inside(module).startswith(OWN):
            continue
        for node in module.all(ast.Global):
            function = getattr(scope_at(node).node, "name", "a function")
            names = ", ".join(node.names)
            yield module.found(node, "{function} keeps state in the global {names}", function=function, names=names)
        if project.inside(module) not in MAKE_APPS:
            for place, name in state.changes(module):
                yield module.found(place, "keeps state in {name}, which this process alone has", name=name)
        for place, method in state.singletons(module):
            yield module.found(place, "is one object for all requests, and {method} keeps state in it", method=method)
        for place, name in state.cached(module):
            yield module.found(place, "the cached result of {name} can change: each process has another", name=name)


@check("Store it in the database; a file is seen by one process only, and gone with its container.")
def test_no_file_written(project: Project) -> Iterator[Violation]:
    for module in project.modules():
        if project.inside(module).startswith(LAPTOP):
            continue
        for call in project.flow.calls(module):
            if _writes(project, call) and not _is_temporary(project, call):
                yield module.found(call.node, "writes a file")


def _writes(project: Project, call: Call) -> bool:
    function = call.node.func
    last = {origin.rpartition(".")[2] for origin in call.origins}
    if call.origins & WRITERS:
        return True
    if isinstance(function, ast.Attribute):
        if function.attr in METHODS:
            return True
        receiver = project.flow.origins(function.value)
        if function.attr in PATH_METHODS and any(origin.endswith(".Path()") for origin in receiver):
            return True
        if function.attr == "save" and any(origin.startswith(("PIL.", "numpy", "torch")) for origin in receiver):
            return True
        last.add(function.attr)
    if "NamedTemporaryFile" in last:
        delete = call.argument("delete")
        return isinstance(delete, ast.Constant) and delete.value is False
    return bool(last & OPENERS) and any(
        MODE.fullmatch(text) and set(text) & set("wax+")
        for part in [*call.args, *(word.value for word in call.node.keywords)]
        for text in project.flow.texts(part)
    )


def _is_temporary(project: Project, call: Call) -> bool:
    """Whether the file is in a folder that `with TemporaryDirectory()` deletes again."""
    function = call.node.func
    parts = [*call.args, *([function.value] if isinstance(function, ast.Attribute) else [])]
    return any(project.flow.reaches(part, lambda node: _is_folder(project, node)) for part in parts)


def _is_folder(project: Project, node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and "pathlib.Path" in project.flow.origins(node.func):
        return any(_is_folder(project, part) for part in node.args)
    return "tempfile.TemporaryDirectory()" in project.flow.origins(node)


@check(
    "Read and write the conversation through chat/session_store.py at each request; keep no copy.",
    at=("chat/session_store.py", "^class "),
)
def test_replicas_share_conversations(replicas: list[RunningProcess], api: Callable[[RunningProcess], Api]) -> None:
    one, other = map(api, replicas)
    session_id = one.create_session()
    one.say(session_id, "My name is Ada")
    response = other.http.get(f"/chat/sessions/{session_id}/history")
    if response.status_code != 200 or [turn["message"] for turn in response.json()["history"]] != ["My name is Ada"]:
        raise Broken("a second web process does not know the conversation that the first one began")
    if "My name is Ada" not in other.say(session_id, "Who am I?"):
        raise Broken("a second web process does not show the model what was said to the first one")


@check("Keep what lasts in the database; a process may have /tmp, and its settings and secrets read-only.")
def test_containers_keep_nothing(project: Project) -> Iterator[Violation]:
    for service in services(project):
        for volume in service.body.get("volumes") or () if service.name in PROCESS_TYPES else ():
            kind, source, target, read_only = _mounted(volume)
            if kind not in {"tmpfs", "config"} and not read_only and not source.startswith("./src"):
                message = "{process} keeps {target} in a volume, which another replica does not have"
                yield service.at(service.line_of("volumes"), message, process=service.name, target=target)
    own = [id(container.pod) for container in in_pods(project) if container.is_own]
    for file, item, pod in pods(project):
        if id(pod) in own:
            yield from _kept(file, item, pod)
    for file, item in manifests(project):
        for line, text in _sticky(item):
            yield file.at(line, "{text} sends a client to the same replica again, as if it remembered", text=text)


def _kept(file: File, item: Table, pod: Table) -> Iterator[Violation]:
    """Yield settings that give a process its own files, place or name."""
    for volume in pod.get("volumes") or ():
        for kind in ("hostPath", "persistentVolumeClaim", "nfs", "ephemeral"):
            if kind in volume:
                message = "{name} keeps files in a volume ({kind}), which another replica does not have"
                yield file.at(volume.lines[kind], message, name=item["metadata"]["name"], kind=kind)
    if item["kind"] in {"StatefulSet", "DaemonSet"}:
        message = "a {kind} gives each process a place or a name of its own"
        yield file.at(item.lines["kind"], message, kind=item["kind"])


def _mounted(volume: object) -> tuple[str, str, str, bool]:
    """The kind, source and target of a volume of Compose, and whether it is read-only."""
    if isinstance(volume, Table):
        kind, source, target = (str(volume.get(name, "")) for name in ("type", "source", "target"))
        return kind, source, target, bool(volume.get("read_only"))
    source, _, rest = str(volume).partition(":")
    target, _, mode = rest.partition(":")
    return "volume", source, target or source, "ro" in mode.split(",")


def _sticky(item: Table) -> Iterator[tuple[int, str]]:
    """Yield session affinity of a Service or an Ingress."""
    spec = item.get("spec")
    if isinstance(spec, Table) and item.get("kind") == "Service" and spec.get("sessionAffinity") == "ClientIP":
        yield spec.lines["sessionAffinity"], "sessionAffinity"
    given = (item.get("metadata") or {}).get("annotations")
    notes = given if isinstance(given, Table) else Table()
    for name, value in notes.items():
        if re.search(r"affinity|sticky|session-cookie", str(name)) and str(value).lower() not in {"false", "none"}:
            yield notes.lines[name], str(name)

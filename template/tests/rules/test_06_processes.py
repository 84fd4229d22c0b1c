"""Rule 6.1: a process keeps nothing that another would miss: what lasts is in the backing services."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.rules.check import Broken, check
from tests.support.rules.project import Module, Project, Violation, named, walk

if TYPE_CHECKING:
    from tests.support.api import Api
    from tests.support.processes import RunningProcess

CONTAINERS = {"dict", "list", "set", "deque", "defaultdict", "Counter", "OrderedDict", "WeakValueDictionary"}
CHANGES = {
    "add",
    "append",
    "appendleft",
    "clear",
    "discard",
    "extend",
    "extendleft",
    "insert",
    "pop",
    "popitem",
    "popleft",
    "remove",
    "setdefault",
    "update",
}
WRITES = {"write_text", "write_bytes"}
OWN = "observability/"  # what a process tells of itself is its own: counters, and where spans are sent
# Commands, and the servers of `dev`, may write files: they are no part of the service.
LAPTOP = ("management/", "agent/commands")


def containers(module: Module) -> set[str]:
    """The names at the top of the module that hold something changeable."""
    found: set[str] = set()
    for node in module.tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)):
            continue
        value = node.value
        made = isinstance(value, (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)) or (
            isinstance(value, ast.Call) and named(value.func).rpartition(".")[2] in CONTAINERS
        )
        if made:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def imported(module: Module, held: dict[str, set[str]]) -> set[str]:
    """What other modules of the package hold, by the names under which this one knows it."""
    found: set[str] = set()
    for node in module.all(ast.ImportFrom):
        above = Path(module.path).parents[node.level - 1] if node.level else Path("src")
        place = above.joinpath(*(node.module or "").split("."))
        for alias in node.names:
            name = alias.asname or alias.name
            if alias.name in _held(place, held):
                found.add(name)
            found |= {f"{name}.{each}" for each in _held(place / alias.name, held)}
    return found


def _held(place: Path, held: dict[str, set[str]]) -> set[str]:
    return held.get(f"{place.as_posix()}.py") or held.get(f"{place.as_posix()}/__init__.py") or set()


def changes(node: ast.AST) -> Iterator[str]:
    """The names of what a statement or call changes in place."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
        yield named(node.func.value)
    elif isinstance(node, (ast.Assign, ast.AugAssign, ast.Delete)):
        targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
        for target in targets:
            if isinstance(target, ast.Subscript):
                yield named(target.value)


@check("Keep it in the database or the cache, where every process sees it, or in an object of the request.")
def test_no_state_in_modules(project: Project) -> Iterator[Violation]:
    held = {module.path: containers(module) for module in project.modules()}
    for module in project.modules():
        if module.path.startswith(f"{project.package}/{OWN}"):
            continue
        shared = held[module.path] | imported(module, held)
        if not shared and not any(module.all(ast.Global)):
            continue
        for function in module.all(ast.FunctionDef, ast.AsyncFunctionDef):
            nodes = walk(function)
            own = {node.arg for node in nodes if isinstance(node, ast.arg)} | {
                node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
            for node in nodes:
                if isinstance(node, ast.Global):
                    yield module.found(node, f"{function.name} keeps state in the global {', '.join(node.names)}")
                for name in (shared - own).intersection(changes(node)):
                    yield module.found(node, f"{function.name} keeps state in {name}, which this process alone has")


@check("Store it in the database; a file is seen by one process only, and gone with its container.")
def test_no_file_written(project: Project) -> Iterator[Violation]:
    for module in project.modules():
        if module.path.removeprefix(f"{project.package}/").startswith(LAPTOP):
            continue
        for node in module.all(ast.Call):
            is_open = named(node.func).rpartition(".")[2] == "open" or (
                isinstance(node.func, ast.Attribute) and node.func.attr == "open"
            )
            modes = [
                item.value
                for item in [*node.args, *(word.value for word in node.keywords)]
                if isinstance(item, ast.Constant)
            ]
            opened = is_open and any(
                isinstance(mode, str) and mode[:1] in {"w", "a", "x"} and len(mode) < 4 for mode in modes
            )
            if opened or (isinstance(node.func, ast.Attribute) and node.func.attr in WRITES):
                yield module.found(node, "writes a file")


@check(
    "Read and write the conversation through chat/repository.py at each request; keep no copy.",
    at=("chat/repository.py", "^class "),
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

"""The resolver of all checks: which dotted origin an expression may be, and which constants it may hold.

It follows a value through names, aliases of imports, attributes, properties, results of own functions, arguments,
constants of other modules, `partial`, `getattr` and `importlib`. An origin is a dotted name from where it was imported:
`subprocess.run`, `os.environ.get`; a call adds `()`, so that `httpx2.AsyncClient().get` is a method of an instance, and
a parameter with the annotation `Path` is `pathlib.Path()`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .origins import HOLE, IMPORTERS
from .scopes import FUNCTIONS
from .values import Values

if TYPE_CHECKING:
    from .project import Module

__all__ = ["HOLE", "Call", "Flow"]
# Pass a function on with its arguments: how many of their own stand before it.
PASSING = {
    "functools.partial": 0,
    "asyncio.to_thread": 0,
    "anyio.to_thread.run_sync": 0,
    "starlette.concurrency.run_in_threadpool": 0,
    "fastapi.concurrency.run_in_threadpool": 0,
    "map": 0,
    "run_in_executor": 1,
    "submit": 0,
    "call_soon": 0,
    "call_later": 1,
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call, or a function passed on with its arguments: `to_thread(run, x)` is the call `run(x)` as well."""

    module: Module
    node: ast.Call
    origins: frozenset[str]
    args: tuple[ast.expr, ...]

    def argument(self, name: str, position: int | None = None) -> ast.expr | None:
        """The argument given by its name, or at the position."""
        named = next((word.value for word in self.node.keywords if word.arg == name), None)
        if named is None and position is not None and position < len(self.args):
            return self.args[position]
        return named


class Flow(Values):
    """Follows values through all modules. Answers are remembered: ask as often as you like."""

    def __init__(self, modules: Sequence[Module]) -> None:
        super().__init__(modules)
        self._calls: dict[str, list[Call]] = {}

    def imports(self, module: Module) -> list[tuple[ast.AST, str]]:
        """What a module imports, by statements and by `importlib`: the place and the dotted name."""
        found: list[tuple[ast.AST, str]] = []
        for node in module.all(ast.Import):
            found += [(node, alias.name) for alias in node.names]
        for origin in module.all(ast.ImportFrom):
            package = module.dotted.split(".")
            keep = len(package) - origin.level + (module.name == "__init__.py")
            above = package[:keep] if origin.level else []
            start = ".".join([*above, origin.module] if origin.module else above)
            found += [(origin, f"{start}.{alias.name}") for alias in origin.names]
        for call in self.calls(module):
            if call.origins & IMPORTERS and call.args:
                found += [(call.node, text) for text in self.texts(call.args[0])]
        return found

    def calls(self, module: Module) -> list[Call]:
        """The calls of a module, those of functions that are passed on among them."""
        if module.dotted not in self._calls:
            self._calls[module.dotted] = [call for node in module.all(ast.Call) for call in self._call(module, node)]
        return self._calls[module.dotted]

    def _call(self, module: Module, node: ast.Call) -> Iterator[Call]:
        origins = self.origins(node.func)
        yield Call(module, node, origins, tuple(node.args))
        places = {PASSING[key] for origin in origins for key in (origin, origin.rpartition(".")[2]) if key in PASSING}
        for place in places:
            if place < len(node.args):
                passed = self.origins(node.args[place])
                yield Call(module, node, passed, tuple(node.args[place + 1 :]))
        for word in node.keywords:
            if word.arg == "target":  # threading.Thread(target=...)
                yield Call(module, node, self.origins(word.value), ())

    # Derivation

    def reaches(self, node: ast.AST, wanted: Callable[[ast.AST], bool], *, conditions: bool = True) -> bool:
        """Whether the value of the expression comes from one that is `wanted`.

        It does so by itself, or through names, properties and results of own functions; without `conditions`, what a
        value is only chosen by does not count.
        """
        seen: set[int] = set()
        pending = [node]
        while pending and len(seen) < 400:
            each = pending.pop()
            if id(each) in seen:
                continue
            seen.add(id(each))
            if wanted(each):
                return True
            if conditions or not isinstance(each, (ast.IfExp, ast.Compare)):
                pending += self._sources(each)
            elif isinstance(each, ast.IfExp):
                pending += [each.body, each.orelse]
        return False

    def _sources(self, node: ast.AST) -> Iterator[ast.AST]:
        if isinstance(node, (ast.Name, ast.Attribute)):
            yield from self.assigned(node)
        elif isinstance(node, ast.Call):
            origins = self.origins(node.func)
            own = [value for origin in origins for value in self.results(origin)]
            yield from own
            if not own:
                if isinstance(node.func, ast.Attribute):
                    yield node.func.value
                if origins & {"str", "bool", "repr", "any", "all", "format"}:
                    yield from node.args
        elif not isinstance(node, (*FUNCTIONS, ast.comprehension, ast.Dict)):
            yield from ast.iter_child_nodes(node)

"""The resolver: follows values and calls through all modules of the project."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import TYPE_CHECKING

from .origins import DEEPEST, HOLE, IMPORTERS, MOST, Origins, followed
from .scopes import FUNCTIONS, Binding, Scope, scope_at

if TYPE_CHECKING:
    from .project import Module

__all__ = ["HOLE", "Call", "Flow"]
# Functions that call another one with its arguments, and how many of their own come first.
THREADS = ("asyncio.to_thread", "anyio.to_thread.run_sync")
POOLS = ("starlette.concurrency.run_in_threadpool", "fastapi.concurrency.run_in_threadpool")
PASSING = dict.fromkeys((*THREADS, *POOLS, "functools.partial", "map", "submit", "call_soon"), 0)
PASSING |= {"run_in_executor": 1, "call_later": 1}
ARITHMETIC = {ast.Add: operator.add, ast.Mult: operator.mul, ast.Sub: operator.sub}
SAME_TEXT = {"lower", "upper", "strip", "lstrip", "rstrip", "casefold", "title", "encode", "decode", "removesuffix"}


class Values(Origins):
    """Also follows constants."""

    @followed
    def values(self, node: ast.AST) -> Iterable[object]:
        """Return the possible constants of an expression; unknown parts of strings are `HOLE`."""
        if isinstance(node, ast.Constant):
            value = node.value
            return (value.decode("utf-8", "replace") if isinstance(value, bytes) else value,)
        if isinstance(node, ast.Name):
            found = scope_at(node).find(node.id)
            return self._held(*found) if found else ()
        if isinstance(node, ast.Attribute):
            return [value for origin in self.origins(node) for value in self._defined(origin)]
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values)
        if isinstance(node, ast.FormattedValue):
            return map(str, self.values(node.value))
        if isinstance(node, ast.BinOp):
            return self._computed(node)
        if isinstance(node, ast.IfExp):
            return self.values(node.body) | self.values(node.orelse)
        if isinstance(node, ast.BoolOp):
            return [value for part in node.values for value in self.values(part)]
        if isinstance(node, (ast.NamedExpr, ast.Await, ast.Starred)):
            return self.values(node.value)
        if isinstance(node, ast.Call):
            return self._result(node)
        if isinstance(node, ast.Subscript):
            return [value for item in self.items(node.value) for value in self.values(item)]
        return ()

    def texts(self, node: ast.AST) -> frozenset[str]:
        """Return the possible strings of an expression."""
        return frozenset(value for value in self.values(node) if isinstance(value, str))

    def _held(self, scope: Scope, bindings: list[Binding]) -> Iterator[object]:
        before: Sequence[object] = []
        for binding in bindings:
            if binding.kind == "added":
                added = self.texts(binding.node) or {HOLE}
                before = [f"{text}{after}" for text in before for after in added if isinstance(text, str)][:MOST]
            elif binding.kind == "import":
                before = list(self._defined(binding.origin))
            elif binding.kind == "item":
                before = [value for item in self.items(binding.node) for value in self.values(item)]
            elif binding.kind == "entered":
                before = []
            else:
                before = [value for each in self.given(scope, binding) for value in self.values(each)]
            yield from before

    def _defined(self, dotted: str) -> Iterator[object]:
        for scope, bindings in self.defined_once(dotted):
            yield from self._held(scope, bindings)

    def items(self, node: ast.AST) -> Sequence[ast.expr]:
        """Return the elements of a list, tuple or set, or the values of a dictionary."""
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return node.elts
        if isinstance(node, ast.Dict):
            return node.values
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return [*self.items(node.left), *self.items(node.right)]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            return self.items(node.args[0]) if node.func.id in {"list", "tuple", "set", "frozenset"} else ()
        with self.once("items", id(node)) as is_first:
            values = self.assigned(node) if is_first and len(self.open) <= DEEPEST else ()
            return [item for value in values for item in self.items(value)]

    def assigned(self, node: ast.AST) -> list[ast.expr]:
        """Return the expressions that are assigned to a name or attribute anywhere in the project."""
        with self.once("assigned", id(node)) as is_first:
            places: list[tuple[Scope, list[Binding]]] = []
            if isinstance(node, ast.Name) and is_first:
                found = scope_at(node).find(node.id)
                places = [found] if found else []
            elif isinstance(node, ast.Attribute) and is_first:
                places = [each for origin in self.origins(node) for each in self.definitions(origin)]
            return [value for place in places for value in self._values_of(*place)]

    def _values_of(self, scope: Scope, bindings: list[Binding]) -> Iterator[ast.expr]:
        for binding in bindings:
            if binding.kind == "import":
                for place in self.defined_once(binding.origin):
                    yield from self._values_of(*place)
            elif binding.kind not in {"part", "item"}:
                yield from self.given(scope, binding)

    def _joined(self, parts: Sequence[ast.expr], between: str = "") -> Iterator[str]:
        return map(between.join, self._choices(parts))

    def _computed(self, node: ast.BinOp) -> Iterator[object]:
        numbers = [
            [value for value in self.values(side) if type(value) in {int, float}] for side in (node.left, node.right)
        ]
        if all(numbers):
            compute = ARITHMETIC.get(type(node.op))
            yield from (compute(*pair) for pair in product(*numbers) if compute)
        elif isinstance(node.op, ast.Add):
            if self.texts(node.left) or self.texts(node.right):
                yield from self._joined([node.left, node.right])
        elif isinstance(node.op, ast.Div) and (self.texts(node.left) or self.texts(node.right)):
            yield from self._joined([node.left, node.right], "/")
        elif isinstance(node.op, ast.Mod):
            given = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            for text in self.texts(node.left):
                yield from (_filled(text, "%s", parts) for parts in self._choices(given))

    def _choices(self, parts: Sequence[ast.expr]) -> Iterator[tuple[str, ...]]:
        choices = [list(map(str, self.values(part))) or [HOLE] for part in parts]
        return islice(product(*choices), MOST)

    def _result(self, node: ast.Call) -> Iterator[object]:
        function = node.func
        if isinstance(function, ast.Attribute):
            if function.attr in SAME_TEXT:
                yield from self.texts(function.value)
            elif function.attr == "format":
                for text in self.texts(function.value):
                    yield from (_filled(text, "{}", parts) for parts in self._choices(node.args))
            elif function.attr == "join" and node.args:
                items = self.items(node.args[0])
                for text in self.texts(function.value):
                    yield from self._joined(items, text) if items else [HOLE]
            elif function.attr == "get":
                yield from (value for item in self.items(function.value) for value in self.values(item))
        for origin in self.origins(function):
            if origin in {"str", "int", "pathlib.Path", "bytes"} and node.args:
                yield from self.values(node.args[0])
            elif origin in {"os.path.join", "pathlib.PurePath"} and node.args:
                yield from self._joined(node.args, "/")
            yield from (value for each in self.results(origin) for value in self.values(each))


def _filled(text: str, mark: str, parts: Sequence[str]) -> str:
    for part in parts:
        text = text.replace(mark, part, 1)
    return text.replace(mark, HOLE)


@dataclass(frozen=True, slots=True)
class Call:
    """A call, or a function passed with its arguments: `to_thread(run, x)` is also the call `run(x)`."""

    module: Module
    node: ast.Call
    origins: frozenset[str]
    args: tuple[ast.expr, ...]

    def argument(self, name: str, position: int | None = None) -> ast.expr | None:
        """Return the argument with this name or position."""
        named = next((word.value for word in self.node.keywords if word.arg == name), None)
        if named is None and position is not None and position < len(self.args):
            return self.args[position]
        return named


class Flow(Values):
    """Follows values through all modules. Results are cached."""

    def __init__(self, modules: Sequence[Module]) -> None:
        super().__init__(modules)
        self._calls: dict[str, list[Call]] = {}

    def imports(self, module: Module) -> list[tuple[ast.AST, str]]:
        """Yield the imports of a module, `importlib` included: the node and the dotted name."""
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
        """Return the calls in a module, including those of functions passed as arguments."""
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
        """Whether the value of an expression may come from a `wanted` one.

        Follows names, properties and results of the project's functions. Without `conditions`, the conditions that
        select a value do not count.
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

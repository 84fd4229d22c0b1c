"""Resolves expressions to the dotted names they may stand for."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from .scopes import FUNCTIONS, Binding, Scope, opened, parameters, path_of, scope_at

if TYPE_CHECKING:
    from .project import Module

T = TypeVar("T")
HOLE = "\ufffc"  # replaces the unknown part of a string
DEPENDENCIES = "of "  # marks the `RunContext[T]` whose attribute `deps` has the type T
MOST = 24  # the maximum number of values followed for an expression
DEEPEST = 40
NOTHING: frozenset[Any] = frozenset()
IMPORTERS = {"importlib.import_module", "importlib.__import__", "__import__", "pytest.importorskip"}
PROPERTIES = {"property", "functools.cached_property", "pydantic.computed_field"}
WRAPPERS = {"typing.Annotated", "typing.Optional", "typing.ClassVar", "typing.Final"}
CONTAINERS: dict[type[ast.AST], str] = {
    **dict.fromkeys((ast.Dict, ast.DictComp), "dict()"),
    **dict.fromkeys((ast.List, ast.ListComp), "list()"),
    **dict.fromkeys((ast.Set, ast.SetComp), "set()"),
}


def followed(method: Callable[[Any, ast.AST], Iterable[T]]) -> Callable[[Any, ast.AST], frozenset[T]]:
    """Make a method return at most MOST results, from a cache, and none for an expression that depends on itself."""
    name = method.__name__

    def follow(self: Origins, node: ast.AST) -> frozenset[T]:
        key = (name, id(node))
        if key in self.cache:
            return self.cache[key]
        if key in self.open or len(self.open) > DEEPEST:
            return NOTHING
        self.open.add(key)
        try:
            found = frozenset(list(method(self, node))[:MOST])
        finally:
            self.open.discard(key)
        if not self.open or found:  # elsewhere, an expression in a cycle may have more results
            self.cache[key] = found
        return found

    follow.__doc__ = method.__doc__
    return follow


class Origins:
    """Follows values through modules. Results are cached."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self._modules = {module.dotted: module for module in modules}
        self.cache: dict[tuple[str, int], frozenset[Any]] = {}
        self.open: set[tuple[str, object]] = set()

    @contextmanager
    def once(self, what: str, key: object) -> Iterator[bool]:
        """Yield whether this is not being done already: imports and assignments may be circular."""
        mark = (what, key)
        if mark in self.open:
            yield False
            return
        self.open.add(mark)
        try:
            yield True
        finally:
            self.open.discard(mark)

    # Origins

    @followed
    def origins(self, node: ast.AST) -> Iterable[str]:
        """Return the dotted names that an expression may stand for; none if unknown."""
        if isinstance(node, ast.Name):
            found = scope_at(node).find(node.id)
            return self._bound(*found) if found else (node.id,)
        if isinstance(node, ast.Attribute):
            return self._attributes(self.origins(node.value), node.attr)
        if isinstance(node, ast.Call):
            return self._called(node)
        if isinstance(node, (ast.Await, ast.NamedExpr, ast.Starred, ast.FormattedValue)):
            return self.origins(node.value)
        if isinstance(node, ast.IfExp):
            return self.origins(node.body) | self.origins(node.orelse)
        if isinstance(node, ast.BoolOp):
            return [origin for part in node.values for origin in self.origins(part)]
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):  # Path("/data") / name
            return self.origins(node.left)
        if isinstance(node, FUNCTIONS):
            return (path_of(node),)
        return (CONTAINERS[type(node)],) if type(node) in CONTAINERS else ()

    def _bound(self, scope: Scope, bindings: list[Binding]) -> Iterator[str]:
        for binding in bindings:
            node = binding.node
            if binding.kind == "import":
                yield from self.follow(binding.origin)
            elif binding.kind == "def":
                yield path_of(node)
            elif binding.kind == "declared" and isinstance(node, ast.AnnAssign):
                yield from self._instances(node.annotation)
            elif binding.kind == "caught":
                parts = node.elts if isinstance(node, ast.Tuple) else [node]
                yield from (f"{origin}()" for part in parts for origin in self.origins(part))
            elif binding.kind != "added":
                if binding.kind == "argument" and isinstance(node, ast.arg):
                    yield from self._types(scope, node)
                for value in self.given(scope, binding):
                    yield from self.origins(value)

    def given(self, scope: Scope, binding: Binding) -> Sequence[ast.expr]:
        """Return the expressions whose values a binding may give to its name, except those of imports."""
        node = binding.node
        if binding.kind in {"value", "entered", "added"} and isinstance(node, ast.expr):
            return [node]
        if binding.kind == "argument" and isinstance(node, ast.arg):
            return list(self._passed(scope, node))
        if binding.kind == "part" and isinstance(node, (ast.Tuple, ast.List)):
            return node.elts[binding.index : binding.index + 1]
        if binding.kind == "item" and isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return node.elts
        if binding.kind == "def" and self.is_property(node):
            return opened(node).returns
        return []

    def _types(self, scope: Scope, node: ast.arg) -> Iterator[str]:
        """Return instances of a parameter's type; for the first one of a method, those of the class."""
        if node.annotation:
            yield from self._instances(node.annotation)
        function, owner = scope.node, scope.parent.node if scope.parent else None
        first = next(iter(parameters(function)), None) if isinstance(function, FUNCTIONS) else None
        if first is node and isinstance(owner, ast.ClassDef):
            yield path_of(owner) + ("" if node.arg == "cls" else "()")

    def _instances(self, annotation: ast.expr) -> Iterator[str]:
        """Return instances of the types in an annotation, such as `Path | None` or `Annotated[Path, ...]`."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                parsed = ast.parse(annotation.value, mode="eval").body
            except SyntaxError:
                return
            for part in ast.walk(parsed):
                part.__dict__["scope"] = scope_at(annotation)
            yield from self._instances(parsed)
        elif isinstance(annotation, ast.BinOp):
            yield from self._instances(annotation.left)
            yield from self._instances(annotation.right)
        elif isinstance(annotation, ast.Subscript):
            outer = self.origins(annotation.value)
            if outer & WRAPPERS:
                inner = annotation.slice
                yield from self._instances(inner.elts[0] if isinstance(inner, ast.Tuple) else inner)
            else:
                yield from (f"{origin}()" for origin in outer)
                yield from (f"{DEPENDENCIES}{origin}()" for origin in self.origins(annotation.slice))
        elif isinstance(annotation, (ast.Name, ast.Attribute)):
            yield from (f"{origin}()" for origin in self.origins(annotation))

    def _passed(self, scope: Scope, node: ast.arg) -> Iterator[ast.expr]:
        """Return the default of a parameter and its arguments in calls within the module."""
        function = scope.node
        if not isinstance(function, FUNCTIONS):
            return
        if default := parameters(function).get(node):
            yield default
        if isinstance(function, ast.Lambda):
            return
        positional = [*function.args.posonlyargs, *function.args.args]
        if scope.parent and isinstance(scope.parent.node, ast.ClassDef):
            del positional[:1]  # `self`
        for call in self._modules[scope.module.name].calls_by_name.get(function.name, ()):
            yield from (word.value for word in call.keywords if word.arg == node.arg)
            for parameter, value in zip(positional, call.args, strict=False):
                if parameter is node and not isinstance(value, ast.Starred):
                    yield value

    def _attributes(self, before: Iterable[str], name: str) -> Iterator[str]:
        for origin in before:
            if not origin.startswith(DEPENDENCIES):
                yield from self.follow(f"{origin}.{name}")
            elif name == "deps":
                yield origin.removeprefix(DEPENDENCIES)

    def follow(self, dotted: str) -> Iterator[str]:
        """Return the dotted name and, if the project defines it, its origins."""
        yield dotted
        with self.once("follow", dotted) as is_first:
            for scope, bindings in self.definitions(dotted) if is_first else ():
                if bindings and bindings[0].kind == "def" and isinstance(scope.node, ast.ClassDef):
                    for value in self.given(scope, bindings[0]):  # of a property; no other method
                        yield from self.origins(value)
                else:
                    yield from (origin for origin in self._bound(scope, bindings) if origin != dotted)

    def is_property(self, node: ast.AST) -> bool:
        decorators = node.decorator_list if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else []
        return any(self.origins(item) & PROPERTIES for item in decorators)

    def is_module(self, dotted: str) -> bool:
        """Whether the project has a module with this dotted name."""
        return dotted in self._modules

    # Definitions

    def defined_once(self, dotted: str) -> Iterator[tuple[Scope, list[Binding]]]:
        """As `definitions`, but empty while the name is being followed."""
        with self.once("defined", dotted) as is_first:
            yield from self.definitions(dotted) if is_first else ()

    def definitions(self, dotted: str) -> list[tuple[Scope, list[Binding]]]:
        """Return the bindings of a dotted name in a module, or in a class and its bases."""
        head = dotted
        parts: list[str] = []
        while head and head not in self._modules:
            head, _, last = head.rpartition(".")
            parts.insert(0, last)
        if not head or not parts or len(parts) > 2:
            return []
        top = self._modules[head].survey.top
        if len(parts) == 1:
            bindings = top.names.get(parts[0])
            return [(top, bindings)] if bindings else []
        return list(self._members(top, parts[0].removesuffix("()"), parts[1], 0))

    def _members(self, top: Scope, owner: str, name: str, depth: int) -> Iterator[tuple[Scope, list[Binding]]]:
        for binding in top.names.get(owner, ()):
            if binding.kind != "def" or not isinstance(binding.node, ast.ClassDef) or depth > 5:
                continue
            scope = opened(binding.node)
            kept = self._modules[top.name].kept.get((id(binding.node), name))
            if name in scope.names:
                yield scope, scope.names[name]
            if kept:
                yield scope, kept
            if name in scope.names or kept:
                continue
            for origin in (origin for base in binding.node.bases for origin in self.origins(base)):
                head, _, last = origin.rpartition(".")
                if head in self._modules:
                    yield from self._members(self._modules[head].survey.top, last, name, depth + 1)

    def _called(self, node: ast.Call) -> Iterator[str]:
        for origin in self.origins(node.func):
            if origin in IMPORTERS and node.args:
                yield from (text for text in self.texts(node.args[0]) if HOLE not in text)
            elif origin == "getattr" and len(node.args) > 1:
                for name in self.texts(node.args[1]):
                    yield from self._attributes(self.origins(node.args[0]), name)
            elif origin == "type" and len(node.args) == 1:
                yield from (found.removesuffix("()") for found in self.origins(node.args[0]))
            elif origin == "functools.partial" and node.args:
                yield from self.origins(node.args[0])
            elif origin == "typing.cast" and len(node.args) > 1:
                yield from self.origins(node.args[1])
            else:
                yield f"{origin}()"
                yield from (found for value in self.results(origin) for found in self.origins(value))

    def results(self, origin: str) -> Iterator[ast.expr]:
        """Return the values that a function of the project returns."""
        for _, bindings in self.definitions(origin):
            for binding in bindings:
                if binding.kind == "def" and isinstance(binding.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield from opened(binding.node).returns

    def _subscript(self, node: ast.Subscript) -> Iterator[str]:
        if isinstance(node.value, (ast.Dict, ast.List, ast.Tuple)):
            items = node.value.values if isinstance(node.value, ast.Dict) else node.value.elts
            yield from (origin for item in items for origin in self.origins(item))
            return
        for origin in self.origins(node.value):
            if origin == "sys.modules":
                yield from self.texts(node.slice)
            else:
                yield f"{origin}[]"

    def texts(self, node: ast.AST) -> frozenset[str]:
        """Return the possible strings of an expression."""
        raise NotImplementedError

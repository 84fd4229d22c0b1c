"""Resolves expressions to the dotted names they may stand for."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from .scopes import FUNCTIONS, Binding, Scope, opened, scope_at

if TYPE_CHECKING:
    from .project import Module

HOLE = "\ufffc"  # replaces the unknown part of a string
DEPENDENCIES = "of "  # marks the `RunContext[T]` whose attribute `deps` has the type T
MOST = 24  # the maximum number of values followed for an expression
DEEPEST = 40
NOTHING: frozenset[str] = frozenset()
IMPORTERS = {"importlib.import_module", "importlib.__import__", "__import__", "pytest.importorskip"}
PROPERTIES = {"property", "functools.cached_property", "pydantic.computed_field"}


class Origins:
    """Follows values through modules. Results are cached."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self._modules = {module.dotted: module for module in modules}
        self._origins: dict[int, frozenset[str]] = {}
        self._open: set[tuple[str, int]] = set()
        self._callers: dict[str, dict[str, list[ast.Call]]] = {}
        self._attributes_of: dict[str, dict[tuple[int, str], list[Binding]]] = {}

    # Origins

    def origins(self, node: ast.AST) -> frozenset[str]:
        """Return the dotted names that an expression may stand for; none if unknown."""
        key = id(node)
        if key in self._origins:
            return self._origins[key]
        mark = ("origins", key)
        if mark in self._open or len(self._open) > DEEPEST:
            return NOTHING
        self._open.add(mark)
        try:
            found = frozenset(list(self._origin(node))[:MOST])
        finally:
            self._open.discard(mark)
        if not self._open or found:  # elsewhere, an expression in a cycle may have more origins
            self._origins[key] = found
        return found

    def _origin(self, node: ast.AST) -> Iterable[str]:
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
            return (self._path_of(node),)
        if isinstance(node, (ast.Dict, ast.DictComp)):
            return ("dict()",)
        if isinstance(node, (ast.List, ast.ListComp)):
            return ("list()",)
        if isinstance(node, (ast.Set, ast.SetComp)):
            return ("set()",)
        return ()

    def _bound(self, scope: Scope, bindings: list[Binding]) -> Iterator[str]:
        for binding in bindings:
            node = binding.node
            if binding.kind == "import":
                yield from self.follow(binding.origin)
            elif binding.kind == "value":
                yield from self.origins(node)
            elif binding.kind == "def":
                yield self._path_of(node)
            elif binding.kind == "entered":
                yield from self.origins(node)
            elif binding.kind == "declared" and isinstance(node, ast.AnnAssign):
                yield from self._instances(node.annotation)
            elif binding.kind == "caught":
                parts = node.elts if isinstance(node, ast.Tuple) else [node]
                yield from (f"{origin}()" for part in parts for origin in self.origins(part))
            elif binding.kind == "part" and isinstance(node, (ast.Tuple, ast.List)):
                if binding.index < len(node.elts):
                    yield from self.origins(node.elts[binding.index])
            elif binding.kind == "item" and isinstance(node, (ast.Tuple, ast.List, ast.Set)):
                for item in node.elts:
                    yield from self.origins(item)
            elif binding.kind == "argument" and isinstance(node, ast.arg):
                yield from self._argument(scope, node)

    def _argument(self, scope: Scope, node: ast.arg) -> Iterator[str]:
        if node.annotation:
            yield from self._instances(node.annotation)
        function = scope.node
        owner = scope.parent.node if scope.parent else None
        if isinstance(function, FUNCTIONS):
            given = [*function.args.posonlyargs, *function.args.args]
            if isinstance(owner, ast.ClassDef) and given and given[0] is node:
                yield self._path_of(owner) + ("" if node.arg == "cls" else "()")
        for value in self._passed(scope, node):
            yield from self.origins(value)

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
            if outer & {"typing.Annotated", "typing.Optional", "typing.ClassVar", "typing.Final"}:
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
        given = [*function.args.posonlyargs, *function.args.args]
        defaults = dict(zip([each.arg for each in given][::-1], function.args.defaults[::-1], strict=False))
        words = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
        defaults |= {each.arg: value for each, value in words if value}
        if node.arg in defaults:
            yield defaults[node.arg]
        if isinstance(function, ast.Lambda):
            return
        method = bool(scope.parent and isinstance(scope.parent.node, ast.ClassDef))
        names = [each.arg for each in given][int(method) :]
        for call in self._called_by_name(scope.module, function.name):
            for word in call.keywords:
                if word.arg == node.arg:
                    yield word.value
            if node.arg in names and names.index(node.arg) < len(call.args):
                value = call.args[names.index(node.arg)]
                if not isinstance(value, ast.Starred):
                    yield value

    def _called_by_name(self, module: Scope, name: str) -> list[ast.Call]:
        """Return the calls of a function or method in a module, by its name."""
        if module.name not in self._callers:
            found = self._callers[module.name] = {}
            for node in self._modules[module.name].all(ast.Call):
                last = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                found.setdefault(last, []).append(node)
        return self._callers[module.name].get(name, [])

    def _attributes(self, before: Iterable[str], name: str) -> Iterator[str]:
        for origin in before:
            if origin.startswith(DEPENDENCIES):
                yield from [origin.removeprefix(DEPENDENCIES)] if name == "deps" else []
            else:
                yield from self.follow(f"{origin}.{name}")

    def follow(self, dotted: str) -> Iterator[str]:
        """Return the dotted name and, if the project defines it, its origins."""
        yield dotted
        mark = ("follow" + dotted, 0)
        if mark in self._open:
            return
        self._open.add(mark)
        try:
            for scope, bindings in self.definitions(dotted):
                if bindings and bindings[0].kind == "def" and isinstance(scope.node, ast.ClassDef):
                    yield from self._method(bindings[0].node)
                else:
                    yield from (origin for origin in self._bound(scope, bindings) if origin != dotted)
        finally:
            self._open.discard(mark)

    def _method(self, node: ast.AST) -> Iterator[str]:
        """Return the origins of a property; nothing for any other method."""
        if self.is_property(node):
            for value in opened(node).returns:
                yield from self.origins(value)

    def is_property(self, node: ast.AST) -> bool:
        decorators = node.decorator_list if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else []
        return any(self.origins(item) & PROPERTIES for item in decorators)

    def is_module(self, dotted: str) -> bool:
        """Whether the project has a module with this dotted name."""
        return dotted in self._modules

    def defined_once(self, dotted: str) -> Iterator[tuple[Scope, list[Binding]]]:
        """As `definitions`, but empty while the name is being followed: imports may be circular."""
        mark = (f"defined {dotted}", 0)
        if mark not in self._open:
            self._open.add(mark)
            try:
                yield from self.definitions(dotted)
            finally:
                self._open.discard(mark)

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
            bindings = top.names.get(parts[0].removesuffix("()"))
            return [(top, bindings)] if bindings and not parts[0].endswith("()") else []
        return list(self._members(top, parts[0].removesuffix("()"), parts[1], 0))

    def _members(self, top: Scope, owner: str, name: str, depth: int) -> Iterator[tuple[Scope, list[Binding]]]:
        for binding in top.names.get(owner, ()):
            if binding.kind != "def" or not isinstance(binding.node, ast.ClassDef) or depth > 5:
                continue
            scope = opened(binding.node)
            if name in scope.names:
                yield scope, scope.names[name]
            kept = self._kept(top, binding.node, name)
            if kept:
                yield scope, kept
            if name not in scope.names and not kept:
                for base in binding.node.bases:
                    for origin in self.origins(base):
                        head, _, last = origin.rpartition(".")
                        if head in self._modules:
                            yield from self._members(self._modules[head].survey.top, last, name, depth + 1)

    def _kept(self, module: Scope, owner: ast.AST, name: str) -> list[Binding]:
        """Return the values that methods of a class assign to an attribute of `self`."""
        if module.name not in self._attributes_of:
            found = self._attributes_of[module.name] = {}
            for node in self._modules[module.name].all(ast.Assign, ast.AnnAssign):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if not (isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)):
                        continue
                    function = scope_at(node).function
                    holder = function.parent.node if function and function.parent else None
                    if target.value.id in {"self", "cls"} and isinstance(holder, ast.ClassDef) and node.value:
                        found.setdefault((id(holder), target.attr), []).append(Binding("value", node.value))
        return self._attributes_of[module.name].get((id(owner), name), [])

    def _path_of(self, node: ast.AST) -> str:
        """Return the dotted name of a function or class of the project."""
        name = getattr(node, "name", "<lambda>")
        scope: Scope | None = scope_at(node)
        while scope is not None and scope.parent is not None:
            name = f"{getattr(scope.node, 'name', '<lambda>')}.{name}"
            scope = scope.parent
        return f"{scope.name if scope else ''}.{name}"

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

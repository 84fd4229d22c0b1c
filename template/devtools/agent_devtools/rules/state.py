"""Finds state that outlives a request (rule 6.1): objects of modules and classes that functions change."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cached_property

from .flow import Flow
from .project import Module, Project, named
from .scopes import FUNCTIONS, Binding, Scope, parameters, scope_at, targets_of

KEEPERS = re.compile(  # names of types with contents
    r"ChainMap|Counter|LRUCache|LifoQueue|OrderedDict|PriorityQueue|Queue|SimpleNamespace|SimpleQueue|TTLCache"
    r"|Weak(?:KeyDictionary|Set|ValueDictionary)|bytearray|count|cycle|defaultdict|deque|dict|list|local|set"
)
CHANGES = re.compile(  # names of methods that change the contents
    r"add|append(?:left)?|clear|discard|extend(?:left)?|insert|move_to_end|pop(?:item|left)?|put(?:_nowait)?|remove"
    r"|reverse|rotate|setdefault|sort|subtract|update|__setitem__"
)
CACHES = {"aiocache.cached", "async_lru.alru_cache", "cachetools.cached", "functools.cache", "functools.lru_cache"}
MUTABLE = {"dict", "list", "set", "bytearray", "collections.defaultdict", "collections.deque", "typing.Any"}
CREATES = {"__init__", "__post_init__", "__new__"}
WHILE_IMPORTED = {"__init_subclass__", "__set_name__"}


class State:
    """Finds changes of objects that all requests of a process share."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._flow: Flow = project.flow

    def changes(self, module: Module) -> Iterator[tuple[ast.AST, str]]:
        """Yield each place in a function that changes a shared object, with the object's name."""
        for node in module.all(ast.Call):
            if isinstance(node.func, ast.Attribute) and CHANGES.fullmatch(node.func.attr):
                yield from self._change(node, node.func.value)
            elif isinstance(node.func, ast.Name) and node.func.id in {"next", "setattr"} and node.args:
                yield from self._change(node, node.args[0], whole=node.func.id == "setattr")
        for statement in module.all(ast.Assign, ast.AugAssign, ast.Delete):
            for target in targets_of(statement):
                if isinstance(target, ast.Subscript):
                    yield from self._change(statement, target.value)
                elif isinstance(target, ast.Attribute):
                    yield from self._change(statement, target.value, whole=True)
        for read in module.all(ast.Subscript):  # a defaultdict stores each key that is read
            if isinstance(read.ctx, ast.Load) and self._flow.origins(read.value) & {"collections.defaultdict()"}:
                yield from self._change(read, read.value)

    def _change(self, place: ast.AST, target: ast.expr, *, whole: bool = False) -> Iterator[tuple[ast.AST, str]]:
        function = scope_at(place).function
        if function is None or self._registers(function, place):
            return
        if self.is_shared(target, whole=whole):
            yield place, ast.unparse(target)

    def is_shared(self, node: ast.AST, *, whole: bool = False, depth: int = 0) -> bool:  # noqa: PLR0911 - one per kind
        """Whether an expression is a mutable object of a module or class; with `whole`, any object of one."""
        if depth > 4:
            return False
        if isinstance(node, ast.Call):
            return any(self._is_cached(origin) for origin in self._flow.origins(node.func))
        if isinstance(node, ast.Subscript):
            return self.is_shared(node.value, depth=depth + 1)
        if isinstance(node, ast.Name):
            found = scope_at(node).find(node.id)
            if node.id == "cls" and whole:
                return True
            return found is not None and self._keeps(*found, node, whole=whole, depth=depth)
        if isinstance(node, ast.Attribute):
            text = named(node)
            if ".app.state." in f".{text}." or self.is_shared(node.value, whole=True, depth=depth + 1):
                return True
            places = [each for origin in self._flow.origins(node) for each in self._flow.definitions(origin)]
            return any(self._keeps(*place, node, whole=whole, depth=depth) for place in places)
        return False

    def _keeps(self, scope: Scope, bindings: list[Binding], node: ast.expr, *, whole: bool, depth: int) -> bool:
        if isinstance(scope.node, FUNCTIONS):  # a local name may refer to a shared object
            return any(
                (binding.kind == "value" and self._is_alias(binding.node, whole=whole, depth=depth))
                or (binding.kind == "argument" and self._is_default(scope.node, binding.node, node))
                for binding in bindings
            )
        if isinstance(scope.node, ast.ClassDef) and isinstance(node, ast.Attribute):
            if scope.names.get(node.attr) is not bindings:
                return False  # assigned by a method, for each object
            if named(node.value) != getattr(scope.node, "name", "") and self._is_assigned_to_self(scope, node.attr):
                return False
        return any(self._is_kept(scope, binding, whole=whole) for binding in bindings)

    def _is_assigned_to_self(self, scope: Scope, name: str) -> bool:
        return any(
            isinstance(target, ast.Attribute) and target.attr == name and named(target.value) == "self"
            for node in ast.walk(scope.node)
            if isinstance(node, (ast.Assign, ast.AnnAssign))
            for target in targets_of(node)
        ) or any("dataclass" in ast.unparse(item) for item in getattr(scope.node, "decorator_list", ()))

    def _is_alias(self, value: ast.AST, *, whole: bool, depth: int) -> bool:
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr != "setdefault":
            # A part of a shared object, such as `SEEN.get(owner)`.
            return value.func.attr == "get" and self.is_shared(value.func.value, depth=depth + 1)
        alike = isinstance(value, (ast.Name, ast.Attribute, ast.Call))
        return alike and self.is_shared(value, whole=whole, depth=depth + 1)

    def _is_default(self, function: ast.AST, argument: ast.AST, node: ast.expr) -> bool:
        """Whether a parameter has a mutable default, one object for all calls."""
        if not isinstance(function, FUNCTIONS) or not isinstance(argument, ast.arg) or not isinstance(node, ast.Name):
            return False
        value = parameters(function).get(argument)
        return value is not None and self._makes_keeper(value)

    def _is_kept(self, scope: Scope, binding: Binding, *, whole: bool) -> bool:  # noqa: PLR0911 - one per kind
        if binding.kind == "import":
            if whole and self._flow.is_module(binding.origin):
                return True
            places = self._flow.defined_once(binding.origin)
            return any(self._is_kept(place, each, whole=whole) for place, found in places for each in found)
        if isinstance(scope.node, FUNCTIONS):
            return False
        if binding.kind == "def":
            return whole  # an attribute of a function or class
        if binding.kind != "value":
            return False
        if whole and isinstance(binding.node, ast.Call):
            return self._is_own_object(binding.node) or self._makes_keeper(binding.node)
        return self._makes_keeper(binding.node)

    def _is_own_object(self, call: ast.Call) -> bool:
        return any(
            binding.kind == "def" and isinstance(binding.node, ast.ClassDef)
            for origin in self._flow.origins(call.func)
            for _, bindings in self._flow.definitions(origin)
            for binding in bindings
        )

    def _makes_keeper(self, node: ast.AST) -> bool:
        if isinstance(node, (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)):
            return True
        if isinstance(node, ast.BinOp):
            return self._makes_keeper(node.left) or self._makes_keeper(node.right)
        origins = self._flow.origins(node.func) if isinstance(node, ast.Call) else frozenset()
        return any(KEEPERS.fullmatch(origin.rpartition(".")[2]) for origin in origins)

    # Registries that are filled on import

    def _registers(self, function: Scope, place: ast.AST) -> bool:
        """Whether a function is a decorator that registers the function it returns."""
        node = function.node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
        if node.name in WHILE_IMPORTED:
            return True
        returned = {value.id for value in function.returns if isinstance(value, ast.Name)}
        read = isinstance(place, ast.Subscript)  # of a defaultdict, in the statement that stores a value
        stored = {part.id for part in ast.walk(node if read else place) if isinstance(part, ast.Name)}
        arguments = {each.arg: each for each in parameters(node)}
        return any(
            _is_callable(arguments[name].annotation) or node.name in self._decorators
            for name in returned & stored & arguments.keys()
        )

    @cached_property
    def _decorators(self) -> set[str]:
        return {
            named(item.func if isinstance(item, ast.Call) else item).rpartition(".")[2]
            for module in self._project.modules()
            for node in module.all(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            for item in node.decorator_list
        }

    # Objects of a module whose methods change them

    def singletons(self, module: Module) -> Iterator[tuple[ast.AST, str]]:
        """Yield each instance at the top of a module or class whose methods change it."""
        for node in module.all(ast.Assign, ast.AnnAssign):
            scope = scope_at(node)
            if isinstance(scope.node, FUNCTIONS) or not isinstance(node.value, ast.Call):
                continue
            for origin in self._flow.origins(node.value.func):
                for _, bindings in self._flow.definitions(origin):
                    for binding in bindings:
                        method = self._keeping_method(binding.node)
                        if method:
                            yield node, method

    def _keeping_method(self, node: ast.AST) -> str:
        """Return the first method that changes the object and is not a decorator."""
        if not isinstance(node, ast.ClassDef):
            return ""
        for method in node.body:
            if not isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)) or method.name in CREATES:
                continue
            inner = [each for each in method.body if isinstance(each, ast.FunctionDef)]
            if inner or any(_is_callable(each.annotation) for each in parameters(method)):
                continue
            if any(_changes_self(part) for part in ast.walk(method)):
                return f"{node.name}.{method.name}"
        return ""

    # Cached results

    def cached(self, module: Module) -> Iterator[tuple[ast.AST, str]]:
        """Yield each function with cached results that are mutable or differ between processes."""
        for node in module.all(ast.FunctionDef, ast.AsyncFunctionDef):
            if any(self._is_cache(item) for item in node.decorator_list) and self._may_change(node):
                yield node, node.name

    def _is_cache(self, node: ast.expr) -> bool:
        return bool(self._flow.origins(node.func if isinstance(node, ast.Call) else node) & CACHES)

    def _is_cached(self, origin: str) -> bool:
        return any(
            isinstance(binding.node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and any(self._is_cache(item) for item in binding.node.decorator_list)
            for _, bindings in self._flow.definitions(origin)
            for binding in bindings
            if binding.kind == "def"
        )

    def _may_change(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        if isinstance(node, ast.AsyncFunctionDef):
            return True
        result = node.returns
        constant = not node.args.args and not node.args.kwonlyargs  # computed once, equal in every process
        if result is not None and not constant:
            outer = result.value if isinstance(result, ast.Subscript) else result
            origins = self._flow.origins(outer)
            if origins & MUTABLE or any(self._has_keeping_method(origin) for origin in origins):
                return True
        returned = [value.value for value in ast.walk(node) if isinstance(value, ast.Return) and value.value]
        return any(
            self._makes_own(value) or (self._makes_keeper(value) and not (constant and _is_filled(value)))
            for value in returned
        )

    def _makes_own(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and any(
            self._has_keeping_method(origin) for origin in self._flow.origins(node.func)
        )

    def _has_keeping_method(self, origin: str) -> bool:
        return any(
            self._keeping_method(binding.node) for _, bindings in self._flow.definitions(origin) for binding in bindings
        )


def _is_filled(node: ast.expr) -> bool:
    """Whether a list or dictionary is not empty initially."""
    if isinstance(node, ast.Dict):
        return bool(node.keys)
    if isinstance(node, (ast.List, ast.Set)):
        return bool(node.elts)
    return not (isinstance(node, ast.Call) and not node.args)


def _is_callable(annotation: ast.expr | None) -> bool:
    text = ast.unparse(annotation) if annotation else ""
    return "Callable" in text or text.startswith("type[") or (len(text) == 1 and text.isupper())


def _changes_self(node: ast.AST) -> bool:
    """Whether a node assigns or changes an attribute of `self`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and CHANGES.fullmatch(node.func.attr):
        return _of_self(node.func.value)
    if isinstance(node, (ast.Assign, ast.AugAssign, ast.Delete)):
        return any(
            _of_self(target.value) or (isinstance(target, ast.Attribute) and named(target.value) == "self")
            for target in targets_of(node)
            if isinstance(target, (ast.Subscript, ast.Attribute))
        )
    return False


def _of_self(node: ast.AST) -> bool:
    """Whether an expression is part of an attribute of `self`, such as `self.sessions[owner]`."""
    while isinstance(node, (ast.Subscript, ast.Attribute, ast.Call)):
        if isinstance(node, ast.Attribute) and named(node.value) == "self":
            return True
        node = node.func if isinstance(node, ast.Call) else node.value
    return False

"""Walks a syntax tree once: collects its nodes by kind, and the bindings of each name by scope."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
DEFINITIONS = {*FUNCTIONS, ast.ClassDef}
STATEMENTS = {
    ast.AnnAssign,
    ast.Assign,
    ast.AsyncFor,
    ast.AugAssign,
    ast.ExceptHandler,
    ast.For,
    ast.Global,
    ast.Import,
    ast.ImportFrom,
    ast.NamedExpr,
    ast.Nonlocal,
    ast.Return,
    ast.comprehension,
    ast.withitem,
}
LEAVES = {ast.Constant, ast.Name}
PLAIN = {int, str, bool, type(None), ast.Load, ast.Store, ast.Del}  # values of fields that are not nodes
# The names of fields with such values only.
PLAIN_FIELDS = {"arg", "attr", "conversion", "ctx", "id", "is_async", "level", "module", "simple", "type_comment"}
FIELDS = {
    kind: tuple(name for name in kind._fields if name not in PLAIN_FIELDS)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}


@dataclass(slots=True)
class Binding:
    """A place that binds a name. `kind` is the part that `node` plays for the name.

    `value` (the expression assigned), `part` (the expression whose element `index` is assigned), `item` (of `node`, by
    a loop), `entered` (by `with`), `added` (by `+=`), `caught` (by `except`), `declared` (with a type alone), `def`,
    `argument`, or `import` (of the dotted name `origin`).
    """

    kind: str
    node: ast.AST
    origin: str = ""
    index: int = 0


@dataclass(slots=True)
class Scope:
    """A module, class or function with the names bound in it."""

    node: ast.AST
    parent: Scope | None
    names: dict[str, list[Binding]] = field(default_factory=dict)
    outer: set[str] = field(default_factory=set)  # declared `global` or `nonlocal`
    returns: list[ast.expr] = field(default_factory=list)
    name: str = ""  # of a module

    def bind(self, name: str, binding: Binding) -> None:
        self.names.setdefault(name, []).append(binding)

    def find(self, name: str) -> tuple[Scope, list[Binding]] | None:
        """Return the scope that a name read here belongs to, and its bindings there."""
        scope: Scope | None = self
        while scope is not None:
            visible = scope is self or not isinstance(scope.node, ast.ClassDef)
            if visible and name in scope.names and name not in scope.outer:
                return scope, scope.names[name]
            scope = scope.parent
        return None

    @property
    def function(self) -> Scope | None:
        """The innermost function that contains this scope."""
        scope: Scope | None = self
        while scope is not None and not isinstance(scope.node, FUNCTIONS):
            scope = scope.parent
        return scope

    @property
    def module(self) -> Scope:
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope


@dataclass(slots=True)
class Survey:
    """The result of the walk; `top` is the scope of the module."""

    by_kind: dict[type[ast.AST], list[ast.AST]]
    top: Scope


def scope_at(node: ast.AST) -> Scope:
    """Return the scope of a node in a surveyed tree."""
    scope: Scope = node.__dict__["scope"]
    return scope


def opened(node: ast.AST) -> Scope:
    """Return the scope that a function or class in a surveyed tree opens."""
    scope: Scope = node.__dict__["opens"]
    return scope


def path_of(node: ast.AST) -> str:
    """Return the dotted name of a function or class of the project."""
    name = getattr(node, "name", "<lambda>")
    scope = scope_at(node)
    while scope.parent is not None:
        name = f"{getattr(scope.node, 'name', '<lambda>')}.{name}"
        scope = scope.parent
    return f"{scope.name}.{name}"


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> dict[ast.arg, ast.expr | None]:
    """Return the parameters of a function with their defaults: first the positional ones, then the others."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    missing = [None] * (len(positional) - len(given.defaults))
    words = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    return dict([*zip(positional, [*missing, *given.defaults], strict=True), *words])


def targets_of(node: ast.AST) -> list[ast.expr]:
    """Return what an assignment or `del` binds or changes."""
    targets: list[ast.expr] = getattr(node, "targets", None) or [getattr(node, "target")]  # noqa: B009 - not in ast.AST
    return targets


def survey(tree: ast.Module, name: str, package: str) -> Survey:
    """Walk the tree of a module. `package` is the base of its relative imports."""
    top = Scope(tree, None, name=name)
    by_kind: dict[type[ast.AST], list[ast.AST]] = {}
    parts = package.split(".")
    stack: list[tuple[ast.AST, Scope]] = [(tree, top)]
    while stack:
        node, scope = stack.pop()
        kind = type(node)
        node.__dict__["scope"] = scope
        by_kind.setdefault(kind, []).append(node)
        if kind in LEAVES:
            continue
        body = scope
        if kind in DEFINITIONS:
            body = node.__dict__["opens"] = Scope(node, scope)
            _define(node, scope, body)
        elif kind in STATEMENTS:
            _bind(node, scope, parts)
        for field_name in FIELDS[kind]:
            value = getattr(node, field_name)
            if type(value) is list:
                if value:
                    within = body if field_name == "body" else scope
                    stack += [(item, within) for item in reversed(value) if type(item) not in PLAIN]
            elif type(value) not in PLAIN:
                stack.append((value, body if field_name == "body" else scope))
    return Survey(by_kind, top)


def _define(node: ast.AST, scope: Scope, body: Scope) -> None:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        scope.bind(node.name, Binding("def", node))
    if isinstance(node, FUNCTIONS):
        for argument in [*parameters(node), node.args.vararg, node.args.kwarg]:
            if argument:
                body.bind(argument.arg, Binding("argument", argument))
    if isinstance(node, ast.Lambda):
        body.returns.append(node.body)


def _bind(node: ast.AST, scope: Scope, package: list[str]) -> None:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            _target(target, "value", node.value, scope)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
        if node.value:
            _target(node.target, "value", node.value, scope)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            scope.bind(node.target.id, Binding("declared", node))
    elif isinstance(node, ast.AugAssign):
        _target(node.target, "added", node.value, scope)
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        _target(node.target, "item", node.iter, scope)
    elif isinstance(node, ast.withitem):
        if node.optional_vars:
            _target(node.optional_vars, "entered", node.context_expr, scope)
    elif isinstance(node, ast.Return):
        if node.value:
            scope.returns.append(node.value)
    elif isinstance(node, (ast.Global, ast.Nonlocal)):
        scope.outer.update(node.names)
    elif isinstance(node, ast.ExceptHandler):
        if node.name and node.type:
            scope.bind(node.name, Binding("caught", node.type))
    elif isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            scope.bind(name, Binding("import", node, alias.name if alias.asname else name))
    elif isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else []
        origin = ".".join([*above, node.module] if node.module else above)
        for alias in node.names:
            scope.bind(alias.asname or alias.name, Binding("import", node, f"{origin}.{alias.name}"))


def _target(target: ast.expr, kind: str, value: ast.expr, scope: Scope) -> None:
    if isinstance(target, ast.Name):
        owner = scope.module if target.id in scope.outer else scope
        owner.bind(target.id, Binding(kind, value))
    elif isinstance(target, (ast.Tuple, ast.List)):
        for index, part in enumerate(target.elts):
            if isinstance(part, ast.Name):
                scope.bind(part.id, Binding("part" if kind == "value" else "unknown", value, index=index))
            else:
                _target(part, "unknown", value, scope)

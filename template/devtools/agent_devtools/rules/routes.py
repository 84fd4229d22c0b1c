"""Finds the routes in the code, whether they require a token, and what their answers reveal."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .flow import HOLE
from .project import Module, Project, named
from .scopes import parameters, scope_at

METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace", "websocket", "api_route", "route"}
ADDING = {"add_api_route", "add_api_websocket_route", "add_route", "add_websocket_route", "mount"}
ROUTERS = {
    "fastapi.FastAPI()",
    "fastapi.APIRouter()",
    "starlette.applications.Starlette()",
    "starlette.routing.Router()",
}
LISTED = {
    "starlette.routing.Route",
    "starlette.routing.WebSocketRoute",
    "starlette.routing.Mount",
    "fastapi.routing.APIRoute",
}
GUARD = ".security.authentication."
# Arguments that switch a protection off.
OF_TOKENS = ("verify_signature", "verify_exp", "verify_aud")
OFF = dict.fromkeys(("verify", "verify_ssl", "ssl", "check_hostname", "autoescape", *OF_TOKENS), False)
OFF["debug"] = True
OPEN_TO_ALL = {"allow_origins", "allow_origin_regex", "allowed_hosts", "trusted_hosts", "forwarded_allow_ips"}
SWITCHES_OFF = {"ssl._create_unverified_context", "ssl.CERT_NONE", "jwt.api_jwt.decode_complete"}


@dataclass(frozen=True, slots=True)
class Route:
    """A route in the code. `path` is `None` if it is not constant."""

    module: Module
    node: ast.AST
    path: str | None
    method: str
    guarded: bool


class Routes:
    """Finds the routes of the whole package."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._flow = project.flow
        self._included = list(self._inclusions())

    def all(self) -> Iterator[Route]:
        for module in self._project.modules():
            for function in module.all(ast.FunctionDef, ast.AsyncFunctionDef):
                for decorator in function.decorator_list:
                    if isinstance(decorator, ast.Call):
                        yield from self._route(module, decorator, function, decorator)
            for call in module.all(ast.Call):
                if isinstance(call.func, ast.Attribute) and call.func.attr in ADDING:
                    yield from self._route(module, call, self._handler(call), call)
                elif self._flow.origins(call.func) & LISTED and call.args:
                    yield Route(module, call, self._text(call.args[0]), "route", guarded=False)

    def _route(self, module: Module, call: ast.Call, handler: ast.AST | None, place: ast.AST) -> Iterator[Route]:
        function = call.func
        if not isinstance(function, ast.Attribute) or function.attr not in METHODS | ADDING:
            return
        router = function.value
        if not self._flow.origins(router) & ROUTERS:
            return
        path = next((word.value for word in call.keywords if word.arg == "path"), call.args[0] if call.args else None)
        guarded = self._asks(call) or self._takes_owner(handler) or self._router_asks(router)
        own = self._text(path) if path is not None else None
        for before in self._prefixes(router):
            whole = None if own is None or before is None else before + own
            yield Route(module, place, whole, function.attr, guarded=guarded)

    def _text(self, node: ast.expr) -> str | None:
        texts = [text for text in self._flow.texts(node) if HOLE not in text]
        return texts[0] if len(texts) == 1 else None

    def _handler(self, call: ast.Call) -> ast.AST | None:
        given = [*call.args[1:2], *(word.value for word in call.keywords if word.arg in {"endpoint", "route"})]
        for node in given:
            for origin in self._flow.origins(node):
                for _, bindings in self._flow.definitions(origin):
                    return bindings[0].node
        return None

    def _asks(self, call: ast.Call) -> bool:
        """Whether the `dependencies` of a call require a token."""
        given = [word.value for word in call.keywords if word.arg == "dependencies"]
        return any(self._is_guard(item) for value in given for item in self._flow.items(value))

    def _is_guard(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Call):  # Depends(owner), Security(...)
            return any(self._is_guard(part) for part in node.args)
        return any(GUARD in origin for origin in self._flow.origins(node))

    def _takes_owner(self, handler: ast.AST | None) -> bool:
        if not isinstance(handler, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
        given = parameters(handler)
        types = (part for each in given if each.annotation for part in ast.walk(each.annotation))
        names = (part for part in types if isinstance(part, (ast.Name, ast.Attribute)))
        return any(map(self._is_guard, names)) or any(self._is_guard(value) for value in given.values() if value)

    def _made(self, router: ast.expr) -> list[ast.Call]:
        return [value for value in self._flow.assigned(router) if isinstance(value, ast.Call)]

    def _router_asks(self, router: ast.expr) -> bool:
        made = self._made(router)
        if any(self._asks(call) for call in made):
            return True
        included = self._inclusions_of(made)
        return bool(included) and all(self._asks(call) or self._router_asks(self._into(call)) for call in included)

    def _inclusions_of(self, made: list[ast.Call]) -> list[ast.Call]:
        ids = set(map(id, made))
        return [call for call, routers in self._included if ids & set(map(id, routers))]

    def _into(self, call: ast.Call) -> ast.expr:
        return call.func.value if isinstance(call.func, ast.Attribute) else call.func

    def _prefixes(self, router: ast.expr, depth: int = 0) -> list[str | None]:
        """Return the prefixes of a router's routes; several if it is included more than once."""
        made = self._made(router)
        own = self._prefix(made[0]) if made else ""
        included = self._inclusions_of(made)
        if not included or depth > 4:
            return [own]
        found: list[str | None] = []
        for call in included:
            for before in self._prefixes(self._into(call), depth + 1):
                parts = (before, self._prefix(call), own)
                found.append(None if None in parts else "".join(part or "" for part in parts))
        return found

    def _prefix(self, call: ast.Call) -> str | None:
        given = next((word.value for word in call.keywords if word.arg == "prefix"), None)
        return self._text(given) if given is not None else ""

    def _inclusions(self) -> Iterator[tuple[ast.Call, list[ast.expr]]]:
        """Return each call of `include_router` with the possible values of its router."""
        for module in self._project.modules():
            for call in module.all(ast.Call):
                if isinstance(call.func, ast.Attribute) and call.func.attr == "include_router" and call.args:
                    yield call, self._flow.assigned(call.args[0])


def is_route(project: Project, function: ast.AST) -> bool:
    """Whether a function is decorated as a route."""
    decorators = function.decorator_list if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) else []
    return any(
        isinstance(item, ast.Call)
        and isinstance(item.func, ast.Attribute)
        and item.func.attr in METHODS
        and bool(project.flow.origins(item.func.value) & ROUTERS)
        for item in decorators
    )


def route_at(project: Project, node: ast.AST) -> bool:
    """Return the route that contains a node, if any."""
    scope = scope_at(node).function
    return scope is not None and is_route(project, scope.node)


def reveals_error(project: Project, node: ast.AST) -> bool:
    """Whether an answer contains the message of a foreign exception."""
    for part in ast.walk(node):
        values = project.flow.assigned(part) if isinstance(part, ast.Name) else []
        if any(_is_error(project, each) for each in [part, *values]):
            return True
    return False


def _is_error(project: Project, node: ast.AST) -> bool:
    """Whether an expression is the message of a foreign exception."""
    if isinstance(node, ast.Call) and "traceback.format_exc" in project.flow.origins(node.func):
        return True
    shown: ast.expr | None = None
    if isinstance(node, ast.Call) and named(node.func) in {"str", "repr"} and node.args:
        shown = node.args[0]
    elif isinstance(node, ast.FormattedValue) or (isinstance(node, ast.Attribute) and node.attr == "args"):
        shown = node.value
    if not isinstance(shown, ast.Name):
        return False
    found = scope_at(shown).find(shown.id)
    if found is None or not any(binding.kind == "caught" for binding in found[1]):
        return False
    own = project.package.removeprefix("src/") + "."
    return not all(origin.startswith(own) for origin in project.flow.origins(shown))


def switched_off(project: Project, module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield each argument that switches a protection off."""
    for keyword in module.all(ast.keyword):
        if _is_off(project, keyword) or _is_open(project, keyword):
            yield keyword.value, ast.unparse(keyword)
    for table in module.all(ast.Dict):
        for key, value in zip(table.keys, table.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) else None
            if isinstance(name, str) and name.startswith("verify_") and getattr(value, "value", None) is False:
                yield value, f"{name}: False"
    for node in module.all(ast.Attribute):
        if node.attr in {"CERT_NONE", "_create_unverified_context"} and project.flow.origins(node) & SWITCHES_OFF:
            yield node, ast.unparse(node)
    for statement in module.all(ast.Assign):
        attributes = {target.attr for target in statement.targets if isinstance(target, ast.Attribute)}
        if attributes & {"check_hostname", "verify"} and False in project.flow.values(statement.value):
            yield statement, ast.unparse(statement)


def _is_off(project: Project, keyword: ast.keyword) -> bool:
    return keyword.arg in OFF and any(value is OFF[keyword.arg] for value in project.flow.values(keyword.value))


def _is_open(project: Project, keyword: ast.keyword) -> bool:
    if keyword.arg not in OPEN_TO_ALL:
        return False
    everyone = {text for item in project.flow.items(keyword.value) for text in project.flow.texts(item)}
    return bool((everyone | project.flow.texts(keyword.value)) & {"*", ".*"})

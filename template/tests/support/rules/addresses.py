"""Addresses of services and names of models in code (rule 3.1)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .flow import HOLE, Call
from .project import Module, Project, named
from .scopes import scope_at

LOCAL = r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])"
# Examples, documentation, and the names of schemas and of XML, which nothing asks.
NAMES = r"(?:docs\.[\w.-]+|www\.w3\.org|(?:www\.)?schema\.org|json-schema\.org|schemas\.\w+\.org|purl\.org)"
KNOWN = rf"(?:{LOCAL}|(?:[\w-]+\.)*example\.(?:com|org|net)|{NAMES})(?=[:/?#]|$)"
SCHEMES = (
    r"(?:postgres(?:ql)?(?:\+\w+)?|rediss?|valkeys?|amqps?|mongodb(?:\+srv)?|mysql(?:\+\w+)?"
    r"|nats|kafka|mqtts?|ldaps?|smtps?)"
)
# The text is an address from its beginning: a sentence that cites one is none.
ADDRESS = re.compile(
    rf"\s*(?:(?:https?|wss?|ftps?|sftp|grpcs?)://(?!{KNOWN})(?:[^/\s@]*@)?[A-Za-z0-9.-]+(?::\d+)?(?=[:/?#]|$)"
    rf"|{SCHEMES}://(?:[^/\s@]*@)?(?!{KNOWN})[A-Za-z0-9.-]+(?=[:/?,]|$)"
    rf"|(?:https?|{SCHEMES})://(?:[^/\s@]*@)?{LOCAL}:\d+)"
)
INSIDE = re.compile(rf"\b{SCHEMES}://(?:[^/\s@]*@)?(?!{KNOWN})[A-Za-z0-9.-]+(?=[:/?,]|$)")  # in a longer text
EXAMPLE = re.compile(r"//[^/]*:password@|@host\b|CHANGE_ME")  # how the description of a setting shows its form
OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
IP = re.compile(rf"(?!0\.0\.0\.0|127\.|255\.)(?:{OCTET}\.){{3}}{OCTET}(?::\d+)?")
HOST = re.compile(r"(?!localhost)(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?(?:/\S*)?|(?!localhost)[a-z][a-z0-9-]*:\d{2,5}")
EXAMPLE_HOST = re.compile(r"(?:.*\.)?example\.(?:com|org|net)(?:[:/].*)?")
CALLED_HOST = re.compile(
    r"(?i)(^|_)(host|hostname|server|endpoint|upstream|broker|brokers|base_?url|api_?url|url|uri|address)$"
)
FILE_NAME = re.compile(r".*\.(py|json|ya?ml|toml|md|txt|html?|csv|xml|ini|cfg|log|sql|js|css|png|svg|pdf|sock)")
CONNECTS = (
    "smtplib.SMTP",
    "socket.create_connection",
    "ftplib.FTP",
    "imaplib.IMAP4",
    "http.client.HTTP",
    "ldap3.Server",
)
MODEL = re.compile(
    r"(?:(?:openai|anthropic|google|mistral|groq|azure|bedrock|ollama|deepseek|xai|cohere|vertexai)[:/])?(?:[\w-]+/)?"
    r"(?:gpt-(?:\d|oss)|chatgpt-|o[1-9](?:-mini|-pro|-preview)?$|claude-(?:\d|opus|sonnet|haiku|instant|v\d)|gemini-\d|gemma|llama-?\d|meta-llama|mistral-|mixtral|"
    r"ministral|codestral|deepseek-|qwen-?\d|grok-\d|command-[ar]|text-embedding-|phi-\d|kimi-|glm-\d)[\w.:@-]*"
)


def addresses(project: Project, module: Module) -> Iterator[ast.AST]:
    """Each expression that holds the address of a service, whole or put together."""
    for node in _texts(project, module):
        if any(_is_address(text) for text in project.flow.texts(node)):
            yield node
    for name, value in _named(module):
        if CALLED_HOST.search(name) and isinstance(value, ast.Constant):
            yield from (value for text in project.flow.texts(value) if _is_host(text))
    for call in project.flow.calls(module):
        if any(origin.startswith(CONNECTS) for origin in call.origins):
            yield from _connected(project, call)


def _is_address(text: str) -> bool:
    found = ADDRESS.match(text) or INSIDE.search(text)
    return bool(IP.fullmatch(text)) or (bool(found) and not EXAMPLE.search(text))


def _texts(project: Project, module: Module) -> Iterator[ast.expr]:
    yield from (node for node, _ in module.texts)
    yield from module.all(ast.JoinedStr, ast.BinOp)
    for call in module.all(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"format", "join"}:
            yield call


def _named(module: Module) -> Iterator[tuple[str, ast.expr]]:
    """Names with the constants that they are given: by assignments, arguments, keys."""
    for node in module.all(ast.Assign, ast.AnnAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if node.value:
                yield named(target).rpartition(".")[2], node.value
    for word in module.all(ast.keyword):
        if word.arg:
            yield word.arg, word.value
    for table in module.all(ast.Dict):
        pairs = zip(table.keys, table.values, strict=True)
        yield from ((str(key.value), value) for key, value in pairs if isinstance(key, ast.Constant))
    for function in module.all(ast.FunctionDef, ast.AsyncFunctionDef):
        given = [*function.args.posonlyargs, *function.args.args]
        defaults = zip(given[::-1], function.args.defaults[::-1], strict=False)
        yield from ((argument.arg, value) for argument, value in defaults)


def _is_host(text: str) -> bool:
    return bool(HOST.fullmatch(text)) and not FILE_NAME.fullmatch(text) and not EXAMPLE_HOST.fullmatch(text)


def _connected(project: Project, call: Call) -> Iterator[ast.AST]:
    for part in [*call.args[:1], *(word.value for word in call.node.keywords if word.arg == "host")]:
        items = project.flow.items(part) or [part]
        if any(HOLE not in text and text not in {"", "localhost"} for text in project.flow.texts(items[0])):
            yield call.node


def models(project: Project, module: Module) -> Iterator[ast.AST]:
    """Each text that is the name of a model of a provider."""
    for node, text in module.texts:
        if MODEL.fullmatch(text) and not in_settings(node):
            yield node


def in_settings(node: ast.AST) -> bool:
    """Whether the node is the default of a setting."""
    owner = scope_at(node).node
    return isinstance(owner, ast.ClassDef) and any("Settings" in ast.unparse(base) for base in owner.bases)

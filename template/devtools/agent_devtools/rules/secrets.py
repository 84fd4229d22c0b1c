"""Finds secrets in texts, and addresses and names of models in code."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Iterator

from .flow import HOLE, Call
from .project import File, Module, Project, named
from .scopes import parameters, scope_at, targets_of

Fault = tuple[int, str, dict[str, object]]

# The formats of providers' keys.
KEYS = re.compile(
    r"(?<![\w-])(?:"
    r"sk-(?:ant-|proj-|or-)?[\w-]{16,}"
    r"|gh[pousr]_\w{30,}|github_pat_\w{22,}|glpat-[\w-]{20,}"
    r"|xox[abeprs]-[\w-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}(?!\w)|AIza[\w-]{35}"
    r"|(?:sk|rk|pk)_live_\w{16,}|whsec_\w{24,}|SG\.[\w-]{16,}\.[\w-]{16,}|hf_[A-Za-z]{30,}"
    r"|npm_\w{36}|pypi-AgE[\w-]{16,}|dop_v1_\w{32,}|shp(?:at|ss)_\w{32}|gsk_\w{20,}|xai-\w{20,}|r8_\w{30,}"
    r"|AGE-SECRET-KEY-\w{20,}|lin_api_\w{20,}|sntrys_\w{20,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{16,}"
    r")"
    r"|hooks\.slack\.com/services/T\w+/B\w+/\w{16,}|\b\d{8,10}:AA[\w-]{33}\b|AccountKey=[\w+/]{40,}=*"
    r"|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----"
)
URL = re.compile(r"\b[a-z][a-z0-9+]*://([^\s:@/\"'<>`|]*):([^\s@/\"'<>`|]+)@([^\s/:\"'<>`|?,)]*)")
# A name for a secret, and its value.
_NAME = (
    r"(?i)(?<![\w$])[\"']?([\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|auth[_-]?key|credential|signing[_-]?key|_key|_pwd)\w{0,12})[\"']?(?:: *\w+)?[ \t]*[:=][ \t]*"
)
NAMED = re.compile(_NAME.replace(r"(?:: *\w+)?", "") + r"[\"']?([^\s\"',;}\])]{6,})")
QUOTED = re.compile(_NAME + r"(?:SecretStr\()?[\"']([^\s\"']{6,})[\"']")  # in code, where unquoted words are names
WORDS = ("passw", "passphrase", "secret", "token", "key", "credential", "pwd")
# Every key that KEYS finds contains one of these, which is faster to search for.
BEGINNINGS = (
    *("sk-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "AKIA", "ASIA", "AIza", "_live_"),
    *("whsec_", "SG.", "hf_", "npm_", "pypi-", "dop_v1_", "shpat_", "shpss_", "gsk_", "xai-", "r8_", "AGE-SECRET-KEY-"),
    *("lin_api_", "sntrys_", "eyJ", "hooks.slack.com", ":AA", "AccountKey=", "-----BEGIN"),
)
NO_SECRET = re.compile(
    r"(?i)public|config_key|_file$|_path$|_name$|_url$|_at$|_id$|_ttl|expire|minutes|seconds|length|count|limit|max_"
)
STANDS_FOR = re.compile(
    r"(?i)change[_-]?me|change-?this|placeholder|example|insecure|dummy|fake|sample|redacted|replace|your[-_]|todo|xxx"
    r"|not[-_]?a?[-_]?(?:real|secret)|(?:for|only)[-_]development|development|^\W*$|\.\.\.|…|test"
)
RESERVED = re.compile(
    r"(?i)localhost|127\.[\d.]+|\[?::1\]?|(?:.*\.)?(?:example|test|invalid|localhost)|(?:.*\.)?example\.\w+|"
)
CONFIG = (".yml", ".yaml", ".toml", ".json", ".ini", ".cfg", ".conf", ".properties", ".tf", ".tfvars", ".env", ".xml")
CODE = (".py", ".js", ".ts", ".tsx", ".jsx", ".go", ".rs", ".java", ".rb", ".md", ".mdc", ".rst", ".txt")
COUNTED = re.compile(r"0123456789abcdef|abcdefghijklmnop")  # a fake one in a test
LARGEST = 500_000  # characters; larger files are generated
WEAK = re.compile(r"password|postgres|secret|admin|root|guest|dev|app|agent|user|pass|valkey|redis", re.IGNORECASE)


def entropy(text: str) -> float:
    """Return the bits per character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values()) if text else 0.0


def is_placeholder(value: str) -> bool:
    """Whether a value is a placeholder: ${NAME}, <key>, CHANGE_ME."""
    return bool(STANDS_FOR.search(value)) or value[:1] in set("$<{[%(*&!") or "${" in value or "{{" in value


def is_random(value: str) -> bool:
    """Whether a value looks generated, or like a strong password."""
    if is_placeholder(value) or value.startswith(("/", "./", "http://", "https://")):
        return False
    if re.fullmatch(r"[A-Z][A-Z0-9_]*|[a-z]+(?:[._-][a-z]+)*|[\d.]+|true|false|null|none", value):
        return False
    if re.search(r"[()\[\]{}]", value) or re.fullmatch(r"[A-Za-z_]+(?:\.[A-Za-z_]+)+", value):  # code
        return False
    kinds = sum(bool(re.search(kind, value)) for kind in (r"[a-z]", r"[A-Z]", r"\d", r"[^\w]"))
    return (len(value) >= 16 and kinds >= 2 and entropy(value) >= 3) or (len(value) >= 32 and entropy(value) >= 2.5)


def is_password(value: str) -> bool:
    """Whether a value looks like a password in use, rather than one of a laptop."""
    if is_placeholder(value) or WEAK.fullmatch(value) or re.fullmatch(r"[A-Z][A-Z0-9_]*|[\d.]+|true|false", value):
        return False
    if value.startswith(("/", "./")) or re.fullmatch(r"[a-z]+(?:[-_][a-z]+)*", value):
        return False
    kinds = sum(bool(re.search(kind, value)) for kind in (r"[a-z]", r"[A-Z]", r"\d", r"[^\w]"))
    return is_random(value) or (len(value) >= 6 and kinds >= 2)


def is_key(text: str) -> bool:
    """Whether a text in a provider's format is a key, not an example: those say so, or repeat characters."""
    if text.startswith("-----"):
        return True
    return not STANDS_FOR.search(text) and len(set(re.sub(r"^[a-zA-Z]+[-_]", "", text))) >= 6


def password_in(text: str, *, strict: bool) -> str:
    """Return the password in an address, unless it is a placeholder or, if not `strict`, one of a laptop."""
    for user, password, host in URL.findall(text):
        if is_placeholder(password) or WEAK.fullmatch(password) or password == user or RESERVED.fullmatch(host):
            continue
        if strict or is_password(password):
            return str(password)
    return ""


def password_free(value: str) -> bool:
    """Whether an address in a template contains no password."""
    return "://" in value and not password_in(value, strict=True)


def secrets_in(file: File) -> Iterator[Fault]:
    """Yield each secret in a file: the line, its kind, and its name if it has one."""
    text, name = file.text, file.name
    if len(text) > LARGEST or "\0" in text[:1000]:
        return
    in_tests = file.path.startswith("tests/")
    for found in KEYS.finditer(text) if any(word in text for word in BEGINNINGS) else ():
        if is_key(found[0]) and not (COUNTED.search(found[0]) and in_tests):
            yield _line(text, found), "holds a key", {}
    config = name.endswith(CONFIG) or name.startswith((".env", "Dockerfile", "Procfile"))
    if "://" in text and not name.endswith(".py"):
        for found in URL.finditer(text):
            if password_in(found[0], strict=config and "/" not in file.path):
                yield _line(text, found), "holds the password of an address", {}
    pattern = QUOTED if name.endswith(CODE) else NAMED
    for found in (each for line in _likely(text) for each in pattern.finditer(text, *line)):
        if (
            not NO_SECRET.search(found[1])
            and (is_password if config else is_random)(found[2])
            and not KEYS.search(found[2])
        ):
            if in_tests and COUNTED.search(found[2]):
                continue
            yield _line(text, found), "{name} is a secret", {"name": found[1]}


def _likely(text: str) -> Iterator[tuple[int, int]]:
    """Yield the lines that mention a secret: checking only those takes a tenth of the time."""
    lower = text.lower()
    places = (place for word in WORDS for place in _places(lower if len(lower) == len(text) else text, word))
    yield from sorted(
        {(text.rfind("\n", 0, at) + 1, end if (end := text.find("\n", at)) >= 0 else len(text)) for at in places}
    )


def _places(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word))


def _line(text: str, found: re.Match[str]) -> int:
    return text.count("\n", 0, found.start()) + 1


LOCAL = r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])"
# Examples, documentation, and names of schemas and XML, which are never requested.
NAMES = r"(?:docs\.[\w.-]+|www\.w3\.org|(?:www\.)?schema\.org|json-schema\.org|schemas\.\w+\.org|purl\.org)"
KNOWN = rf"(?:{LOCAL}|(?:[\w-]+\.)*example\.(?:com|org|net)|{NAMES})(?=[:/?#]|$)"
SCHEMES = (
    r"(?:postgres(?:ql)?(?:\+\w+)?|rediss?|valkeys?|amqps?|mongodb(?:\+srv)?|mysql(?:\+\w+)?"
    r"|nats|kafka|mqtts?|ldaps?|smtps?)"
)
# The text begins with the address; a sentence that cites one does not count.
ADDRESS = re.compile(
    rf"\s*(?:(?:https?|wss?|ftps?|sftp|grpcs?)://(?!{KNOWN})(?:[^/\s@]*@)?[A-Za-z0-9.-]+(?::\d+)?(?=[:/?#]|$)"
    rf"|{SCHEMES}://(?:[^/\s@]*@)?(?!{KNOWN})[A-Za-z0-9.-]+(?=[:/?,]|$)"
    rf"|(?:https?|{SCHEMES})://(?:[^/\s@]*@)?{LOCAL}:\d+)"
)
INSIDE = re.compile(rf"\b{SCHEMES}://(?:[^/\s@]*@)?(?!{KNOWN})[A-Za-z0-9.-]+(?=[:/?,]|$)")  # in a longer text
EXAMPLE = re.compile(r"//[^/]*:password@|@host\b|CHANGE_ME")  # an example in the description of a setting
OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
IP = re.compile(rf"(?!0\.0\.0\.0|127\.|255\.)(?:{OCTET}\.){{3}}{OCTET}(?::\d+)?")
HOST = re.compile(r"(?!localhost)(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?(?:/\S*)?|(?!localhost)[a-z][a-z0-9-]*:\d{2,5}")
EXAMPLE_HOST = re.compile(r"(?:.*\.)?example\.(?:com|org|net)(?:[:/].*)?")
CALLED_HOST = re.compile(
    r"(?i)(^|_)(host|hostname|server|endpoint|upstream|broker|brokers|base_?url|api_?url|url|uri|address)$"
)
FILE_NAME = re.compile(r".*\.(py|json|ya?ml|toml|md|txt|html?|csv|xml|ini|cfg|log|sql|js|css|png|svg|pdf|sock)")
MAIL = ("smtplib.SMTP", "imaplib.IMAP4")
CONNECTS = (*MAIL, "socket.create_connection", "ftplib.FTP", "http.client.HTTP", "ldap3.Server")
MODEL = re.compile(
    r"(?:(?:openai|anthropic|google|mistral|groq|azure|bedrock|ollama|deepseek|xai|cohere|vertexai)[:/])?(?:[\w-]+/)?"
    r"(?:gpt-(?:\d|oss)|chatgpt-|o[1-9](?:-mini|-pro|-preview)?$|claude-(?:\d|opus|sonnet|haiku|instant|v\d)|gemini-\d|gemma|llama-?\d|meta-llama|mistral-|mixtral|"
    r"ministral|codestral|deepseek-|qwen-?\d|grok-\d|command-[ar]|text-embedding-|phi-\d|kimi-|glm-\d)[\w.:@-]*"
)


def addresses(project: Project, module: Module) -> Iterator[ast.AST]:
    """Yield each expression with the address of a service, constant or composed."""
    for node in _texts(module):
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


def _texts(module: Module) -> Iterator[ast.expr]:
    yield from (node for node, _ in module.texts)
    yield from module.all(ast.JoinedStr, ast.BinOp)
    for call in module.all(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"format", "join"}:
            yield call


def _named(module: Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield names with their constants in assignments, arguments and keys."""
    for node in module.all(ast.Assign, ast.AnnAssign):
        if node.value:
            value = node.value
            yield from ((named(target).rpartition(".")[2], value) for target in targets_of(node))
    for word in module.all(ast.keyword):
        if word.arg:
            yield word.arg, word.value
    for table in module.all(ast.Dict):
        pairs = zip(table.keys, table.values, strict=True)
        yield from ((str(key.value), value) for key, value in pairs if isinstance(key, ast.Constant))
    for function in module.all(ast.FunctionDef, ast.AsyncFunctionDef):
        defaults = parameters(function).items()
        yield from ((each.arg, value) for each, value in defaults if value and each not in function.args.kwonlyargs)


def _is_host(text: str) -> bool:
    return bool(HOST.fullmatch(text)) and not FILE_NAME.fullmatch(text) and not EXAMPLE_HOST.fullmatch(text)


def _connected(project: Project, call: Call) -> Iterator[ast.AST]:
    for part in [*call.args[:1], *(word.value for word in call.node.keywords if word.arg == "host")]:
        items = project.flow.items(part) or [part]
        if any(HOLE not in text and text not in {"", "localhost"} for text in project.flow.texts(items[0])):
            yield call.node


def models(module: Module) -> Iterator[ast.AST]:
    """Yield each string that is the name of a provider's model."""
    for node, text in module.texts:
        if MODEL.fullmatch(text) and not in_settings(node):
            yield node


def in_settings(node: ast.AST) -> bool:
    """Whether a node is the default of a setting."""
    owner = scope_at(node).node
    return isinstance(owner, ast.ClassDef) and any("Settings" in ast.unparse(base) for base in owner.bases)

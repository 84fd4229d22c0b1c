"""Types of settings, each with an error message for invalid values (rule 3.1).

No message about a URL quotes it: a misread part of it may belong to the password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from ipaddress import ip_address
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, SecretStr

HIGHEST_PORT = 2**16 - 1
POSTGRES_SCHEMES = ("postgresql://", "postgres://")
VALKEY_SCHEMES = ("redis://", "rediss://")
PROXY_SCHEMES = frozenset({"http", "https"})
PROXY_VARIABLES = frozenset({"all_proxy", "http_proxy", "https_proxy"})  # in upper or lower case
# Parameters of other clients that libpq rejects, with the equivalent here.
FOREIGN_PARAMETERS = {
    "connection_limit": "set DATABASE_POOL_SIZE instead",
    "currentSchema": "set the search_path of the role instead",
    "pgbouncer": "set DATABASE_POOLER=transaction instead",
    "pool_timeout": "set DATABASE_TIMEOUT_SECONDS instead",
    "prepareThreshold": "set DATABASE_POOLER=transaction instead",
    "prepared_statement_cache_size": "set DATABASE_POOLER=transaction instead",
    "schema": "set the search_path of the role instead",
    "sslaccept": "use sslmode instead",
    "statement_cache_size": "set DATABASE_POOLER=transaction instead",
}
_HOST = re.compile(r"(?:\[[^\[\]]*\]|[^\[\]:]*)(?::(?P<port>[^:\[\]]*))?")
_POSTGRES_ESCAPES = (
    "is not a valid URL: in its credentials, write `/` as %2F, `@` as %40, `%` as %25 and a space as %20"
)
_VALKEY_ESCAPES = "in its credentials, write `/` as %2F, `?` as %3F, `#` as %23 and a space as %20"
_VALKEY_PARAMETER = re.compile(
    r"(db|username|password|protocol|client_name|health_check_interval|max_connections|retry_on_timeout"
    r"|timeout|(socket|ssl)_[a-z_]+)=.+"
)

_time_zones = cache(available_timezones)  # reads hundreds of files, which UTC, the default, need not wait for


def listed(text: str) -> list[str]:
    """The comma-separated parts of a setting."""
    return [part for item in text.split(",") if (part := item.strip())]


def _time_zone(name: str) -> str:
    if name != "UTC" and name not in _time_zones():
        raise ValueError(f"{name!r} is not an IANA time zone (such as Europe/Paris)")
    return name


def _root_path(path: str) -> str:
    path = path.rstrip("/")
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", path):
        raise ValueError("must be a path such as /agent, of letters, digits and . _ ~ -")
    return path


def _listen_address(host: str) -> str:
    try:
        ip_address(host)
    except ValueError:
        if host != "localhost":
            raise ValueError(
                f"{host!r} is not an IP address; conda exports a HOST such as x86_64-conda-linux-gnu: "
                "unset it, or set HOST to the address to listen on, such as 127.0.0.1"
            ) from None
    return host


def _http_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    try:
        urlsplit(url).port  # noqa: B018 - parsed on access
    except ValueError:
        raise ValueError("is not a valid URL: the port must be a number") from None
    return url


def _without(problem_of: Callable[[str], str | None]) -> AfterValidator:
    def check(url: SecretStr) -> SecretStr:
        if problem := problem_of(url.get_secret_value()):
            raise ValueError(problem)
        return url

    return AfterValidator(check)


def postgres_problem(url: str) -> str | None:
    """Explain the fault of a PostgreSQL URL, read as libpq reads it; return `None` if it is valid."""
    if not url.startswith(POSTGRES_SCHEMES):
        return f"must start with {' or '.join(POSTGRES_SCHEMES)}"
    authority, _, rest = url.partition("://")[2].partition("/")
    *credentials, hosts = authority.split("@")
    hosts, _, early = hosts.partition("?")  # a URL without a database
    path, _, query = rest.partition("?")
    if len(credentials) > 1 or "@" in path or ("@" in query and not credentials):
        return _POSTGRES_ESCAPES
    if re.search(r"\s|%(?![0-9A-Fa-f]{2})|%00", url):
        return _POSTGRES_ESCAPES
    problems = [*map(_host_problem, hosts.split(",")), _query_problem(early or query)]
    return next(filter(None, problems), None)


def _host_problem(host: str) -> str | None:
    found = _HOST.fullmatch(host)
    if found is None:
        return "is not a valid URL: the port must be a number, and an IPv6 host needs brackets, as in [::1]:5432"
    port = unquote(found["port"] or "")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) <= HIGHEST_PORT):
        return f"is not a valid URL: the port must be a number from 1 to {HIGHEST_PORT}"
    return None


def _query_problem(query: str) -> str | None:
    for pair in filter(None, query.split("&")):
        name, equals, _ = pair.partition("=")
        if not equals:
            return "is not a valid URL: after the `?`, write each parameter as name=value, separated by `&`"
        if name in FOREIGN_PARAMETERS:
            return f"has the parameter {name} of another PostgreSQL client: {FOREIGN_PARAMETERS[name]}"
    return None


def password(url: str) -> str:
    """The password in a URL, as written there; empty if there is none."""
    found = re.match(r"[a-z]+://[^:/@]*:([^@/]*)@", url)
    return found[1] if found else ""


def valkey_problem(url: str) -> str | None:
    """Explain the fault of a Valkey URL, read as redis-py reads it; return `None` if it is valid."""
    if "sentinel" in url.partition("://")[0]:
        return "names Sentinels, which are not supported: name the primary"
    if not url.startswith(VALKEY_SCHEMES):
        return f"must start with {' or '.join(VALKEY_SCHEMES)}: Unix sockets and other schemes are not supported"
    parts = urlsplit(url)
    if "#" in url or "@" in parts.path + parts.query or re.search(r"\s", url):
        return f"is not a valid URL: {_VALKEY_ESCAPES}"
    if "," in parts.netloc.rpartition("@")[2]:
        return "names several hosts, which are not supported: name the primary"
    return _valkey_parts_problem(parts)


def _valkey_parts_problem(parts: SplitResult) -> str | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        return f"is not a valid URL: the port must be a number from 1 to {HIGHEST_PORT}"
    if not re.fullmatch(r"/?[0-9]*", parts.path):
        return "is not a valid URL: the path must be the number of a database, as in /0"
    wrong = any(pair and not _VALKEY_PARAMETER.fullmatch(pair) for pair in parts.query.split("&"))
    return f"has an unknown parameter; {_VALKEY_ESCAPES}" if wrong else None


def proxy_problems(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each variable whose proxy the HTTP clients cannot use, such as a SOCKS proxy.

    Without this check, each client would fail at its first request and name a missing package.
    """
    lower = {name.lower(): value.strip() for name, value in environment.items()}
    if lower.get("no_proxy") == "*":
        return
    for name, value in environment.items():
        scheme, separator, _ = value.strip().partition("://")
        if name.lower() in PROXY_VARIABLES and separator and scheme.lower() not in PROXY_SCHEMES:
            kind = "SOCKS proxies" if scheme.lower().startswith("socks") else f"{scheme}:// proxies"
            yield f"{name}: {kind} are not supported: name an http:// or https:// proxy, or unset the variable"


TimeZone = Annotated[str, AfterValidator(_time_zone)]
RootPath = Annotated[str, AfterValidator(_root_path)]
ListenAddress = Annotated[str, AfterValidator(_listen_address)]
PostgresUrl = Annotated[SecretStr, _without(postgres_problem)]
DatabaseRole = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,62}$")]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
RedisUrl = Annotated[SecretStr, _without(valkey_problem)]


def in_its_case(annotation: Any, value: Any) -> Any:
    """The choice that `value` names in any case, such as `INFO` for `info`; other values unchanged."""
    if not isinstance(value, str):
        return value
    return next((choice for choice in _choices(annotation) if choice.lower() == value.lower()), value)


def _choices(annotation: Any) -> Iterator[str]:
    for kind in (annotation, *get_args(annotation)):  # the choices of `Literal["a"] | None` are nested
        if get_origin(kind) is Literal:
            yield from (choice for choice in get_args(kind) if isinstance(choice, str))
        elif isinstance(kind, type) and issubclass(kind, StrEnum):
            yield from kind

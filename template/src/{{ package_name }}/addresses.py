"""Checks addresses of PostgreSQL as libpq reads them, with a sentence for each common mistake (rule 3.1).

No sentence quotes the address: a part of it that is misread may belong to the password.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

SCHEMES = ("postgresql://", "postgres://")
# Parameters that other clients read and libpq refuses, with what does the same here.
FOREIGN = {
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
_ESCAPE = "in its credentials, write `/` as %2F, `@` as %40, `%` as %25 and a space as %20"
HIGHEST = 2**16 - 1  # of what TCP has room for


def postgres_problem(url: str) -> str | None:
    """What is wrong with an address of PostgreSQL, or `None`."""
    if not url.startswith(SCHEMES):
        return f"must start with {' or '.join(SCHEMES)}"
    authority, _, rest = url.partition("://")[2].partition("/")
    *credentials, hosts = authority.split("@")
    hosts, _, early = hosts.partition("?")  # no database is named
    path, _, query = rest.partition("?")
    if len(credentials) > 1 or "@" in path or ("@" in query and not credentials) or re.search(r"\s", url):
        return f"is no address: {_ESCAPE}"
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", url):
        return f"is no address: {_ESCAPE}"
    problems = [*map(_host_problem, hosts.split(",")), _query_problem(early or query)]
    return next(filter(None, problems), None)


def _host_problem(host: str) -> str | None:
    found = _HOST.fullmatch(host)
    if found is None:
        return "is no address: its port must be a number, and an IPv6 host stands in brackets, as in [::1]:5432"
    port = unquote(found["port"] or "")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) <= HIGHEST):
        return f"is no address: its port must be a number from 1 to {HIGHEST}"
    return None


def _query_problem(query: str) -> str | None:
    for pair in filter(None, query.split("&")):
        name, equals, _ = pair.partition("=")
        if not equals:
            return "is no address: after the `?`, write each parameter as name=value, with `&` in between"
        if name in FOREIGN:
            return f"has the parameter {name}, which belongs to another client of PostgreSQL: {FOREIGN[name]}"
    return None


def password(url: str) -> str:
    """The password in an address, as it is written there."""
    found = re.match(r"[a-z]+://[^:/@]*:([^@/]*)@", url)
    return found[1] if found else ""

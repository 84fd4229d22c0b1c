"""Checks addresses of Valkey as redis-py reads them, with a sentence for each common mistake (rule 3.1).

No sentence quotes the address: a part of it that is misread may belong to the password.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

SCHEMES = ("redis://", "rediss://")
_ESCAPE = "in its credentials, write `/` as %2F, `?` as %3F, `#` as %23 and a space as %20"
_PARAMETER = re.compile(
    r"(db|username|password|protocol|client_name|health_check_interval|max_connections|retry_on_timeout"
    r"|timeout|(socket|ssl)_[a-z_]+)=.+"
)


def valkey_problem(url: str) -> str | None:
    """What is wrong with an address of Valkey, or `None`."""
    if "sentinel" in url.partition("://")[0]:
        return "names Sentinels, which are not supported: name the primary"
    if not url.startswith(SCHEMES):
        return f"must start with {' or '.join(SCHEMES)}: Unix sockets and other schemes are not supported"
    parts = urlsplit(url)
    if "#" in url or "@" in parts.path + parts.query or re.search(r"\s", url):
        return f"is no address: {_ESCAPE}"
    if "," in parts.netloc.rpartition("@")[2]:
        return "names several hosts, which are not supported: name the primary"
    return _place_problem(parts)


def _place_problem(parts: SplitResult) -> str | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        return "is no address: its port must be a number from 1 to 65535"
    if not re.fullmatch(r"/?[0-9]*", parts.path):
        return "is no address: after the host comes the number of a database, as in /0"
    wrong = any(pair and not _PARAMETER.fullmatch(pair) for pair in parts.query.split("&"))
    return f"has a parameter that is not known here; {_ESCAPE}" if wrong else None

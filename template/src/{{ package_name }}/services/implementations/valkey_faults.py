"""Why Valkey does not do what it is asked, in words for people: the sentence names the setting to change."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..interfaces import ServiceUnavailable, ServiceUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping

# Faults that only another setting or another server mends. The service does not start with one.
_LASTING: Final = {
    r"^MOVED|^ASK |CROSSSLOT|hash to the same slot|CLUSTERDOWN|cluster mode": (
        "REDIS_URL names a node of a cluster, which is not supported: name a server without cluster mode"
    ),
    r"DB index is out of range|invalid DB index": (
        "the database number at the end of REDIS_URL is not one of the server's: use 0, or raise `databases` there"
    ),
    r"unknown command": (
        "the server at REDIS_URL does not know the commands that are needed: is it a Sentinel? Name the primary, "
        "Valkey 7.2 or Redis 6.2 or later"
    ),
}
_PASSING: Final = {
    r"^OOM|maxmemory": (
        "Valkey is full: raise `maxmemory`, or set `maxmemory-policy` to volatile-lru, since all keys here expire"
    ),
    r"^READONLY|read only replica": "REDIS_URL names a replica, which takes no writes: name the primary",
    r"^LOADING|loading the dataset": "Valkey is still loading its data",
    r"^MASTERDOWN|Link with MASTER": "REDIS_URL names a replica that has lost its primary: name the primary",
    r"^MISCONF": "Valkey cannot save its data and so refuses writes: look at its disk and its log",
    r"^NOREPLICAS": "Valkey refuses writes because too few of its replicas are connected",
    r"^BUSY |running a script": "Valkey is busy with a script that does not end: `SCRIPT KILL` ends it",
    r"max number of clients": "Valkey has no room for another connection: raise `maxclients`",
    r"WRONGPASS|NOAUTH|invalid username-password|Authentication required|invalid password|without any password": (
        "Valkey does not accept the user or the password of REDIS_URL"
    ),
    r"certificate verify failed|CERTIFICATE_VERIFY_FAILED": "the certificate of the server at REDIS_URL is not trusted",
    r"WRONG_VERSION_NUMBER|wrong version number|record layer": (
        "the server at REDIS_URL does not use TLS: begin the address with redis://"
    ),
    r"Connect call failed|refused": "Valkey cannot be reached: nothing listens at the host and port of REDIS_URL",
    r"^Error -|Name or service not known": "Valkey cannot be reached: the host of REDIS_URL is unknown",
    r"Timeout connecting": "Valkey cannot be reached: the host of REDIS_URL does not answer",
    r"[Tt]imeout|Timed out": "Valkey did not answer within REDIS_TIMEOUT_SECONDS",
}
_LACKING: Final = "the user of REDIS_URL lacks a permission"
_DENIED: Final = re.compile(r"NOPERM|ACL failure|has no permissions|No permissions to access")


def fault(service: str, error: Exception) -> ServiceUnavailable:
    """The error to raise for one of redis-py."""
    code = getattr(error, "status_code", None) or ""  # redis-py takes it off the message
    message = f"{code} {error}".strip()
    if is_denied(error):
        return ServiceUnusable(service, f"{_LACKING}: {error}")
    for signs, kind in ((_LASTING, ServiceUnusable), (_PASSING, ServiceUnavailable)):
        for sign, sentence in signs.items():
            if re.search(sign, message):
                return kind(service, sentence)
    return ServiceUnavailable(service, message.splitlines()[0] if message else type(error).__name__)


def is_denied(error: Exception) -> bool:
    """Whether the user lacks a permission, be it for a command, or for a key, or within a script."""
    return bool(_DENIED.search(f"{getattr(error, 'status_code', '')} {error}"))


def denied(service: str, errors: Mapping[str, Exception]) -> ServiceUnusable:
    """The error for steps, a command and its keys each, that the user lacks a permission for."""
    scripts = {step: re.search(r"in script: .*'([^']+)' command", str(error)) for step, error in errors.items()}
    steps = ", ".join(f"{step} (in it {found[1]})" if found else step for step, found in scripts.items())
    return ServiceUnusable(service, f"{_LACKING}: {steps}. Grant it with ACL SETUSER")

"""Why PostgreSQL cannot be used, in a sentence for people: one for each cause, from what libpq and the server say."""

from __future__ import annotations

import re

POOLER_IN_FRONT = "a connection pooler stands in front of the database: set DATABASE_POOLER=transaction"
READ_ONLY = "it accepts no writes: it is a standby, or read-only"
# The first sign that a message shows decides. A name that the server quotes is shown; no other part of an address is.
_SIGNS = {
    r"unsupported startup parameter(?: in options)?: \"?(?!options\b)(?P<name>\w+)": (
        "the connection pooler refuses the parameter {name}: remove it from {setting}"
    ),
    r"unsupported startup parameter|command-line options": POOLER_IN_FRONT,
    r"server does not support SSL": "the server offers no TLS, which sslmode in {setting} requires",
    r"certificate verify failed|self.signed certificate|root certificate|does not match host name|has expired": (
        "the server's TLS certificate is not trusted: check sslmode and sslrootcert in {setting}"
    ),
    r"no pg_hba\.conf entry[^\n]*SSL encryption|pg_hba\.conf rejects": (
        "the server admits no such user, database and client address (its pg_hba.conf)"
    ),
    r"no encryption|SSL required|connection is insecure|requires? (?:SSL|TLS)|(?:SSL|TLS) connection is required": (
        "the server refuses connections without TLS: add sslmode=require to {setting}"
    ),
    r"no password supplied": "the server asks for a password, and {setting} has none",
    r"(?:password|SASL|SCRAM) authentication failed|auth_failed|wrong password": (
        "the server refuses the user or the password of {setting}"
    ),
    r"database \"(?P<name>[^\"]*)\" does not exist|no such database:? (?P<other>\S+)": (
        'the database "{name}" does not exist: create it, or correct {setting}'
    ),
    r"role \"(?P<name>[^\"]*)\" does not exist|no such user:? (?P<other>\S+)": (
        'the user "{name}" does not exist: create it, or correct {setting}'
    ),
    r"too many (?:clients|connections)|remaining connection slots|no more connections allowed": (
        "the server has no connection left: raise its max_connections, or lower DATABASE_POOL_SIZE"
    ),
    r"session is (?:not )?read-only|server is (?:not )?in hot standby": (
        "no host of {setting} is what target_session_attrs asks for"
    ),
    r"invalid (?P<name>\w+) value": "{setting} has an invalid value for {name}",
    r"invalid URI query parameter: \"(?P<name>\w+)\"": (
        "{setting} has the parameter {name}, which PostgreSQL does not know: remove it"
    ),
    r"(?:FATAL|ERROR):\s+(?P<name>[^\n]+)": "{name}",
    r"Connection refused": "nothing listens at the host and port of {setting}",
    r"resolve host|Name or service not known|translate host name": "the host of {setting} is unknown",
    r"timeout|timed out": "the host of {setting} does not answer",
    r"No route to host|[Uu]nreachable": "the network has no way to the host of {setting}",
    r"No such file or directory": "there is no socket where {setting} names one",
    r"closed the connection|Connection reset|invalid response|unexpected eof": (
        "the connection was closed at once: something other than PostgreSQL may listen there"
    ),
}


def reason(message: str, setting: str = "DATABASE_URL") -> str:
    """Why a connection failed, from the text of the error; `setting` is the name of the setting with the address."""
    for sign, sentence in _SIGNS.items():
        if found := re.search(sign, message):
            named = {**found.groupdict()}
            name = named.get("name") or named.get("other") or ""
            return sentence.format(setting=setting, name=name.strip())
    return f"check the form of {setting}"

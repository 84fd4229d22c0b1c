"""Types of settings, each with an error message for invalid values (rule 3.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import cache
from ipaddress import ip_address
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, SecretStr

from .service_urls import postgres_problem, valkey_problem

_time_zones = cache(available_timezones)  # reads hundreds of files


def _time_zone(name: str) -> str:
    if name not in _time_zones():
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


def _scheme(*schemes: str) -> AfterValidator:
    def check(url: SecretStr | str) -> SecretStr | str:
        text = url.get_secret_value() if isinstance(url, SecretStr) else url
        if not text.startswith(schemes):
            raise ValueError(f"must start with {' or '.join(schemes)}")
        try:
            urlsplit(text).port  # noqa: B018 - parsed on access
        except ValueError:
            raise ValueError("is not a valid URL: the port must be a number") from None
        return url

    return AfterValidator(check)


def _without(problem_of: Callable[[str], str | None]) -> AfterValidator:
    def check(url: SecretStr) -> SecretStr:
        if problem := problem_of(url.get_secret_value()):
            raise ValueError(problem)
        return url

    return AfterValidator(check)


TimeZone = Annotated[str, AfterValidator(_time_zone)]
RootPath = Annotated[str, AfterValidator(_root_path)]
ListenAddress = Annotated[str, AfterValidator(_listen_address)]
PostgresUrl = Annotated[SecretStr, _without(postgres_problem)]
DatabaseRole = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,62}$")]
HttpUrl = Annotated[str, _scheme("http://", "https://")]
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

"""The HTTP proxy that the environment names, for all outbound requests: the model's, an OpenID provider's, traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLES = frozenset({"all_proxy", "http_proxy", "https_proxy"})  # read in any case of their letters
SCHEMES = frozenset({"http", "https"})


def problems(environment: Mapping[str, str]) -> Iterator[str]:
    """A line for each variable with a proxy that the HTTP clients cannot use, such as one that speaks SOCKS.

    Without this check, each client would fail at its first request, and name a missing package.
    """
    lower = {name.lower(): value.strip() for name, value in environment.items()}
    if lower.get("no_proxy") == "*":
        return
    for name, value in environment.items():
        scheme, separator, _ = value.strip().partition("://")
        if name.lower() in VARIABLES and separator and scheme.lower() not in SCHEMES:
            what = "SOCKS proxies are" if scheme.lower().startswith("socks") else f"{scheme}:// proxies are"
            yield f"{name}: {what} not supported: name an http:// or https:// proxy, or unset the variable"

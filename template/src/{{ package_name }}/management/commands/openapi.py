"""`openapi` (rule 14.1): the description of the API, as openapi.json holds it."""

from __future__ import annotations


def openapi() -> None:
    """Print the OpenAPI description of the HTTP API, as openapi.json holds it."""
    from ..generated import openapi as described

    print(described(), end="")

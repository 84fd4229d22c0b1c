"""`openapi` (rule 14.1): the description of the API, as openapi.json holds it."""

from __future__ import annotations


def openapi() -> None:
    """Print the OpenAPI description of the HTTP API, as openapi.json holds it."""
    import json

    from ...app import create_app
    from ...config import Settings, load

    print(json.dumps(create_app(load(Settings)).openapi(), indent=2))

"""Swagger UI at /docs, without files from other servers (DOCS_ENABLED)."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI

DOCS_URL = "/docs"
# Bundles swagger-ui-dist (Apache-2.0) with its licence.
PACKAGE = "fastapi_standalone_docs"
SCRIPT = "swagger-ui-bundle.js"
STYLE = "swagger-ui.css"
ICON = "data:,"
# The files have 1.8 MB, and change only with the package.
CACHED = {"Cache-Control": "private, max-age=3600"}


def add_docs(app: FastAPI, root_path: str) -> None:
    """Serve Swagger UI for `app.openapi_url`; the page may load files from this service only."""
    page = get_swagger_ui_html(
        openapi_url=f"{root_path}{app.openapi_url}",
        title=app.title,
        swagger_js_url=f"{root_path}{DOCS_URL}/{SCRIPT}",
        swagger_css_url=f"{root_path}{DOCS_URL}/{STYLE}",
        swagger_favicon_url=ICON,
    )
    scripts = re.findall(rb"<script>(.*?)</script>", bytes(page.body), re.DOTALL)
    own = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src 'self' {own}; style-src 'self' 'unsafe-inline'; img-src data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )

    @app.get(DOCS_URL, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page.body, headers={"Content-Security-Policy": policy})

    directory = Path(str(files(PACKAGE))) / "static" / "swagger"
    for name in (SCRIPT, STYLE):
        app.add_api_route(f"{DOCS_URL}/{name}", _file(directory / name), include_in_schema=False)


def _file(path: Path) -> Callable[[], Awaitable[FileResponse]]:
    async def file() -> FileResponse:
        return FileResponse(path, headers=CACHED)

    return file

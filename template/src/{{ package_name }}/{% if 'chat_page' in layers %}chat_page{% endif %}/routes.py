"""Serves the chat page: constant files from memory, the same for everyone, so they need no credentials (rule 13.1).

The page is at `/`. The address of its files contains a digest of them all: browsers keep them for good, and a release
that changes one changes the address.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import Response

from ..problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI

    from ..config import Settings

FILES_URL = "/page"
INDEX = "index.html"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOREVER = "public, max-age=31536000, immutable"
# Asks every time, and gets 304 while nothing has changed.
REVALIDATED = "no-cache"


def read_files() -> dict[str, bytes]:
    """The files of the page by their paths."""
    directory = Path(str(files(__package__))) / "static"
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.suffix in MEDIA_TYPES
    }


def version_of(contents: Mapping[str, bytes]) -> str:
    """A digest of the files."""
    digest = hashlib.sha256()
    for path, content in contents.items():
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def policy(settings: Settings) -> str:
    """The Content-Security-Policy of the page: it runs and loads nothing but its own files, and no page may frame it.

    Answers are untrusted text. Without images of other servers, an answer cannot send data there. The only other
    servers that scripts reach are those of the provider that people sign in with.
    """
    addresses = [urlsplit(url) for url in (settings.OIDC_ISSUER, settings.OIDC_TOKEN_URL) if url]
    provider = "".join(dict.fromkeys(f" {address.scheme}://{address.netloc}" for address in addresses))
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'{provider}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types dompurify"
    )


def configuration(settings: Settings) -> dict[str, object]:
    """The values that the page reads. Anyone may see them."""
    return {
        "name": settings.APP_NAME,
        "root": settings.ROOT_PATH,
        "offline": settings.LLM_MODEL == "offline",
        "maxCharacters": settings.MESSAGE_MAX_CHARACTERS,
        "provider": settings.OIDC_ISSUER
        and {
            "issuer": settings.OIDC_ISSUER,
            "client": settings.OIDC_CLIENT_ID,
            "scope": settings.OIDC_SCOPE,
            "tokenUrl": settings.OIDC_TOKEN_URL,
        },
    }


def index_of(template: str, base: str, paths: list[str], settings: Settings) -> bytes:
    """The page with its addresses and configuration."""
    preloads = (f'<link rel="modulepreload" href="{base}/{path}">' for path in paths if path.endswith("js"))
    values = {
        "%BASE%": base,
        "%NAME%": html.escape(settings.APP_NAME),
        "%CONFIGURATION%": html.escape(json.dumps(configuration(settings), ensure_ascii=False)),
        "%PRELOADS%": "\n    ".join(preloads),
    }
    for name, value in values.items():
        template = template.replace(name, value)
    return template.encode()


def add_chat_page(app: FastAPI, settings: Settings) -> None:
    """Serve the page and its files. A route of the agent at `/` has precedence."""
    contents = read_files()
    version = version_of(contents)
    base = f"{settings.ROOT_PATH}{FILES_URL}/{version}"
    index = index_of(contents.pop(INDEX).decode(), base, list(contents), settings)
    headers = {"Content-Security-Policy": policy(settings), "Cross-Origin-Opener-Policy": "same-origin"}

    @cache
    def compressed(path: str) -> bytes:
        return gzip.compress(contents[path], mtime=0)

    @app.get("/", include_in_schema=False)
    async def chat_page(request: Request) -> Response:
        return _answer(request, index, INDEX, {**headers, "Cache-Control": REVALIDATED})

    @app.get(FILES_URL + "/{release}/{path:path}", include_in_schema=False)
    async def chat_page_file(request: Request, release: str, path: str) -> Response:
        if path not in contents:
            raise Problem(404, None, "Not Found")
        # While a release replaces another, a page of one may load files of the other.
        caching = FOREVER if release == version else REVALIDATED
        added = {"Cache-Control": caching, "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return _answer(request, compressed(path), path, {**added, "Content-Encoding": "gzip"})
        return _answer(request, contents[path], path, added)


def _answer(request: Request, content: bytes, path: str, headers: dict[str, str]) -> Response:
    """The content, or 304 if the browser has it already (RFC 9110, section 13.1.2)."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {**headers, "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=MEDIA_TYPES[Path(path).suffix])

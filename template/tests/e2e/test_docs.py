"""/docs in a real browser that can reach the service only (rule 14.1)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

if TYPE_CHECKING:
    from tests.support.processes import Processes

# A snap has a private /tmp, so its log would be unreadable.
BROWSER = next(
    (
        path
        for name in ("chromium", "google-chrome", "google-chrome-stable")
        if (path := shutil.which(name)) and Path(path).resolve().name != "snap"
    ),
    None,
)
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]


@pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is installed")
@pytest.mark.parametrize("prefix", ["", "/agent"])
def test_the_docs_list_every_operation_and_load_no_foreign_files(
    processes: Processes, tmp_path: Path, prefix: str
) -> None:
    web = processes.start("web", DOCS_ENABLED="true", ROOT_PATH=prefix)
    page = f"{web.url}{prefix}/docs"
    log = tmp_path / "log.json"
    # Virtual time pauses while the page waits for a response.
    command = [str(BROWSER), *OPTIONS, f"--user-data-dir={tmp_path}", f"--log-net-log={log}"]
    command += ["--virtual-time-budget=20000", "--dump-dom", page]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    listed = re.findall(r'opblock-summary-(get|post|put|patch|delete)"|data-path="([^"]+)"', done.stdout)
    methods = [method for method, _ in listed if method]
    paths = [path for _, path in listed if path]
    described = httpx2.get(f"{web.url}{prefix}/openapi.json").json()["paths"]
    assert sorted(zip(methods, paths, strict=True)) == sorted(
        (method, path) for path, operations in described.items() for method in operations
    )
    requested = _requested(log, web.url)
    assert {f"{page}/swagger-ui-bundle.js", f"{page}/swagger-ui.css", f"{web.url}{prefix}/openapi.json"} <= requested
    assert {url for url in requested if not url.startswith((f"{web.url}/", "data:"))} == set()


def _requested(log: Path, origin: str) -> set[str]:
    """The URLs that the page at `origin` requested, without those of the browser itself."""
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    parameters = [event.get("params", {}) for event in events]
    return {each["url"] for each in parameters if "url" in each and str(each.get("initiator", "")).startswith(origin)}

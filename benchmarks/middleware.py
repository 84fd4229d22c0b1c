"""Measure a rendered project's middleware: processor time per request with all of it, without each part, with none.

    python -m benchmarks.middleware [ROUNDS]

Renders the default project, starts its servers, and calls the application in one process, sequentially and 20 at once,
with an authenticated GET of a route that does nothing. Each figure is the minimum of all rounds, in microseconds.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

PACKAGE = "my_agent"
CALLS = 200
AT_ONCE = 20


class Caller:
    """Calls an application as a server does."""

    def __init__(self, app: Any, token: str) -> None:  # noqa: ANN401 - of the rendered project
        self.app = app
        headers = {"host": "t", "user-agent": "t", "accept": "*/*", "authorization": f"Bearer {token}"}
        self._scope = {
            "type": "http", "method": "GET", "path": "/cheap", "raw_path": b"/cheap", "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()], "http_version": "1.1",
            "scheme": "http", "server": ("t", 80), "client": ("127.0.0.1", 1), "root_path": "",
        }  # fmt: skip

    async def call(self) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            assert message.get("status", 200) == 200, message

        await self.app(dict(self._scope), receive, send)

    async def microseconds(self, at_once: int) -> float:
        """Return the processor time per request."""
        began = time.process_time()
        for _ in range(CALLS // at_once):
            await asyncio.gather(*(self.call() for _ in range(at_once)))
        return (time.process_time() - began) / CALLS * 1e6


async def measure(rounds: int) -> None:
    """Print the figures. Runs in the project's Python, with its settings in the environment."""
    config, tokens = import_module(f"{PACKAGE}.config"), import_module(f"{PACKAGE}.security.tokens")
    create_app = import_module(f"{PACKAGE}.app").create_app
    settings = config.load(config.Settings)
    said, sys.stdout = sys.stdout, Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - hides the log
    import_module(f"{PACKAGE}.observability.logging").configure_logging(settings, "web")
    sys.stdout = said

    def application(without: str | None) -> Any:  # noqa: ANN401
        app = create_app(settings)

        async def cheap() -> dict[str, int]:
            return {}

        app.add_api_route("/cheap", cheap)
        kept = [each for each in app.user_middleware if without and each.cls.__name__ != without]
        app.user_middleware[:] = kept
        return app

    names = [each.cls.__name__ for each in create_app(settings).user_middleware]
    apps = {"all": application("none"), "none": application(None)} | {
        f"not {name}": application(name) for name in names
    }
    callers = {name: Caller(app, tokens.issue_token(settings, "somebody")) for name, app in apps.items()}
    least: dict[tuple[str, int], float] = {}
    async with AsyncExitStack() as stack:
        for app in apps.values():
            await stack.enter_async_context(app.router.lifespan_context(app))
        for _ in range(rounds):
            for name, caller in callers.items():
                for at_once in (1, AT_ONCE):
                    took = await caller.microseconds(at_once)
                    least[name, at_once] = min(took, least.get((name, at_once), took))
    print(f"{'middleware':32} one by one  {AT_ONCE} at once")
    for name in apps:
        print(f"{name:32} {least[name, 1]:10.0f}  {least[name, AT_ONCE]:10.0f}")


def main(rounds: str) -> None:
    from tests.programs.detached import servers  # noqa: PLC0415 - the project's Python, which runs this file too, lacks Copier
    from tests.support.template import ROOT, render  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        project = render(ROOT, Path(folder) / "project")
        subprocess.run(["uv", "sync", "--locked", "--quiet"], cwd=project, check=True)
        with servers(project) as variables:
            given = {"ENVIRONMENT": "testing", "LOG_FORMAT": "json", "RATE_LIMIT_PER_MINUTE": "1000000000"}
            command = [str(project / ".venv/bin/python"), __file__, "measure", rounds]
            subprocess.run(command, cwd=project, env={**os.environ, **variables, **given}, check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        import_module("uvloop").run(measure(int(sys.argv[2])))  # the loop of the web process
    else:
        main(*sys.argv[1:2] or ["20"])

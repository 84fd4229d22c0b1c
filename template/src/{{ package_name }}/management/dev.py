"""`dev`: the whole service on this machine, with nothing to install first (rule 10.1).

Starts embedded PostgreSQL and Valkey where the settings point to them, migrates, seeds, and runs the processes of the
Procfile, each of them anew when the source changes. Everything it keeps is in `.dev`, and may be deleted.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import importlib.util
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import typer

from ..config import Settings, load
from ..project import (
    DEVELOPMENT_DATABASE_URL,
    DEVELOPMENT_POSTGRES_PORT,
    DEVELOPMENT_REDIS_URL,
    DEVELOPMENT_VALKEY_PORT,
    PACKAGE,
    SLUG,
)
from .base import CommandFailed
from .embedded import HOST, EmbeddedServer, EmbeddedServerError, PostgresServer, ValkeyServer, free_port, port_is_free

DIRECTORY = Path(".dev")
OWNER = "dev"  # whom the token that is printed belongs to: one of the users that `seed` makes
TOKEN_MINUTES = 60 * 24 * 7
PROCFILE_LINE = re.compile(r"^([\w-]+):\s*(.+)$", re.MULTILINE)
STOP_SECONDS = 8.0
SHUTDOWN_GRACE_SECONDS = "2"  # unless it is set: whoever presses Ctrl-C does not want to wait


def run(port: int | None = None, *, reload: bool = True) -> int:
    """Run until Ctrl-C; returns the exit code. Raises `ConfigurationError` and `CommandFailed`."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # as Ctrl-C: KeyboardInterrupt
    settings = load(Settings)
    os.environ["PYTHONUNBUFFERED"] = "1"
    os.environ.setdefault("SHUTDOWN_GRACE_SECONDS", SHUTDOWN_GRACE_SECONDS)
    # The Procfile says `python`: that of this environment, activated or not.
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    try:
        with contextlib.ExitStack() as stack:
            lock = stack.enter_context(_lock())
            os.environ.update(_start_servers(settings, stack))
            _prepare_database()
            web_port = _choose_web_port(settings.PORT if port is None else port)
            return _run_processes(_honcho(web_port, lock, reload=reload), settings, web_port, stack)
    except EmbeddedServerError as error:
        raise CommandFailed(str(error)) from error
    except KeyboardInterrupt:
        return 0


@contextlib.contextmanager
def _lock() -> Iterator[Path]:
    """Held as long as `dev` runs, however it ends: a second one would stop the servers under the first."""
    if not Path("Procfile").exists():
        raise CommandFailed(f"There is no Procfile in {Path.cwd()}: run this from the project's root.")
    if not all(map(importlib.util.find_spec, ("honcho", "watchfiles"))):
        raise CommandFailed(f"`{SLUG} dev` needs the dev dependencies: run `uv sync`.")
    DIRECTORY.mkdir(exist_ok=True)
    path = DIRECTORY / "lock"
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandFailed(f"`{SLUG} dev` runs in this directory already.") from None
        yield path


def _start_servers(settings: Settings, stack: contextlib.ExitStack) -> dict[str, str]:
    """Start the servers that the settings leave to us; returns what tells the processes where they are."""
    servers: dict[str, EmbeddedServer] = {}
    if settings.DATABASE_URL.get_secret_value() == DEVELOPMENT_DATABASE_URL:
        servers["DATABASE_URL"] = PostgresServer(DIRECTORY / "postgres", _choose_port(DEVELOPMENT_POSTGRES_PORT))
    if settings.REDIS_URL.get_secret_value() == DEVELOPMENT_REDIS_URL:
        servers["REDIS_URL"] = ValkeyServer(DIRECTORY / "valkey", _choose_port(DEVELOPMENT_VALKEY_PORT))
    for server in servers.values():
        stack.callback(server.stop)
    with ThreadPoolExecutor() as pool:
        starting = [pool.submit(server.start) for server in servers.values()]
        # What will prepare the database, so that it takes no time of its own.
        from ..services.implementations import postgres  # noqa: F401
        from . import conversations, migrations  # noqa: F401

        for started in starting:
            started.result()
    expected = {"DATABASE_URL": DEVELOPMENT_DATABASE_URL, "REDIS_URL": DEVELOPMENT_REDIS_URL}
    for variable, server in servers.items():
        _tell(server.name, f"port {server.port}, data in {DIRECTORY / server.data.name}")
        if server.url != expected[variable]:
            _tell("", f"its usual port is taken; in other terminals: export {variable}={server.url}")
    return {variable: server.url for variable, server in servers.items()}


def _choose_port(wanted: int) -> int:
    return wanted if port_is_free(wanted) else free_port()


def _choose_web_port(wanted: int) -> int:
    wanted = wanted or free_port()
    chosen = next((port for port in range(wanted, wanted + 100) if port_is_free(port)), None) or free_port()
    if chosen != wanted:
        _tell("Web", f"port {wanted} is taken: using {chosen}")
    return chosen


def _prepare_database() -> None:
    """`migrate` and `seed`, in this process: one more would take longer to start than they take."""
    from .commands.migrate import migrate
    from .commands.seed import seed

    with contextlib.redirect_stdout(io.StringIO()):
        migrate()
        seed()
    _tell("Database", "migrated and seeded")


def _honcho(web_port: int, lock: Path, *, reload: bool) -> list[str]:
    """The command that runs the Procfile's processes, each under `dev_process`."""
    runner = [sys.executable, "-m", f"{PACKAGE}.management.dev_process"]
    runner += ["--reload", str(Path(__file__).parents[1])] if reload else []
    runner.append(str(lock))
    procfile = DIRECTORY / "Procfile"
    processes = PROCFILE_LINE.findall(Path("Procfile").read_text())
    procfile.write_text("".join(f"{name}: exec {shlex.join(runner)} {command}\n" for name, command in processes))
    # It would put `.env` over the environment, and so over the ports chosen here.
    options = ["--procfile", str(procfile), "--env", os.devnull]
    return [sys.executable, "-m", "honcho", "start", *options, "--port", str(web_port)]


def _run_processes(command: list[str], settings: Settings, web_port: int, stack: contextlib.ExitStack) -> int:
    # In a session of its own, so that Ctrl-C reaches this process alone, and all others in order through it.
    processes = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    stack.callback(_stop, processes)
    threading.Thread(target=_announce, args=(settings, web_port, processes), daemon=True).start()
    return processes.wait()


def _stop(processes: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it takes a few seconds at most; what is half stopped would be left
    processes.terminate()
    try:
        processes.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        processes.kill()  # then the lock goes, and each `dev_process` ends its command


def _announce(settings: Settings, port: int, processes: subprocess.Popen[bytes]) -> None:
    """Say how to talk to the agent, once it listens."""
    while not _is_ready(port):
        if processes.poll() is not None:
            return
        time.sleep(0.1)
    from ..security.tokens import issue_token

    token = issue_token(settings, OWNER, TOKEN_MINUTES)
    url = f"http://{HOST}:{port}"
    authorization = '-H "Authorization: Bearer $TOKEN"'
    typer.echo(
        f"""
{typer.style(f"{settings.APP_NAME} is ready: {url}", fg="green", bold=True)}
The API, to try out: {url}/docs. Talk to it from another terminal:

  export TOKEN={token}
  SESSION=$(curl -s -X POST {authorization} {url}/chat/sessions | cut -d'"' -f4)
  curl -N {authorization} -H "Accept: text/event-stream" -H "Content-Type: application/json" \\
    -d '{{"text": "What time is it in Asia/Tokyo?"}}' {url}/chat/sessions/$SESSION/messages

Ctrl-C stops everything.
"""
    )


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.client.OK
    return False


def _tell(what: str, how: str) -> None:
    typer.echo(f"  {typer.style(what.ljust(10), bold=True)}  {how}")

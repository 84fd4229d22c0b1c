"""`dev`: the whole service on this machine, with nothing to install first (rule 10.1).

Starts embedded PostgreSQL and Valkey where the settings leave them to it, migrates, seeds, and runs the processes of
the Procfile. A process starts again when the source changes; everything starts again when `.env` does. All data are in
`.dev`, which may be deleted.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import io
import os
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread

import typer

from ..config import ConfigurationError, Settings, load
from ..constants import (
    DEVELOPMENT_DATABASE_URL,
    DEVELOPMENT_POSTGRES_PORT,
    DEVELOPMENT_REDIS_URL,
    DEVELOPMENT_VALKEY_PORT,
    PACKAGE,
    SLUG,
)
from ..services.interfaces import ServiceUnavailable
from ..sockets import CannotListen, bind
from . import procfile
from .base import CommandFailed
from .dev_welcome import welcome
from .embedded import (
    EmbeddedServer,
    EmbeddedServerError,
    PostgresServer,
    ValkeyServer,
    disk_is_full,
    free_port,
    port_is_free,
)
from .interruption import Interruption

DIRECTORY = Path(".dev")
ENV_FILE = Path(".env")
CHECK_SECONDS = 0.2
BACKLOG = 2048  # connections that wait while the web process starts again
SHUTDOWN_GRACE_SECONDS = "2"  # unless it is set: a developer who presses Ctrl-C does not want to wait
# Of each setting: the value that leaves the server to `dev`, its kind, the name of its data, and its usual port.
SERVERS: dict[str, tuple[str, type[EmbeddedServer], str, int]] = {
    "DATABASE_URL": (DEVELOPMENT_DATABASE_URL, PostgresServer, "postgres", DEVELOPMENT_POSTGRES_PORT),
    "REDIS_URL": (DEVELOPMENT_REDIS_URL, ValkeyServer, "valkey", DEVELOPMENT_VALKEY_PORT),
}


def run(port: int | None = None, *, reload: bool = True) -> int:
    """Run until Ctrl-C; returns the exit code. Raises `ConfigurationError` and `CommandFailed`."""
    interruption = Interruption()
    development = Development(interruption, port, reload=reload)
    try:
        try:
            return development.run()
        finally:
            interruption.ignore()
            development.stop()
    except KeyboardInterrupt:
        development.stop()  # the signal may have come just before `ignore`
        return 0
    except Exception as error:
        if interruption.came:  # it broke off whatever failed
            return 0
        if isinstance(error, EmbeddedServerError):
            raise CommandFailed(str(error)) from error
        if disk_is_full(error):
            raise CommandFailed(f"The disk is full: free some space for {DIRECTORY.absolute()}.") from None
        raise


class EnvFile:
    """`.env`, and whether its content has changed since this was made. An editor may write it in several steps."""

    def __init__(self) -> None:
        self._first = self._last = self._read()

    @staticmethod
    def _read() -> bytes:
        with contextlib.suppress(OSError):
            return ENV_FILE.read_bytes()
        return b""

    def changed(self) -> bool:
        """Whether it differs, and is the same as at the last call."""
        last, self._last = self._last, self._read()
        return self._last == last != self._first


class Development:
    """The servers, the port and the processes of one `dev`."""

    def __init__(self, interruption: Interruption, port: int | None, *, reload: bool) -> None:
        self._interruption = interruption
        self._port = port
        self._reload = reload
        self._servers: dict[str, EmbeddedServer] = {}
        self._starts = ThreadPoolExecutor()  # the interruption comes to the main thread alone: no start is broken off
        self._processes: list[procfile.Process] = []
        self._listener: socket.socket | None = None
        self._wanted: tuple[str, int] | None = None  # where the listener was to be

    def run(self) -> int:
        """Run the service until one of its processes ends; again with other settings whenever `.env` changes."""
        with _lock() as lock:
            env_file = EnvFile()
            code = self._serve(load(Settings), lock, env_file)
            while code is None:
                env_file = EnvFile()
                try:
                    code = self._serve(load(Settings), lock, env_file)
                except (ConfigurationError, CommandFailed, EmbeddedServerError, ServiceUnavailable) as error:
                    for problem in error.problems if isinstance(error, ConfigurationError) else [str(error)]:
                        _tell("Problem", problem)
                    _tell("", f"waiting for a change of {ENV_FILE}")
                    code = self._watch(env_file)
            return code

    def _serve(self, settings: Settings, lock: Path, env_file: EnvFile) -> int | None:
        """Returns the exit code of the first process that ends, `None` when `.env` has changed."""
        over = Event()
        try:
            with _environment(self._start_servers(settings)):
                self._prepare_database()
                listener = self._listen(settings)
                with self._interruption.held():
                    environment = {**os.environ, **_conveniences(settings)}
                    procfile.start(self._runner(lock), environment, listener, self._processes)
                Thread(target=welcome, args=(settings, listener.getsockname(), over), daemon=True).start()
                return self._watch(env_file)
        finally:
            over.set()
            procfile.stop(self._processes)

    def _watch(self, env_file: EnvFile) -> int | None:
        """Wait for the end of a process, or for `.env` to change."""
        while not (self._reload and env_file.changed()):
            for process in self._processes:
                if (code := process.exit_code) is not None:
                    _tell("Stopping", f"{process.name} ended with exit code {code}")
                    return code
            time.sleep(CHECK_SECONDS)
            self._interruption.check()
        _tell("Settings", f"{ENV_FILE} changed: starting everything again")
        return None

    def _start_servers(self, settings: Settings) -> dict[str, str]:
        """Start the servers that the settings leave to `dev`, and stop the others; returns their addresses."""
        for variable, (url, kind, name, port) in SERVERS.items():
            is_wanted = getattr(settings, variable).get_secret_value() == url
            if is_wanted and variable not in self._servers:
                free = port if port_is_free(port) else free_port()
                self._servers[variable] = kind(DIRECTORY / name, free)
            elif not is_wanted and variable in self._servers:
                self._servers.pop(variable).stop()
        starting = [self._starts.submit(server.start) for server in self._servers.values()]
        with self._interruption.held():
            # These prepare the database. They load while the servers start, and so take no time of their own.
            from ..services.implementations import postgres  # noqa: F401
            from . import conversation_archive, migrations  # noqa: F401
        for started in starting:
            started.result()
        for variable, server in self._servers.items():
            _tell(server.name, f"port {server.port}, data in {DIRECTORY / server.data.name}")
            if server.url != SERVERS[variable][0]:
                _tell("", f"its usual port is taken; in other terminals: export {variable}={server.url}")
        return {variable: server.url for variable, server in self._servers.items()}

    def _prepare_database(self) -> None:
        """`migrate` and `seed`, in this process: one more would take longer to start than they take."""
        from .commands.migrate import migrate
        from .commands.seed import seed

        with contextlib.redirect_stdout(io.StringIO()):
            migrate()
            seed()
        _tell("Database", "migrated and seeded")

    def _listen(self, settings: Settings) -> socket.socket:
        """The socket that the web process serves.

        It stays open here: connections wait while that process starts again, and nobody else gets the port.
        """
        wanted = (settings.HOST, settings.PORT if self._port is None else self._port)
        if self._listener is None or wanted != self._wanted:
            if self._listener is not None:
                self._listener.close()
            self._wanted, self._listener = wanted, _open_socket(*wanted)
        return self._listener

    def _runner(self, lock: Path) -> list[str]:
        """The command that runs a command of the Procfile, in place of the shell that starts it."""
        runner = ["exec", sys.executable, "-m", f"{PACKAGE}.management.dev_process"]
        runner += ["--reload", str(Path(__file__).parents[1])] if self._reload else []
        return [*runner, str(lock)]

    def stop(self) -> None:
        """Stop everything. May be called twice."""
        procfile.stop(self._processes)
        self._starts.shutdown()
        for server in self._servers.values():
            server.stop()
        if self._listener is not None:
            self._listener.close()


@contextlib.contextmanager
def _lock() -> Iterator[Path]:
    """Held as long as `dev` runs, however it ends: a second one would stop the servers under the first."""
    if not Path("Procfile").exists():
        raise CommandFailed(f"There is no Procfile in {Path.cwd()}: run this from the project's root.")
    if not importlib.util.find_spec("watchfiles"):
        raise CommandFailed(f"`{SLUG} dev` needs the dev dependencies: run `uv sync`.")
    DIRECTORY.mkdir(exist_ok=True)
    path = DIRECTORY / "lock"
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandFailed(f"`{SLUG} dev` runs in this directory already.") from None
        yield path


@contextlib.contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _conveniences(settings: Settings) -> dict[str, str]:
    """Variables that the processes get in development only."""
    # The Procfile says `python`: that of this environment, activated or not.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    own = {"PYTHONUNBUFFERED": "1", "PATH": path}
    if "SHUTDOWN_GRACE_SECONDS" not in settings.model_fields_set:
        own["SHUTDOWN_GRACE_SECONDS"] = SHUTDOWN_GRACE_SECONDS
    return own


def _open_socket(host: str, port: int) -> socket.socket:
    """Listen on the port, or on the next that is free."""
    for candidate in (*(range(port, min(port + 100, 65536)) if port else ()), 0):
        try:
            opened, *others = bind(host, candidate, "PORT")
        except CannotListen as error:
            reason = str(error)
            continue
        for other in others:  # of a name with several addresses; the web process gets one socket
            other.close()
        opened.listen(BACKLOG)
        if port and opened.getsockname()[1] != port:
            _tell("Web", f"port {port} is taken: using {opened.getsockname()[1]}")
        return opened
    raise CommandFailed(reason)


def _tell(subject: str, text: str) -> None:
    typer.echo(f"  {typer.style(subject.ljust(10), bold=True)}  {text}")

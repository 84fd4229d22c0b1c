"""Runs the processes of the Procfile until Ctrl-C (rule 9.1); each line of their output has the time and a name.

    python -m agent_devtools.procfile [--reload DIRECTORY] [--listen FD] LOCK COMMAND...

runs one of them. It restarts the command when a file below DIRECTORY changes; after a crash, it waits for a change. It
ends when LOCK is free, so that the command never outlives `dev`, even if `dev` is killed. The command inherits the open
socket FD.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event, Lock, Thread

LINE = re.compile(r"^([\w-]+):\s*(.+)$", re.MULTILINE)
TIME = re.compile(r"^\d\d:\d\d:\d\d ")  # of a log line, in UTC: one time is enough, and here it is local
COLOURS = (36, 33, 32, 35, 31, 34)
CHECK_SECONDS = 0.25  # also delays the first start of a command
COMMAND_SECONDS = 4.0  # for a command to stop
STOP_SECONDS = 2 * COMMAND_SECONDS  # for the process that runs it, which must not end before
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_printing = Lock()


class Interruption:
    """Raises KeyboardInterrupt in the main thread at the first signal; ignores later ones.

    A second KeyboardInterrupt would abort the clean-up and leave processes running.
    """

    def __init__(self) -> None:
        self.received = False
        self._deferred = False
        for number in SIGNALS:
            signal.signal(number, self._receive)
        sys.unraisablehook = _unraisable

    def _receive(self, *_: object) -> None:
        first, self.received = not self.received, True
        if first and not self._deferred:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Defer the interruption to the end of the block, so that what the block starts is also registered."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal was received, even if a library swallowed the exception."""
        if self.received:
            raise KeyboardInterrupt

    def ignore(self) -> None:
        """Ignore signals from now on."""
        self._deferred = True


def _unraisable(error: sys.UnraisableHookArgs) -> None:
    """Print no KeyboardInterrupt that a destructor swallowed: `Interruption.check` raises it again."""
    if not issubclass(error.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(error)


class Process:
    """One process of the Procfile, in a session of its own, so that Ctrl-C reaches it through `stop` only."""

    def __init__(
        self,
        name: str,
        command: str,
        runner: Sequence[str],
        environment: Mapping[str, str],
        *,
        prefix: str,
        descriptors: Sequence[int] = (),
    ) -> None:
        self.name = name
        self._prefix = prefix
        self._process = subprocess.Popen(  # noqa: S602 - the commands of a Procfile may use variables
            f"{shlex.join(runner)} {command}",
            shell=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            start_new_session=True,
        )
        self._printer = Thread(target=self._print, daemon=True)
        self._printer.start()

    def _print(self) -> None:
        output = self._process.stdout
        if output is None:
            return
        with output, contextlib.suppress(BrokenPipeError):  # our own output is closed
            for line in output:
                text = TIME.sub("", line.decode(errors="replace"))
                with _printing:
                    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {self._prefix}{text}")
                    sys.stdout.flush()

    @property
    def exit_code(self) -> int | None:
        """`None` while the process runs."""
        return self._process.poll()

    def terminate(self) -> None:
        self._process.terminate()

    def wait(self, seconds: float) -> None:
        """Wait until the process ends; after `seconds`, kill it and all its children."""
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._printer.join(1.0)  # a child that outlived it may keep the output open


def start(
    runner: Sequence[str],
    environment: Mapping[str, str],
    listener: socket.socket,
    started: list[Process],
    *,
    is_colored: bool = False,
) -> None:
    """Start the processes of the Procfile; append each to `started` immediately.

    `web` inherits `listener` and receives its number as LISTEN_FD. As with foreman, PORT grows by 100 for each process.
    """
    commands = dict(LINE.findall(Path("Procfile").read_text("utf-8")))
    port = listener.getsockname()[1]
    width = max(map(len, commands), default=0)
    for index, (name, command) in enumerate(commands.items()):
        own, wrapper, descriptors = {"PORT": str(port + 100 * index)}, list(runner), []
        if name == "web":
            own["LISTEN_FD"] = str(listener.fileno())
            wrapper[-1:-1] = ["--listen", own["LISTEN_FD"]]  # before the lock
            descriptors = [listener.fileno()]
        prefix = f"{name.ljust(width)} | "
        if is_colored:
            prefix = f"\x1b[{COLOURS[index % len(COLOURS)]}m{prefix}\x1b[0m"
        process = Process(name, command, wrapper, {**environment, **own}, prefix=prefix, descriptors=descriptors)
        started.append(process)


def stop(processes: list[Process]) -> None:
    """Stop all processes and clear the list."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        process.wait(deadline - time.monotonic())
    processes.clear()


# One of the processes, with restarts


def main() -> int:
    """Return the exit code of the command, if it ended without a signal from here."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--reload", type=Path)
    parser.add_argument("--listen", type=int)
    parser.add_argument("lock", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()

    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    found = changes(arguments.reload, stop)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(arguments.command, pass_fds=[arguments.listen] if arguments.listen else [])

    process = start()
    crashed = False
    for changed in found:
        if not _is_locked(arguments.lock):
            break
        if changed:
            print(f"{', '.join(sorted(changed))} changed: restarting", flush=True)
            _end(process)
            process, crashed = start(), False
        elif process.poll() is not None and not crashed:
            if arguments.reload is None:
                return process.returncode
            crashed = True
            print(f"ended with exit code {process.returncode}: waiting for a change of the source", flush=True)
    _end(process)
    return 0


def changes(directory: Path | None, stop: Event) -> Iterator[set[str]]:
    """Yield the names of changed files, or an empty set after CHECK_SECONDS, until `stop` is set."""
    if directory is None:
        return (set() for _ in iter(lambda: stop.wait(CHECK_SECONDS), True))
    import watchfiles

    milliseconds = int(CHECK_SECONDS * 1000)
    watch = watchfiles.watch(directory, stop_event=stop, rust_timeout=milliseconds, yield_on_timeout=True)
    next(watch, None)  # starts watching before the command starts, so that no change is missed
    return ({os.path.relpath(path) for _, path in found} for found in watch)


def _is_locked(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop the process; kill it after COMMAND_SECONDS."""
    process.terminate()
    try:
        process.wait(COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())

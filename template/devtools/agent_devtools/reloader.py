"""Runs one process of the Procfile for `dev`.

    python -m agent_devtools.reloader [--reload DIRECTORY] [--listen FD] LOCK COMMAND...

Restarts the command when a file below DIRECTORY changes; after a crash, waits for a change. Ends when LOCK is free, so
that the command never outlives `dev`, even if `dev` is killed. The command inherits the open socket FD.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

CHECK_SECONDS = 0.25  # also delays the first start of the command
STOP_SECONDS = 4.0  # less than `dev` grants this process, which must not end before its command


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
    """Stop the process; kill it after STOP_SECONDS."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())

"""Stops a process whose settings have changed, so that its container starts it again with the new ones (rule 5.1).

`compose.yaml` keeps the digest of the settings in a file that no process can write. Where there is no such file, as in
a cluster, which replaces the containers instead, nothing is watched.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from pathlib import Path
from time import sleep

import structlog

log = structlog.get_logger()

DIGEST = Path("/run/settings/digest")
LOOK_AGAIN_SECONDS = 0.5


def restart_on_change(digest: Path = DIGEST) -> None:
    """Lock the digest as long as this process lives, and send it SIGTERM once another file is in its place.

    Call it before the settings are read: settings that change later are then noticed.
    """
    held = _hold(digest)
    if held is not None:
        threading.Thread(target=_watch, args=(held, digest), name="settings", daemon=True).start()


def _hold(digest: Path) -> int | None:
    """The file, open and locked, or `None` where there is none."""
    while True:
        try:
            held = os.open(digest, os.O_RDONLY)
        except FileNotFoundError:
            return None
        fcntl.flock(held, fcntl.LOCK_SH)
        if _in_place(held, digest):
            return held
        os.close(held)  # replaced before the lock was there


def _watch(held: int, digest: Path) -> None:
    while _in_place(held, digest):
        sleep(LOOK_AGAIN_SECONDS)
    log.info("settings changed, stopping")
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)  # whose handler begins the stop


def _in_place(held: int, digest: Path) -> bool:
    return os.path.samestat(os.fstat(held), digest.stat())

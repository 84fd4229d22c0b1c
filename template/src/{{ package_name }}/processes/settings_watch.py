"""Stops a process when its settings change, so that its container restarts it with the new ones (rule 5.1).

`compose.yaml` keeps the digest of the settings in a file that no process can write. Without that file nothing is
watched: a cluster replaces the containers instead.
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
POLL_SECONDS = 0.5


def restart_on_change(digest: Path = DIGEST) -> None:
    """Lock the digest for the life of this process, and send it SIGTERM when another file replaces the digest.

    Call this before loading the settings, so that no later change is missed.
    """
    held = _lock(digest)
    if held is not None:
        threading.Thread(target=_watch, args=(held, digest), name="settings", daemon=True).start()


def _lock(digest: Path) -> int | None:
    """Open and lock the file; return `None` if it does not exist."""
    while True:
        try:
            held = os.open(digest, os.O_RDONLY)
        except FileNotFoundError:
            return None
        fcntl.flock(held, fcntl.LOCK_SH)
        if _in_place(held, digest):
            return held
        os.close(held)  # replaced before the lock was taken


def _watch(held: int, digest: Path) -> None:
    while _in_place(held, digest):
        sleep(POLL_SECONDS)
    log.info("settings_changed")
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)  # its handler starts the stop


def _in_place(held: int, digest: Path) -> bool:
    return os.path.samestat(os.fstat(held), digest.stat())

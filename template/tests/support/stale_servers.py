"""What a run of the tests leaves behind when it is killed: servers, and their data. The next run clears it away."""

from __future__ import annotations

import fcntl
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO

from agent_devtools.dev_servers import EmbeddedServer, PostgresServer, ValkeyServer

OWNER = "owner"
SERVERS = {"postmaster.pid": PostgresServer, "port": ValkeyServer}  # by a file that each has among its data


def claim(directory: Path) -> IO[str]:
    """Hold the directory until what this returns is closed, or this process has ended, however it ends."""
    owner = (directory / OWNER).open("w")
    fcntl.flock(owner, fcntl.LOCK_EX)
    return owner


def clear(parent: Path, prefix: str) -> None:
    """Stop what runs in the directories of that prefix whose owners are gone, and delete them."""
    for directory in parent.glob(f"{prefix}*"):
        # Whoever is alive holds the lock; another user's directory is closed to us; one without an owner is being made.
        with suppress(OSError), (directory / OWNER).open("r+") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name, server_class in SERVERS.items():
                for found in list(directory.rglob(name)):
                    _stop(server_class(found.parent))
            shutil.rmtree(directory)


def _stop(server: EmbeddedServer) -> None:
    server._locate()
    server._pid = server._find_running()
    server.stop()

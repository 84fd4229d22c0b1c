"""Stops servers left behind by a killed run of the tests, and deletes their data."""

from __future__ import annotations

import fcntl
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO

from agent_devtools.dev_servers import PostgresServer, ValkeyServer

OWNER = "owner"
SERVERS = {"postmaster.pid": PostgresServer, "port": ValkeyServer}  # by a file in its data directory


def claim(directory: Path) -> IO[str]:
    """Lock the directory until the returned file is closed or this process ends."""
    owner = (directory / OWNER).open("w")
    fcntl.flock(owner, fcntl.LOCK_EX)
    return owner


def clear(parent: Path, prefix: str) -> None:
    """Stop the servers in the unlocked directories with this prefix, and delete the directories."""
    for directory in parent.glob(f"{prefix}*"):
        # A live run holds the lock; an OSError: another user's directory, or one that is just being created.
        with suppress(OSError), (directory / OWNER).open("r+") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name, server_class in SERVERS.items():
                for found in list(directory.rglob(name)):
                    server = server_class(found.parent)
                    if server.adopt():
                        server.stop()
            shutil.rmtree(directory)

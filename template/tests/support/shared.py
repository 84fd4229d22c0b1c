"""What all processes of one run of the tests share: the first that needs it starts it, and ends it after the others."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path


@contextmanager
def shared(path: Path, start: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """What `start` gives, an address for example: the file at `path` tells the others what runs.

    Who uses it holds a lock, which ends with the process, however that ends.
    """
    users = path.with_suffix(".users")
    with path.open("a+") as file, users.open("a") as use, ExitStack() as stack:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        address = file.read()
        mine = not address
        if mine:
            address = stack.enter_context(start())
            file.write(address)
            file.flush()
        fcntl.flock(use, fcntl.LOCK_SH)
        fcntl.flock(file, fcntl.LOCK_UN)
        yield address
        if mine:
            fcntl.flock(file, fcntl.LOCK_EX)
            fcntl.flock(use, fcntl.LOCK_EX)  # waits for the others
            file.truncate(0)

"""Runs PostgreSQL for users that it refuses, both common in containers: root, and a user id without a name."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

USER = "nobody"
SHARED = Path("/var/tmp/embedded-postgres")  # noqa: S108 - projects are often in root's home, which is closed to others


class Unprivileged:
    """The user that runs the server: the owner of the data, or USER if root owns them."""

    def __init__(self, data: Path) -> None:
        nobody = pwd.getpwnam(USER)
        self.uid, self.gid = nobody.pw_uid, nobody.pw_gid
        if data.exists() and data.stat().st_uid != 0:
            self.uid, self.gid = data.stat().st_uid, data.stat().st_gid

    @property
    def identity(self) -> dict[str, Any]:
        """The arguments for `subprocess` to run as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_enter(self, directory: Path) -> bool:
        command = ["test", "-x", str(directory)]
        return subprocess.run(command, cwd="/", check=False, **self.identity).returncode == 0

    def reachable_data(self, data: Path) -> Path:
        """Return `data`, or a directory that this user can enter; `data` is then a link to it."""
        if self.can_enter(data.parent):
            return data
        elsewhere = shared_directory() / f"data-{hashlib.sha256(str(data).encode()).hexdigest()[:12]}"
        if not data.is_symlink() or data.readlink() != elsewhere:
            # `data` was deleted to start over: remove what it linked to as well.
            shutil.rmtree(elsewhere, ignore_errors=True)
            data.unlink(missing_ok=True)
            data.symlink_to(elsewhere)
        return elsewhere

    def reachable_wheel(self, wheel: Path) -> Path:
        """Return `wheel` (the directory of an installed package), or a copy that is made once per version."""
        if self.can_enter(wheel):
            return wheel
        copy = shared_directory() / f"{wheel.name}-{version(wheel.name)}"
        if not copy.exists():
            unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
            omit = shutil.ignore_patterns("include", "pkgconfig", "*.a", "*.py", "__pycache__")
            for part in (wheel, *wheel.parent.glob(f"{wheel.name}.libs")):  # libraries are found by relative path
                shutil.copytree(part, unfinished / part.name, symlinks=True, ignore=omit)
            subprocess.run(["chmod", "-R", "a+rX", str(unfinished)], check=True)  # whatever the umask
            try:
                unfinished.rename(copy)
            except OSError:  # another process was faster
                if not copy.exists():
                    raise
                shutil.rmtree(unfinished)
        return copy / wheel.name


def shared_directory() -> Path:
    """Return SHARED, owned by root. In a directory of another user, they could choose what root runs."""
    SHARED.mkdir(exist_ok=True)
    if SHARED.is_symlink() or SHARED.stat().st_uid != 0:
        raise PermissionError(13, "does not belong to root", str(SHARED))
    SHARED.chmod(0o755)
    return SHARED


@contextmanager
def programs_for_nameless_user(programs: Path, beside: Path) -> Iterator[Path]:
    """Yield `programs` (the directory of initdb and postgres), or patched copies if the user has no name.

    `initdb` fails without a user name, which it only prints. The copies call `getpwent` instead of `getpwuid`: it has
    the same length and type, and returns the system's first user. The server needs no name and runs unpatched.
    """
    if os.geteuid() == 0 or _has_name(os.geteuid()):
        yield programs
        return
    wheel = programs.parents[1]
    with TemporaryDirectory(dir=beside.parent) as directory:
        copy = Path(directory) / programs.relative_to(wheel.parent)
        copy.mkdir(parents=True)
        for libraries in wheel.parent.glob(f"{wheel.name}.libs"):
            (Path(directory) / libraries.name).symlink_to(libraries)
        for part in ("lib", "share"):
            (copy.parent / part).symlink_to(programs.parent / part)
        for name in ("initdb", "postgres"):
            content = (programs / name).read_bytes()
            (copy / name).write_bytes(content.replace(b"\0getpwuid\0", b"\0getpwent\0"))
            (copy / name).chmod(0o700)
        yield copy


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True

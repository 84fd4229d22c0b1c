"""The files of a project under git, and Copier's rendering of the version that it comes from."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import tempfile
from pathlib import Path

NAMES = ("_commit", "package_name", "project_name", "project_slug")
RENDERINGS = "copier*old_copy.*"  # folders of Copier's


class UpdateError(Exception):
    """The project cannot be changed safely. The message says what to do; nothing has been changed."""


class Tree:
    """The files below a folder, by their paths with slashes."""

    def __init__(self, root: Path) -> None:
        """List the files."""
        self.root, self.prefix = root, ""
        self.files = sorted(self._list())

    def _list(self) -> list[str]:
        found = []
        for folder, _, names in os.walk(self.root):
            found += [(Path(folder) / name).relative_to(self.root).as_posix() for name in names]
        return found

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        return (self.root / path).read_bytes()

    def link(self, path: str) -> str | None:
        """Return the target of a symbolic link; `None` for a file."""
        return str((self.root / path).readlink()) if (self.root / path).is_symlink() else None

    def mode(self, path: str) -> int | None:
        """Return the permissions of a file; `None` if it is not one."""
        return stat.S_IMODE((self.root / path).stat().st_mode) if path and (self.root / path).is_file() else None


class Project(Tree):
    """A project under git, where only tracked files count."""

    def _list(self) -> list[str]:
        self.prefix = self.git("rev-parse", "--show-prefix").strip()
        listed = self.git("ls-files", "--stage", "-z").split("\0")[:-1]
        entries = [(entry.partition("\t")[2], entry[:6]) for entry in listed]
        self.executable = {path for path, mode in entries if mode == "100755"}
        return [path for path, mode in entries if mode != "160000" and os.path.lexists(self.root / path)]

    def git(self, *arguments: str, given: str = "") -> str:
        """Run git in the project, with paths taken literally.

        UpdateError: git fails.
        """
        command = ["git", "--literal-pathspecs", "-c", "core.safecrlf=false", *arguments]
        ran = subprocess.run(command, cwd=self.root, input=os.fsencode(given), capture_output=True, check=False)
        if ran.returncode:
            raise UpdateError(f"git {arguments[0]} failed: {os.fsdecode(ran.stderr).strip()}")
        return os.fsdecode(ran.stdout)

    def stage(self, paths: list[str], sources: dict[str, str]) -> None:
        """Bring the index in step with these paths, since Copier merges what the index holds."""
        tracked = {*self.files}
        paths = [path for path in dict.fromkeys(paths) if path in tracked or os.path.lexists(self.root / path)]
        if not paths:
            return
        self.git("add", "--all", "--force", "--pathspec-from-file=-", "--pathspec-file-nul", given="\0".join(paths))
        runs = [path for path in paths if sources.get(path) in self.executable and (self.root / path).is_file()]
        if runs:  # where files have no modes, as on Windows, git would take them from nowhere else
            self.git("update-index", "--chmod=+x", "-z", "--stdin", given="\0".join(runs))


def write(path: Path, data: bytes, mode: int | None) -> None:
    """Write a file in one step: an interruption leaves the old one or the new one. Without a mode, it is 0644."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644 if mode is None else mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def answers(path: Path) -> dict[str, str]:
    """Read the answers that identify a project from its answers file."""
    try:
        text = path.read_text("utf-8")
    except OSError:
        return {}
    return dict(re.findall(rf"^({'|'.join(NAMES)}): +(.+?)\s*$", text, re.MULTILINE))


def old_rendering(project: Project, answers_file: str, template: Path) -> Path:
    """Return the folder in which Copier rendered the old version, for the update that cloned the new one to `template`.

    It is beside that clone, and younger.

    UpdateError: that folder cannot be determined.
    """
    own = answers(project.root / answers_file)
    started = Path(__file__).stat().st_mtime
    found = []
    for folder in sorted(template.parent.glob(RENDERINGS)):
        recorded = folder / project.prefix / answers_file
        if own and answers(recorded) == own and not (folder / ".git").exists() and recorded.stat().st_mtime >= started:
            found.append(recorded.parent)
    if len(found) == 1:
        return found[0]
    if found:
        raise UpdateError(
            f"Another update of this project is running, to which one of these belongs: {', '.join(map(str, found))}. "
            "Wait for it, or delete them if there is none; then run the update again. Nothing has been changed."
        )
    raise UpdateError(
        f"Copier's rendering of the old version is not in {template.parent}. Run this hook by `copier update`, with a "
        "version of Copier that the template's docs/updating.md names. Nothing has been changed."
    )

"""Update to 1.1.0: the setting RETENTION_DAYS is called SESSION_RETENTION_DAYS.

Renames it in the owner's files, which the merge skips. The merge itself renames it in the template's files.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

OLD, NEW = "RETENTION_DAYS", "SESSION_RETENTION_DAYS"
NAME = re.compile(rf"(?<![A-Za-z0-9_]){OLD}(?![A-Za-z0-9_])".encode())
NEW_NAME = re.compile(rf"(?<![A-Za-z0-9_]){NEW}(?![A-Za-z0-9_])".encode())
PLACES = (
    ".env",
    ".env.*",
    "compose*.yaml",
    "compose*.yml",
    "deploy/**/*",
    "evals/**/*",
    "rules/local/**/*",
    "src/*/agent/**/*",
    "tests/agent/**/*",
    "tests/rules/local/**/*",
)


def migrate(project: Path) -> list[str]:
    """Rename the setting and return a sentence for each file. A file with both names is only reported.

    Raises OSError if a file cannot be read or written. Running it again completes an interrupted migration.
    """
    report = []
    for path in sorted({path for place in PLACES for path in project.glob(place)}):
        if path.is_symlink() or not path.is_file():
            continue
        text = path.read_bytes()
        if b"\0" in text or not (found := NAME.search(text)):
            continue
        name = path.relative_to(project).as_posix()
        if NEW_NAME.search(text):
            line = text.count(b"\n", 0, found.start()) + 1
            report.append(f"{name}:{line} still says {OLD}, as the file says {NEW} too: keep one.")
        else:
            replace(path, NAME.sub(NEW.encode(), text))
            report.append(f"{name}: {OLD} is now {NEW}.")
    return report


def replace(path: Path, text: bytes) -> None:
    """Replace a file atomically and keep its mode."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
        temporary.chmod(path.stat().st_mode & 0o7777)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    print(*migrate(Path.cwd()), sep="\n")

"""The processes of this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path


def processes() -> dict[int, tuple[int, str]]:
    """Return parent and state of all processes, from /proc where it exists: slim images lack `ps`."""
    found: dict[int, tuple[int, str]] = {}
    if Path("/proc/self/stat").exists():
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, parent = stat.read_text().rpartition(") ")[2].split()[:2]
            except OSError:  # the process has ended
                continue
            found[int(stat.parent.name)] = (int(parent), state)
    else:
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            pid, parent, state = line.split()
            found[int(pid)] = (int(parent), state)
    return found


def descendants(pid: int) -> set[int]:
    """Return every descendant of `pid`, in any group or session."""
    table, found = processes(), {pid}
    while more := {child for child, (parent, _) in table.items() if parent in found} - found:
        found |= more
    return found - {pid}

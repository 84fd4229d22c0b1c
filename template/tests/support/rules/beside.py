"""Programs that run beside the static checks, from their beginning: their findings are asked for at the end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from .catalogue import say
from .project import Project

Beside: TypeAlias = Callable[[Callable[[Project], Any]], Any]


def lock_checked(project: Project) -> str | None:
    """What is wrong with uv.lock, if anything is."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        return "uv is not installed, so nothing checks uv.lock against this"
    command = [uv, "lock", "--check", "--offline", "--quiet"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    return "uv.lock is missing, or out of step with what is declared here" if done.returncode else None


def imports_checked(project: Project) -> list[dict[str, Any]] | str:
    """deptry's findings, or what it said instead."""
    with TemporaryDirectory() as folder:
        found = Path(folder) / "deptry.json"
        command = [sys.executable, "-m", "deptry", ".", "--json-output", str(found)]
        done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
        if not found.exists():
            return say("deptry said: {text}", text=(done.stdout + done.stderr).strip().splitlines()[-1])
        issues: list[dict[str, Any]] = json.loads(found.read_text("utf-8"))
        return issues


@contextmanager
def started(project: Project) -> Iterator[Beside]:
    """Start the programs; each check that has a parameter `beside` calls it with one of them, and waits for it."""
    with ThreadPoolExecutor() as pool:
        programs: list[Callable[[Project], Any]] = [lock_checked, imports_checked]
        waiting = {program: pool.submit(program, project) for program in programs}
        yield lambda program: waiting[program].result()

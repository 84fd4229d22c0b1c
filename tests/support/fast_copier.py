"""Speed up Copier for tests, which render one template hundreds of times in one process.

Copier compiles each text again for each project, and each part of a path for each file; and it asks git once per file
whether file modes count, even without a repository. Here, texts are compiled once and git is asked once per repository.
The output is the same: test_render.py compares it with that of the command `copier copy`.
"""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

from copier._main import Worker
from jinja2 import Environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

compiled: dict[tuple[Any, ...], Any] = {}
original_compile: Any = Environment.compile
original_sync = Worker._sync_git_index_executable_bit


@wraps(original_compile)
def compile_once(self: Environment, source: Any, name: Any = None, *others: Any) -> Any:  # noqa: ANN401
    """Compile a text, or return the code that an environment with equal settings compiled."""
    if not isinstance(source, str):
        return original_compile(self, source, name, *others)
    settings = (self.trim_blocks, self.lstrip_blocks, self.keep_trailing_newline, self.undefined, *self.extensions)
    key = (source, name, settings, others[1:])
    if key not in compiled:
        compiled[key] = original_compile(self, source, name, *others)
    return compiled[key]


@cache
def records_modes(repository: Path) -> bool:
    """Whether git records file modes in a repository, as it does except on Windows."""
    command = ["git", "config", "--type=bool", "--get", "core.fileMode"]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False).stdout != "false\n"


@wraps(original_sync)
def sync_once(self: Worker, *arguments: Any) -> None:  # noqa: ANN401
    """Call Copier's method only where git ignores file modes."""
    folder = self.subproject.local_abspath
    if (folder / ".git").exists() and not records_modes(folder):
        original_sync(self, *arguments)


def install() -> None:
    """Install the faster functions for the rest of this process."""
    Environment.compile = compile_once  # type: ignore[method-assign, assignment]
    Worker._sync_git_index_executable_bit = sync_once  # type: ignore[method-assign, assignment]


@contextmanager
def installed() -> Iterator[None]:
    """Install the faster functions within a `with` block."""
    install()
    try:
        yield
    finally:
        Environment.compile = original_compile  # type: ignore[method-assign]
        Worker._sync_git_index_executable_bit = original_sync  # type: ignore[method-assign]

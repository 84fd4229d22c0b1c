"""Copier made quicker for tests, which render the same template hundreds of times in one process.

Copier compiles each text anew for each project, and each part of a path for each file; and it asks git once per file
whether file modes count there, even where there is no repository. Both are left out here. What is rendered stays the
same: test_render.py compares it with what `copier copy` renders in a process of its own.
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
compile_anew: Any = Environment.compile
ask_git = Worker._sync_git_index_executable_bit


@wraps(compile_anew)
def compile_once(self: Environment, source: Any, name: Any = None, *others: Any) -> Any:  # noqa: ANN401
    """The code of a text, from an environment of the same settings if there was one."""
    if not isinstance(source, str):
        return compile_anew(self, source, name, *others)
    settings = (self.trim_blocks, self.lstrip_blocks, self.keep_trailing_newline, self.undefined, *self.extensions)
    key = (source, name, settings, others[1:])
    if key not in compiled:
        compiled[key] = compile_anew(self, source, name, *others)
    return compiled[key]


@cache
def minds_modes(repository: Path) -> bool:
    """Whether files there have modes, as anywhere but on Windows."""
    command = ["git", "config", "--type=bool", "--get", "core.fileMode"]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False).stdout != "false\n"


@wraps(ask_git)
def ask_git_in_repositories(self: Worker, *arguments: Any) -> None:  # noqa: ANN401
    """Mind the index where there is one that has to be minded."""
    folder = self.subproject.local_abspath
    if (folder / ".git").exists() and not minds_modes(folder):
        ask_git(self, *arguments)


def install() -> None:
    """For the rest of this process."""
    Environment.compile = compile_once  # type: ignore[method-assign, assignment]
    Worker._sync_git_index_executable_bit = ask_git_in_repositories  # type: ignore[method-assign, assignment]


@contextmanager
def installed() -> Iterator[None]:
    """For as long as it is entered."""
    install()
    try:
        yield
    finally:
        Environment.compile = compile_anew  # type: ignore[method-assign]  # as it was
        Worker._sync_git_index_executable_bit = ask_git  # type: ignore[method-assign]  # likewise

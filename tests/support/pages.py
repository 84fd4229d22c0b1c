"""Pages of the documentation as programs: their files are written, and their commands run, in order.

- A block of code with a title is a file: `title="src/x.py"` writes it, `title="Add to src/x.py"` appends to it,
  after two blank lines unless the block is indented.
- A block `sh` runs; variables and the folder last until the end of the page. The block `text` after it is what the
  commands print, where `…` matches anything.
- A comment before a block changes this: `<!-- exits: 1 -->`, `<!-- background until: words -->`, or, for commands that
  need what tests lack, `<!-- not run: reason -->`.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

START_SECONDS = 300
PARTS = re.compile(
    r"(?:^ *<!-- (?P<mark>[\w ]+): (?P<value>[^\n]*?) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^(?P=indent)```$"
    r"(?:\n\n(?P=indent)```text\n(?P<printed>.*?)^(?P=indent)```$)?",
    re.MULTILINE | re.DOTALL,
)
MARKS = {"exits", "background until", "not run"}


class PageError(Exception):
    """A block of a page does not work; the message shows it and its output."""


@dataclass(frozen=True)
class Block:
    """One block of a page."""

    language: str
    text: str
    title: str = ""
    mark: str = ""
    value: str = ""
    printed: str = ""

    @property
    def reason(self) -> str:
        """Why this block is not run; empty if it is."""
        return self.value if self.mark == "not run" else ""


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page. Raises PageError for an unknown mark."""
    for found in PARTS.finditer(page):
        parts = {name: value or "" for name, value in found.groupdict().items() if name != "indent"}
        for name in ("text", "printed"):
            parts[name] = re.sub("^" + found["indent"], "", parts[name], flags=re.MULTILINE)
        block = Block(**parts)
        if block.mark and (block.mark not in MARKS or not block.value):
            raise PageError(f"unknown mark: {block.mark}: {block.value}")
        yield block


def matches(expected: str, printed: str) -> bool:
    """Whether a text is printed, in which `…` matches anything."""
    pattern = ".*".join(re.escape(part.strip("\n")) for part in expected.split("…"))
    return re.search(pattern, printed, re.DOTALL) is not None


class Run:
    """Runs the blocks of pages in one folder. Ends what runs in the background when its context ends."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], adapt: Callable[[str], str] = lambda text: text
    ) -> None:
        self.folder = folder
        self._environment = dict(environment)
        self._adapt = adapt
        self._background: list[subprocess.Popen[str]] = []
        self._scratch = folder / ".page"
        self._scratch.mkdir(exist_ok=True)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._background:
            process.terminate()
        for process in self._background:
            process.wait(60)

    def page(self, text: str) -> None:
        """Run all blocks of a page. Raises PageError."""
        for block in blocks(text):
            if block.title:
                self.write(block)
            elif block.language == "sh" and not block.reason:
                self.run(block)

    def write(self, block: Block) -> None:
        """Write or extend a file."""
        title = block.title.removeprefix("Add to ")
        path = self.folder / title
        path.parent.mkdir(parents=True, exist_ok=True)
        if block.title == title:
            path.write_text(block.text, "utf-8")
            return
        if not path.is_file():
            raise PageError(f"{title} does not exist, so nothing can be added to it")
        before = "\n\n" if block.language == "python" and not block.text[0].isspace() else ""
        with path.open("a", encoding="utf-8") as file:
            file.write(before + block.text)

    def run(self, block: Block) -> None:
        """Run commands, and compare their output and exit code."""
        script = self._adapt(block.text)
        if block.mark == "background until":
            self._start(script, block.value)
            return
        state = self._scratch / "state"
        before = f". {shlex.quote(str(state))}\n" if state.exists() else ""
        after = (
            f"trap '{{ declare -p | grep -E \"^declare -- [A-Z_]+=\"; pwd > {self._scratch}/cwd; }} > {state}' EXIT\n"
        )
        ran = subprocess.run(
            ["bash", "-e", "-u", "-o", "pipefail", "-c", f"{before}{after}{script}"],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.folder = type(self.folder)((self._scratch / "cwd").read_text("utf-8").strip())
        wanted = int(block.value) if block.mark == "exits" else 0
        if ran.returncode != wanted:
            raise PageError(f"{script}exits with {ran.returncode}, not {wanted}:\n{ran.stdout}")
        if not matches(block.printed, ran.stdout):
            raise PageError(f"{script}prints\n{ran.stdout}\nand not\n{block.printed}")

    def _start(self, script: str, words: str) -> None:
        """Start a command and wait until it prints some words."""
        log = self._scratch / f"background-{len(self._background)}"
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {script}"],
                cwd=self.folder,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self._background.append(process)
        ends = time.monotonic() + START_SECONDS
        while words not in log.read_text("utf-8"):
            if process.poll() is not None or time.monotonic() > ends:
                raise PageError(f"{script}did not print {words!r}:\n{log.read_text('utf-8')}")
            time.sleep(0.1)

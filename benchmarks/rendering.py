"""Measure how long a project takes to render: `make rendering` writes docs/speed.md.

Compared, with the same questions: five files; the default project's files without Jinja, which is the cost of Copier
itself; the default project; the same if Copier called git once and compiled each text once; and the command
`copier copy`.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import copier

from tests.support import fast_copier
from tests.support.git import git
from tests.support.template import FILES, INCLUDED, README, ROOT, asking, export, render, rendered_files, working_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAGE = ROOT / "docs" / "speed.md"
FIVE = (README, "Procfile.jinja", ".gitignore", ".python-version.jinja")
ROWS = ("five", "plain", "default", "cached", "command")
RUNS = 5
RATIO_ASKED = 2.5  # of the default project to five files
SECONDS_ASKED = 1.2  # of `copier copy`


def commit(folder: Path) -> Path:
    """Commit a folder as a new repository."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=bench", "-c", "user.email=bench@example.org", "commit", "--quiet", "--message", "It")
    return folder


def seconds(work: Callable[[Path], object]) -> float:
    """Return the median processor time in seconds, child processes included, of RUNS runs after a warm-up.

    Rendering is sequential, so this equals the elapsed time on an idle machine.
    """
    found = []
    for number in range(RUNS + 1):
        with tempfile.TemporaryDirectory() as folder:
            began = os.times()
            work(Path(folder, "project"))
            found += [sum(os.times()[:4]) - sum(began[:4])] * (number > 0)
    return median(found)


def measure(folder: Path) -> dict[str, float]:
    """Return the seconds of each row, and the number of files of the default project."""
    tree = working_tree()
    own = [path for path in tree if path.parts[0] in {"copier.yml", *INCLUDED, FILES.name}]
    five = [*asking(), *(path for path in own if path.name in FIVE)]
    default = commit(export(own, folder / "default"))
    small = commit(export(five, folder / "five"))
    project = render(default, folder / "project")
    plain = folder / "plain"
    export(asking(), plain)
    files = rendered_files(project)
    for path in files:
        target = plain / FILES.name / path.relative_to(project)
        if path.name != ".copier-answers.yml":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    commit(plain)
    command = [sys.executable, "-m", "copier", "copy", "--defaults", "--quiet", "--vcs-ref", "HEAD", str(default)]
    found = {
        "five": seconds(lambda target: render(small, target)),
        "plain": seconds(lambda target: render(plain, target)),
        "default": seconds(lambda target: render(default, target)),
        "command": seconds(lambda target: subprocess.run([*command, str(target)], check=True, capture_output=True)),
        "cached": seconds(lambda target: render_with_caches(default, target)),
    }
    return {"files": len(files)} | {what: round(took, 2) for what, took in found.items()}


def render_with_caches(source: Path, target: Path) -> None:
    """Render as the tests do, with empty caches."""
    fast_copier.compiled.clear()
    with fast_copier.installed():
        render(source, target)


def page(found: Mapping[str, float], circumstances: str) -> str:
    """Return the figures as Markdown."""
    five, plain, default, cached, command = (found[row] for row in ROWS)
    ratio, own = default / five, f"{max(0, default / plain - 1) * 100:.0f}"
    kept = {True: "and does", False: "and does not"}
    return f"""\
# How long a project takes to render

<!-- Written by `make rendering`. -->

Seconds of processor time, medians of {RUNS} runs, warm, with the same questions each time; {circumstances}.

| what | seconds | times five files |
|---|---|---|
| five files, in process | {five:.2f} | 1.0 |
| the default project's {found["files"]:.0f} files, with no Jinja in them | {plain:.2f} | {plain / five:.1f} |
| the default project, in process | {default:.2f} | {ratio:.1f} |
| the same, if Copier asked git once and compiled no text twice | {cached:.2f} | {cached / five:.1f} |
| `copier copy`, as a command | {command:.2f} | {command / five:.1f} |

The default project should take at most {RATIO_ASKED} times as long as five files, {kept[ratio <= RATIO_ASKED]}.
`copier copy` should take at most {SECONDS_ASKED} seconds, {kept[command <= SECONDS_ASKED]}.

The second row is the cost of Copier itself for this number of files. For each file it runs `git config`, to find out
whether the project's repository records file modes, even if there is no repository yet. For each part of each path it
compiles two Jinja texts, the part and the name of the answers file, without caching them, and it collects all answers
again. No setting of a template changes that. This template's names and conditions in paths and files add {own} %.

The fourth row is how the tests of this template render (`tests/support/fast_copier.py`).
"""


def figures(text: str) -> tuple[dict[str, float], str]:
    """Return the figures and circumstances that a page was written from."""
    rows = re.findall(r"^\| .* \| ([\d.]+) \| [\d.]+ \|$", text, re.MULTILINE)
    counted, circumstances = re.search(r"project's (\d+) files", text), re.search(r"each time; (.*)\.\n", text)
    if not counted or not circumstances or len(rows) != len(ROWS):
        raise ValueError(f"{PAGE.name} is not what `make rendering` writes")
    found = dict(zip(ROWS, map(float, rows), strict=True))
    return found | {"files": int(counted[1])}, circumstances[1]


def main() -> None:
    """Measure, then print or write the page."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--write", action="store_true", help="write docs/speed.md")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
        others = f"{os.cpu_count()} processors, on which {os.getloadavg()[1]:.0f} processes ran at a time"
        text = page(found, f"Copier {copier.__version__}, Python {platform.python_version()}, {others}")
    if chosen.write:
        PAGE.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()

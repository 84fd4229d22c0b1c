"""How long a project takes to render, beside what Copier takes for any: `make bench` writes docs/speed.md.

With the same questions each time: five files; the default project's files with no Jinja in them, which is the price of
Copier itself; the default project; that, if Copier asked git once and compiled no text twice; and `copier copy` as a
command.
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
ROWS = ("five", "plain", "default", "cached", "command")  # of the table
RUNS = 5
RATIO_ASKED = 2.5  # of the default project to five files
SECONDS_ASKED = 1.2  # of `copier copy`


def commit(folder: Path) -> Path:
    """Make a repository of it."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=bench", "-c", "user.email=bench@example.org", "commit", "--quiet", "--message", "It")
    return folder


def seconds(work: Callable[[Path], object]) -> float:
    """The median of some runs, after one that warms up, in seconds of processor time, own and of processes started.

    Rendering is done one thing after another, so this is what a clock shows on a machine with nothing else to do.
    """
    found = []
    for number in range(RUNS + 1):
        with tempfile.TemporaryDirectory() as folder:
            began = os.times()
            work(Path(folder, "project"))
            found += [sum(os.times()[:4]) - sum(began[:4])] * (number > 0)
    return median(found)


def measure(folder: Path) -> dict[str, float]:
    """The seconds that each takes, and how many files the default project has."""
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
    """Render as the tests do, with nothing kept from the run before."""
    fast_copier.compiled.clear()
    with fast_copier.installed():
        render(source, target)


def page(found: Mapping[str, float], circumstances: str) -> str:
    """The figures in Markdown."""
    five, plain, default, cached, command = (found[row] for row in ROWS)
    ratio = default / five
    kept = {True: "and that holds", False: "and that does not hold"}
    return f"""\
# How long a project takes to render

<!-- Written by `make bench`. -->

Seconds of processor time, medians of {RUNS} runs, warm, with the same questions each time; {circumstances}.

| what | seconds | times five files |
|---|---|---|
| five files, in process | {five:.2f} | 1.0 |
| the default project's {found["files"]:.0f} files, with no Jinja in them | {plain:.2f} | {plain / five:.1f} |
| the default project, in process | {default:.2f} | {ratio:.1f} |
| the same, if Copier asked git once and compiled no text twice | {cached:.2f} | {cached / five:.1f} |
| `copier copy`, as a command | {command:.2f} | {command / five:.1f} |

The default project should take at most {RATIO_ASKED} times what five files take, {kept[ratio <= RATIO_ASKED]}.
`copier copy` should take at most {SECONDS_ASKED} seconds, {kept[command <= SECONDS_ASKED]}.

The second row is the price of Copier for so many files, whatever is in them. For each file it starts one `git config`,
to learn whether files have modes in the project's repository, even where there is none yet. For each part of each path
it compiles two texts of Jinja, the part and the name of the answers file, and keeps neither; and it gathers all answers
anew for each. No setting of a template changes that. What is this template's own, the names and conditions in paths and
files, takes {max(0, default / plain - 1) * 100:.0f} % on top.

The fourth row is how this template's tests render (`tests/support/fast_copier.py`).
"""


def figures(text: str) -> tuple[dict[str, float], str]:
    """What a page was written from."""
    rows = re.findall(r"^\| .* \| ([\d.]+) \| [\d.]+ \|$", text, re.MULTILINE)
    counted, circumstances = re.search(r"project's (\d+) files", text), re.search(r"each time; (.*)\.\n", text)
    if not counted or not circumstances or len(rows) != len(ROWS):
        raise ValueError(f"{PAGE.name} is not what `make bench` writes")
    found = dict(zip(ROWS, map(float, rows), strict=True))
    return found | {"files": int(counted[1])}, circumstances[1]


def main() -> None:
    """Measure, and print or write the page."""
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

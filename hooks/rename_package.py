# /// script
# dependencies = ["copier>=9.19,<10"]
# ///
"""Gives a project's package another name, with the owner's edits, their own files, and all imports.

Run it in the project's folder, with everything committed; any clone of the template has it:

    uv run ../template/hooks/rename_package.py order_desk

It renders the project's version under both names, and merges the difference into the project.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import copier
import yaml

from carry import Plan, apply, carry
from moves import Table
from project import Project, Tree, UpdateError

ANSWERS_FILE = ".copier-answers.yml"
LABELS = ("before renaming", "the template", "after renaming")


def rename(root: Path, name: str, answers_file: str = ANSWERS_FILE) -> list[str]:
    """Rename the package of a project; return the report for its owner.

    UpdateError: the project has changes, or the name cannot be one of a package. Nothing has been changed.
    """
    project = Project(root)
    if project.git("status", "--porcelain"):
        raise UpdateError("Commit or stash your changes first. Nothing has been changed.")
    recorded = yaml.safe_load((root / answers_file).read_text("utf-8"))
    package = recorded["package_name"]
    if name == package:
        return []
    with tempfile.TemporaryDirectory() as folder:
        old, new = (
            Tree(render(recorded, Path(folder, kind), {"package_name": value}, answers_file))
            for kind, value in (("old", package), ("new", name))
        )
        report = carry(project, old, Table(files={f"src/{name}/": [f"src/{package}/"]}), package)
        return report + merge(Project(root), Tree(old.root), new)


def render(recorded: dict[str, Any], target: Path, given: dict[str, str], answers_file: str) -> Path:
    """Render the version that the project has. Copier checks the answers."""
    data = {key: value for key, value in recorded.items() if not key.startswith("_")} | given
    try:
        copier.run_copy(
            recorded["_src_path"],
            target,
            data=data,
            vcs_ref=recorded["_commit"],
            answers_file=answers_file,
            defaults=True,
            quiet=True,
        )
    except ValueError as reason:
        raise UpdateError(f"{reason} Nothing has been changed.") from reason
    return target


def merge(project: Project, old: Tree, new: Tree) -> list[str]:
    """Merge what differs between two renderings into the project; return its conflicts."""
    change, report = Plan(), []
    for path in sorted({*project.files} & {*old.files} & {*new.files}):
        if project.link(path) is not None or old.read(path) == new.read(path):
            continue
        sides = (project.root / path, old.root / path, new.root / path)
        labels = [word for label in LABELS for word in ("-L", label)]
        command = ["git", "merge-file", "--stdout", *labels, *map(str, sides)]
        ran = subprocess.run(command, capture_output=True, check=False)
        if ran.returncode:
            report.append(f"{path} has conflicts between <<<<<<< and >>>>>>>: keep what you want.")
        change.written[path], change.sources[path] = ran.stdout, path
    apply(project, change)
    project.stage([*change.written], change.sources)
    return report


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give the new name: uv run hooks/rename_package.py order_desk")
    try:
        print(*rename(Path.cwd(), sys.argv[1]), sep="\n")
    except UpdateError as reason:
        sys.exit(str(reason))

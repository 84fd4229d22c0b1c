"""The template as data: questions, files, Jinja environment, renderings."""

from __future__ import annotations

import re
import subprocess
import warnings
from functools import cache
from pathlib import Path
from shutil import copy2
from typing import TYPE_CHECKING, Any

import copier
import yaml
from copier.errors import DirtyLocalWarning, ShallowCloneWarning
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
FILES = ROOT / "template"
README = "{% if rules_language == 'en' %}README.md{% endif %}.jinja"
ANSWERS_FILE = ".copier-answers.yml"
SUFFIX = ".jinja"
INCLUDED = ("messages", "parts")  # folders of texts that copier.yml and rendered files include


@cache
def config() -> dict[str, Any]:
    """Return the settings and questions of copier.yml."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    return loaded


def questions() -> dict[str, dict[str, Any]]:
    """Return the questions and, with `when: false`, the computed values."""
    return {name: value for name, value in config().items() if not name.startswith("_")}


def environment() -> SandboxedEnvironment:
    """Return a Jinja environment as Copier configures it for this template."""
    settings = {**config()["_envops"], "undefined": StrictUndefined}
    extensions = ["jinja2_ansible_filters.AnsibleCoreFiltersExtension"]
    return SandboxedEnvironment(extensions=extensions, loader=FileSystemLoader(ROOT), **settings)


def working_tree() -> list[Path]:
    """Return the paths relative to ROOT of tracked and new files, without ignored and deleted ones."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [Path(path) for path in sorted(set(listed.stdout.split("\0"))) if path and (ROOT / path).is_file()]


def asking() -> list[Path]:
    """Return the files that every rendering needs: copier.yml, the answers file, and included texts."""
    return [
        path
        for path in working_tree()
        if path.name == "copier.yml" or path.parts[0] in INCLUDED or "answers_file" in path.name
    ]


def export(paths: list[Path], target: Path) -> Path:
    """Copy files of the working tree, given relative to ROOT, and return the target."""
    for path in paths:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        copy2(ROOT / path, target / path)
    return target


def render(source: Path, target: Path, answers: Mapping[str, Any] | None = None, **options: Any) -> Path:  # noqa: ANN401
    """Run `copier copy --defaults` without `--trust`.

    Raises KeyError for unknown answers, which Copier would ignore.
    """
    answers = answers or {}
    if unknown := set(answers) - set(questions()):
        raise KeyError(f"no such question: {', '.join(sorted(unknown))}")
    settings = {"defaults": True, "quiet": True, "unsafe": False, "vcs_ref": "HEAD", **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DirtyLocalWarning)
        warnings.simplefilter("ignore", ShallowCloneWarning)
        copier.run_copy(str(source), target, data=dict(answers), **settings)
    return target


def answers(project: Path) -> dict[str, Any]:
    """Return the recorded answers of a rendered project."""
    loaded: dict[str, Any] = yaml.safe_load((project / ANSWERS_FILE).read_text("utf-8"))
    return loaded


def rendered_files(project: Path) -> list[Path]:
    """Return every file of a fresh rendering."""
    return sorted(path for path in project.rglob("*") if path.is_file())


def marker() -> re.Pattern[str]:
    """Return a pattern of Jinja in a text: a statement, a comment, or the name of an answer."""
    names = "|".join([*questions(), "_copier_answers", "_copier_conf", "_copier_operation"])
    return re.compile(r"{%|{#|{{-?\s*(?:dict\()?(?:" + names + r")\b")

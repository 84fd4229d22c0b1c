"""Releases of a template, and updates of projects, for tests."""

from __future__ import annotations

import ast
import re
import tempfile
from typing import TYPE_CHECKING, Any

import copier
import pytest
import yaml

from imports import module
from tests.support.git import commit, git

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BESIDE = ("agent_devtools", "tests")  # packages beside the project's own
LEFT = ["tests/integration/test_tools.py"]  # of the example agent: `_exclude` keeps it during updates


def release(template: Path, version: str) -> None:
    """Commit and tag a template's working tree as a release."""
    commit(template, version)
    git(template, "tag", version)


def offered(template: Path, version: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers, without choices that a version does not offer."""
    questions = yaml.safe_load(git(template, "show", f"{version}:copier.yml"))
    return {
        name: [each for each in value if each in questions[name]["choices"].values()]
        if isinstance(value, list) and name in questions
        else value
        for name, value in given.items()
    }


def update(project: Path, data: Mapping[str, Any] | None = None, **options: Any) -> None:  # noqa: ANN401
    """Run `copier update --skip-answered --defaults` without `--trust`, in a separate temporary folder.

    Otherwise a hook would refuse to choose between the renderings of two projects of one name.
    """
    settings = {"defaults": True, "skip_answered": True, "overwrite": True, "quiet": True, "unsafe": False, **options}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", folder)
        copier.run_update(project, data=dict(data or {}), **settings)


def owned(patterns: list[str], answers: Mapping[str, Any]) -> list[str]:
    """Return the user's paths, from `_skip_if_exists` of copier.yml, and those that older projects keep as well."""
    paths = [pattern.replace("*", answers["package_name"]).lstrip("/") for pattern in patterns if "{%" not in pattern]
    return [*LEFT, *paths]


def unresolved(project: Path, package: str) -> list[str]:
    """The imports within a project that lead nowhere, by its files alone."""
    files = {
        module(path.relative_to(project).as_posix()): path
        for path in project.rglob("*.py")
        if ".venv" not in path.parts
    }
    known = {".".join(name.split(".")[:end]) for name in files for end in range(1, name.count(".") + 2)}
    texts = {name: path.read_text("utf-8") for name, path in files.items()}
    found = []
    for name, path in files.items():
        own = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(ast.parse(texts[name])):
            wanted: list[tuple[str, str]] = []
            if isinstance(node, ast.Import):
                wanted = [(alias.name, "") for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = ".".join(own.split(".")[: len(own.split(".")) - node.level + 1]) if node.level else ""
                source = ".".join(part for part in (base, node.module or "") if part)
                wanted = [(source, alias.name) for alias in node.names]
            for source, attribute in wanted:
                if source.partition(".")[0] not in {package, *BESIDE} or f"{source}.{attribute}" in known:
                    continue
                if source not in known or (attribute and not re.search(rf"\b{attribute}\b", texts.get(source, ""))):
                    found.append(f"{path.relative_to(project)}:{getattr(node, 'lineno', 0)} {source} {attribute}")
    return found

"""Releases of a template, and updates of projects, for tests."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import copier
import pytest

from tests.support.git import commit, git

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LEFT = ["tests/integration/test_tools.py"]  # of the example agent: `_exclude` keeps it during updates


def release(template: Path, version: str) -> None:
    """Commit and tag a template's working tree as a release."""
    commit(template, version)
    git(template, "tag", version)


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

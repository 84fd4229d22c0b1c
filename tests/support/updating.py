"""Projects under git, releases of a template for a test, and updates from the one to the other."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import copier
import pytest

from tests.support.git import commit, git

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LEFT = ["tests/integration/test_tools.py"]  # of the example agent: `_exclude` has updates leave it where it is


def release(template: Path, version: str) -> None:
    """A template's working tree, as a release."""
    commit(template, version)
    git(template, "tag", version)


def update(project: Path, data: Mapping[str, Any] | None = None, **options: Any) -> None:  # noqa: ANN401
    """`copier update --skip-answered --defaults`, with no trust, and with a temporary folder of its own.

    A hook refuses to choose between renderings for two projects of one name.
    """
    settings = {"defaults": True, "skip_answered": True, "overwrite": True, "quiet": True, "unsafe": False, **options}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", folder)
        copier.run_update(project, data=dict(data or {}), **settings)


def owned(patterns: list[str], answers: Mapping[str, Any]) -> list[str]:
    """The paths that are the user's, from copier.yml's `_skip_if_exists`, and what older projects keep besides."""
    paths = [pattern.replace("*", answers["package_name"]).lstrip("/") for pattern in patterns if "{%" not in pattern]
    return [*LEFT, *paths]

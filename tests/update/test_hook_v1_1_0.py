"""The hook of 1.1.0 renames a setting wherever its owner wrote it."""

from __future__ import annotations

import importlib.util
import stat
from typing import TYPE_CHECKING

import pytest

from tests.support.template import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENV = "# How long?\nRETENTION_DAYS=365\nAUDIT_RETENTION_DAYS=400\n"


@pytest.fixture
def migrate() -> Callable[[Path], list[str]]:
    spec = importlib.util.spec_from_file_location("v1_1_0", ROOT / "hooks" / "v1_1_0.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[Path], list[str]] = module.migrate
    return found


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_only_the_name_changes_and_only_once(tmp_path: Path, migrate: Callable[[Path], list[str]]) -> None:
    env = write(tmp_path / ".env", ENV)
    env.chmod(0o600)
    assert migrate(tmp_path) == [".env: RETENTION_DAYS is now SESSION_RETENTION_DAYS."]
    assert env.read_text("utf-8") == "# How long?\nSESSION_RETENTION_DAYS=365\nAUDIT_RETENTION_DAYS=400\n"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert migrate(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


@pytest.mark.parametrize(
    "place",
    [
        ".env.local",
        "compose.mine.yaml",
        "deploy/kubernetes/overlays/production/patch.yaml",
        "src/desk/agent/tasks/tidy.py",
        "tests/agent/test_tidy.py",
        "tests/rules/local/test_02_tidy.py",
        "rules/local/02-tidy.md",
    ],
)
def test_it_is_found_in_every_place(tmp_path: Path, migrate: Callable[[Path], list[str]], place: str) -> None:
    path = write(tmp_path / place, "settings.RETENTION_DAYS\r\n")
    assert migrate(tmp_path) == [f"{place}: RETENTION_DAYS is now SESSION_RETENTION_DAYS."]
    assert path.read_bytes() == b"settings.SESSION_RETENTION_DAYS\n".replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (".env", "AUDIT_RETENTION_DAYS=400\nMY_RETENTION_DAYS_TOO=1\n"),
        ("src/desk/agent/data.bin", "\0RETENTION_DAYS"),
        ("src/desk/chat/maintenance.py", "settings.RETENTION_DAYS"),  # the merge renames it in the template's files
        ("notes/RETENTION_DAYS.md", "RETENTION_DAYS"),
    ],
)
def test_other_names_and_files_stay(
    tmp_path: Path, migrate: Callable[[Path], list[str]], place: str, text: str
) -> None:
    path = write(tmp_path / place, text)
    assert migrate(tmp_path) == []
    assert path.read_text("utf-8") == text


def test_links_are_not_followed(tmp_path: Path, migrate: Callable[[Path], list[str]]) -> None:
    outside = write(tmp_path / "outside", ENV)
    project = tmp_path / "project"
    project.mkdir()
    (project / ".env").symlink_to(outside)
    assert migrate(project) == []
    assert outside.read_text("utf-8") == ENV


def test_a_file_with_both_names_is_only_reported(tmp_path: Path, migrate: Callable[[Path], list[str]]) -> None:
    text = "SESSION_RETENTION_DAYS=30\nRETENTION_DAYS=365\n"
    env = write(tmp_path / ".env", text)
    [expected] = migrate(tmp_path)
    assert expected.startswith(".env:2 still says RETENTION_DAYS")
    assert env.read_text("utf-8") == text

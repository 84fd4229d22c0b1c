"""Tests rules: plants code in memory and returns the findings of a check.

from tests.rules.local import test_01_tools as rule
from agent_devtools.rules.planting import find

def test_a_tool_without_a_docstring_is_found() -> None:
    planted = {"src/order_desk/agent/tools.py": CODE}
    assert [violation.line for violation in find(rule.test_tools_have_docstrings, planted)] == [12]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from inspect import signature
from types import ModuleType
from typing import Any

from .check import ROOT, name_of
from .project import Project, Violation

Check = Callable[..., Any]


@cache
def _whole() -> Project:
    project = Project(ROOT)
    project.modules("src", "devtools", "tests")  # read once, and shared by all later calls
    return project


def find(check: Check, files: Mapping[str, str | None]) -> list[Violation]:
    """Return the sorted findings of a check after changing `files` in memory; `None` removes a file."""
    return _found(check, _whole().planted(files))


def find_all(files: Mapping[str, str | None]) -> set[tuple[str, int, str]]:
    """Return the findings of all static checks: paths, lines and names of checks."""
    project = _whole().planted(files)
    return {(each.path, each.line, name) for name, check in static_checks().items() for each in _found(check, project)}


def _found(check: Check, project: Project) -> list[Violation]:
    found: Iterable[Violation] = vars(check)["__wrapped__"](project) or ()
    return sorted(set(found), key=lambda each: (each.path, each.line, each.message))


@cache
def static_checks() -> dict[str, Check]:
    """Return every check that needs only the project, by its name."""
    paths = sorted((ROOT / "tests/rules").rglob("test_*.py"))
    modules = [import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)) for path in paths]
    return {name_of(name): check for module in modules for name, check in _checks(module)}


def _checks(module: ModuleType) -> Iterable[tuple[str, Check]]:
    for name, check in vars(module).items():
        static = name.startswith("test_") and not getattr(check, "is_running", True)
        if static and list(signature(check).parameters) == ["project"]:
            yield name, check

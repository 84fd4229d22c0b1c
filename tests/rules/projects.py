"""Run the rules of rendered projects, and read their results."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from tests.support import bytecode

TODAY = datetime.now(UTC).date()


def run(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `rules` in a project with its environment."""
    command = [".venv/bin/my-agent", "rules", *options]
    unwanted = ("PYTEST_", "COV", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def checks(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """Return the checks of a run with `--json`, by name."""
    assert done.stdout, done.stderr
    return {check["name"]: check for rule in json.loads(done.stdout)["rules"] for check in rule["checks"]}


def declared(project: Path) -> dict[str, bool]:
    """Return the names of a project's checks, each with whether it is a running one."""
    trees = [ast.parse(path.read_text("utf-8")) for path in (project / "tests/rules").rglob("test_*.py")]
    return {
        node.name.removeprefix("test_").replace("_", "-"): any(keyword.arg == "at" for keyword in decorator.keywords)
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "check"
    }


def installed(rendering: Path, target: Path) -> Path:
    """Copy a rendering and create its environment."""
    shutil.copytree(rendering, target)
    subprocess.run(["uv", "sync", "--locked", "--quiet"], cwd=target, check=True)
    bytecode.borrow(target)
    return target


def copied(project: Path, target: Path) -> Path:
    """Copy a project; the copy shares the environment, which is large."""
    shutil.copytree(project, target, ignore=shutil.ignore_patterns(".venv"))
    (target / ".venv").symlink_to(project / ".venv")
    return target


def seconds_used(project: Path, option: str = "--fast") -> float:
    """Return the CPU seconds of `rules`, child processes included."""
    return seconds_of(project, ".venv/bin/my-agent", "rules", option)


def seconds_of(project: Path, *command: str) -> float:
    """Return the CPU seconds of a command, child processes included."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = os.times()
    subprocess.run(command, cwd=project, env=environment, capture_output=True, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def granted(expires: date, **changes: str) -> str:
    """Return an exception for pyproject.toml."""
    entry = {"check": "no-port-in-code", "reason": "planted", "owner": "ada", **changes}
    lines = [f'{name} = "{value}"' for name, value in entry.items() if value]
    return "\n[[tool.rules.exceptions]]\n" + "\n".join(lines) + f"\nexpires = {expires}\n"

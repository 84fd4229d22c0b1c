"""Rule 2.1: every dependency is declared, in an exact version, and nothing is taken from the system unsaid."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.support.rules.check import check
from tests.support.rules.deployment import documents
from tests.support.rules.project import File, Module, Project, Violation

RUNNERS = {
    "anyio.open_process",
    "anyio.run_process",
    "asyncio.create_subprocess_exec",
    "asyncio.create_subprocess_shell",
    "os.popen",
    "os.system",
    "shutil.which",
    "subprocess.Popen",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "subprocess.run",
}
NODE_LOCKS = ("package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock")
NODE_DEPENDENCIES = ("dependencies", "devDependencies", "optionalDependencies")
EXACT = re.compile(r"(npm:(@[\w.-]+/)?[\w.-]+@)?\d+\.\d+\.\d+([-+][\w.+-]+)?|(workspace|file|link):.*")
MANAGERS = ("npm", "pnpm", "yarn", "bun")


def lock_checked(project: Project) -> str | None:
    """What is wrong with uv.lock, if anything is."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        return "uv is not there to tell whether uv.lock is in step with this"
    command = [uv, "lock", "--check", "--offline", "--quiet"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    return "uv.lock is missing, or out of step with what is declared here" if done.returncode else None


def imports_checked(project: Project) -> list[dict[str, Any]] | str:
    """deptry's findings, or what it said instead."""
    with TemporaryDirectory() as folder:
        found = Path(folder) / "deptry.json"
        command = [sys.executable, "-m", "deptry", ".", "--json-output", str(found)]
        done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
        if not found.exists():
            return f"deptry said: {(done.stdout + done.stderr).strip().splitlines()[-1]}"
        issues: list[dict[str, Any]] = json.loads(found.read_text("utf-8"))
        return issues


@pytest.fixture(scope="session", autouse=True)
def started(project: Project) -> Iterator[dict[Callable[..., Any], Future[Any]]]:
    """The two programs, which run beside the other checks: `rules` asks for what they found at the end."""
    with ThreadPoolExecutor() as pool:
        yield {function: pool.submit(function, project) for function in (lock_checked, imports_checked)}


@pytest.fixture
def beside(started: dict[Callable[..., Any], Future[Any]]) -> Callable[[Callable[[Project], Any]], Any]:
    return lambda function: started[function].result()


@check("Run `uv lock` and commit uv.lock.")
def test_lock_is_in_step(project: Project, beside: Callable[..., str | None]) -> Iterator[Violation]:
    if fault := beside(lock_checked):
        file = project.known("pyproject.toml")
        yield file.at(file.line_of(r"^dependencies\b"), fault)


@check("Declare in pyproject.toml what is imported (`uv add`), and take out what is not (`uv remove`).")
def test_imports_are_declared(beside: Callable[..., list[dict[str, Any]] | str]) -> Iterator[Violation]:
    issues = beside(imports_checked)
    if isinstance(issues, str):
        yield Violation("pyproject.toml", 1, issues)
        return
    for issue in issues:
        place = issue["location"]
        yield Violation(Path(place["file"]).as_posix(), place["line"] or 1, issue["error"]["message"])


def programs(project: Project, module: Module) -> Iterator[tuple[ast.AST, str]]:
    """The programs that the module starts or looks for by name."""
    assigned = {
        target.id: node.value
        for node in module.all(ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in module.all(ast.Call):
        if not project.flow.origins(node.func) & RUNNERS or not node.args:
            continue
        command: ast.AST = node.args[0]
        if isinstance(command, ast.Name):
            command = assigned.get(command.id, command)
        if isinstance(command, (ast.List, ast.Tuple)) and command.elts:
            command = command.elts[0]
        if isinstance(command, ast.JoinedStr) and command.values:  # f"convert {path}"
            command = command.values[0]
        if isinstance(command, ast.Constant) and isinstance(command.value, str) and command.value.strip():
            yield node, command.value.split()[0]


@check("Use a package of Python instead, or name the program under [tool.rules] system-tools in pyproject.toml.")
def test_system_tools_are_declared(project: Project) -> Iterator[Violation]:
    declared = project.pyproject["tool"].get("rules", {}).get("system-tools", [])
    for module in project.modules():
        for node, program in programs(project, module):
            if program not in declared:
                yield module.found(node, f"needs the program `{program}`, which nothing declares")


@check(
    "In package.json: `engines`, one exact version each, and the lock file that the package manager writes beside it."
)
def test_node_packages_are_pinned(project: Project) -> Iterator[Violation]:
    for file in project.files("package.json", "*/package.json"):
        package = json.loads(file.text)
        engines = package.get("engines", {})
        if "node" not in engines:
            yield file.at(file.line_of('"engines"'), "does not say under `engines` which Node.js it needs")
        if not any(name in engines for name in MANAGERS) and "packageManager" not in package:
            yield file.at(file.line_of('"engines"'), "does not say which package manager it needs, under `engines`")
        wanted = {name: version for kind in NODE_DEPENDENCIES for name, version in package.get(kind, {}).items()}
        for name, version in wanted.items():
            if not EXACT.fullmatch(version):
                line = file.line_of(f'"{re.escape(name)}"\\s*:\\s*"{re.escape(version)}"')
                yield file.at(line, f"{name} is not one exact version but {version}")
        yield from out_of_step(project, file, wanted)


def out_of_step(project: Project, file: File, wanted: dict[str, str]) -> Iterator[Violation]:
    """What the lock file that governs a package.json, beside it or above it, says otherwise."""
    folder = Path(file.path).parent
    above = [folder, *folder.parents]
    lock = next((found for at in above for name in NODE_LOCKS if (found := project.file((at / name).as_posix()))), None)
    if lock is None:
        if wanted:
            yield file.at(1, f"has no lock file: {', '.join(NODE_LOCKS)}")
        return
    place = folder.relative_to(Path(lock.path).parent).as_posix()
    locked = locked_versions(lock, place, wanted)
    for name in sorted(wanted.keys() | locked.keys()):
        if wanted.get(name) != locked.get(name):
            line = file.line_of(f'"{re.escape(name)}"\\s*:')
            yield file.at(line, f"{lock.path} is out of step: {name} is {locked.get(name, 'not there')} in it")


def locked_versions(lock: File, place: str, wanted: dict[str, str]) -> dict[str, str]:
    """The versions asked for, as the lock file recorded them, for the package at `place`."""
    if lock.name in {"package-lock.json", "npm-shrinkwrap.json"}:
        entry: dict[str, Any] = json.loads(lock.text).get("packages", {}).get("" if place == "." else place, {})
        return {name: version for kind in NODE_DEPENDENCIES for name, version in entry.get(kind, {}).items()}
    if lock.name == "pnpm-lock.yaml":
        entry = documents(lock)[0].get("importers", {}).get(place, {})
        return {name: item["specifier"] for kind in NODE_DEPENDENCIES for name, item in entry.get(kind, {}).items()}
    # yarn and bun write a name and what was asked for side by side.
    spoken = '"?{name}(@|@npm:|": "){version}\\b' if lock.name == "yarn.lock" else '"{name}": "{version}"'
    return {
        name: version
        for name, version in wanted.items()
        if re.search(spoken.format(name=re.escape(name), version=re.escape(version)), lock.text)
    }

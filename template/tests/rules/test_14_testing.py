"""Rule 14.1: tests at every level, against real services, of every route, and nearly every line."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

from tests.support.rules.check import ROOT, Broken, check
from tests.support.rules.project import Module, Project, Violation, named

LEAST = 80
LEVELS = ("unit", "integration", "e2e")
NEEDS_REASON = {"pytest.skip", "pytest.xfail", "pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"}


@check(f"Set fail_under = {LEAST} or more and branch = true under [tool.coverage] in pyproject.toml.")
def test_coverage_is_demanded(project: Project) -> Iterator[Violation]:
    file = project.known("pyproject.toml")
    coverage = project.pyproject["tool"].get("coverage", {})
    if coverage.get("report", {}).get("fail_under", 0) < LEAST:
        yield file.at(file.line_of(r"^fail_under"), f"less than {LEAST} % of the code has to be tested")
    if not coverage.get("run", {}).get("branch"):
        yield file.at(file.line_of(r"^\[tool\.coverage\.run"), "only lines are counted, not branches")
    if "--cov" not in project.pyproject["tool"]["pytest"]["addopts"]:
        yield file.at(file.line_of(r"^\[tool\.pytest"), "the tests do not count coverage")


@check("Write unit tests, integration tests and end-to-end tests, in the folders of these names.")
def test_tests_have_three_levels(project: Project) -> Iterator[Violation]:
    for level in LEVELS:
        if not any("def test_" in module.text for module in project.modules(f"tests/{level}")):
            yield Violation(f"tests/{level}", 1, f"there is no {level} test")


@check("Write a test that sends the request.")
def test_every_route_is_tested(project: Project) -> Iterator[Violation]:
    file = project.known("openapi.json")
    modules = [module for module in project.modules("tests") if not module.path.startswith("tests/rules/")]
    addresses = cache(_addresses)
    for path in json.loads(file.text)["paths"]:
        steps = ["[^/\\s]+" if step.startswith("{") else re.escape(step) for step in path.split("/")[1:]]
        # Whole, or from any of its steps on, after what a test was told: f"{location}/cancel".
        forms = ["/" + "/".join(steps), *("X/" + "/".join(steps[index:]) for index in range(1, len(steps)))]
        forms = [form for form in forms if re.search(r"/\w", form)]
        asked = re.compile(rf"(?m)(^|[^\w])({'|'.join(forms)})($|[?#\s])")
        spoken = [f"/{step}" for step in path.split("/") if step and not step.startswith("{")]
        # To look for a word is quick, to take a module apart is not: few have to be.
        likely = (module for module in modules if spoken and spoken[-1] in module.text)
        if not any(asked.search(addresses(module)) for module in likely):
            yield file.at(file.line_of(f'^\\s*"{re.escape(path)}"'), f"no test asks for {path}")


def _addresses(module: Module) -> str:
    """Every string of a module on a line of its own, with X for what is inserted."""
    joined = [
        "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        for node in module.all(ast.JoinedStr)
    ]
    return "\n".join([*joined, *(node.value for node in module.all(ast.Constant) if isinstance(node.value, str))])


def marks(module: Module) -> Iterator[ast.expr]:
    """What marks tests: decorators, and the `pytestmark` of a module or class."""
    for owner in module.all(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef):
        yield from owner.decorator_list
    for node in module.all(ast.Assign):
        if named(node.targets[0]) == "pytestmark":
            yield from node.value.elts if isinstance(node.value, (ast.List, ast.Tuple)) else [node.value]


@check('Say why: pytest.skip("needs Docker: install it"), or reason="...".')
def test_no_test_is_skipped_in_silence(project: Project) -> Iterator[Violation]:
    for module in project.modules("tests"):
        if not re.search(r"\bskip|xfail", module.text):
            continue
        for item in marks(module):
            if named(item) in NEEDS_REASON:
                yield module.found(item, f"{named(item)} gives no reason")
        for node in module.all(ast.Call):
            if named(node.func) in NEEDS_REASON:
                given = [word.value for word in node.keywords if word.arg == "reason"]
                given += node.args if named(node.func) in {"pytest.skip", "pytest.xfail", "pytest.mark.skip"} else []
                if not any(not isinstance(reason, ast.Constant) or reason.value for reason in given):
                    yield module.found(node, f"{named(node.func)} gives no reason")


@check(
    "Leave tests/support/network_guard in PYTHONPATH of every process that tests start.",
    at=("../../tests/support/network_guard/sitecustomize.py", "^def guard"),
)
def test_tests_reach_no_network(environment: dict[str, str]) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if "ConnectionForbidden" not in done.stderr:
        raise Broken("a process that a test starts may reach other machines")

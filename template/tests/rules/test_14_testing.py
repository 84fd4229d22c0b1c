"""Rule 14.1: tests at every level, against real services, of every route, and nearly every line."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

from agent_devtools.rules import pipelines, suite
from agent_devtools.rules.check import Broken, check
from agent_devtools.rules.project import ROOT, Module, Project, Violation, named, say
from agent_devtools.rules.routes import Routes
from agent_devtools.rules.scopes import scope_at
from agent_devtools.rules.suite import NO_RUN, can_fail, is_constant, is_skipped, swallowed, written

LEVELS = ("unit", "integration", "e2e")
NO_COVER = re.compile(r"#\s*pragma:\s*no\s*(cover|branch)")
WORKFLOWS = (".github/workflows/*.y*ml", ".gitlab-ci.yml", "azure-pipelines.yml", "Jenkinsfile", ".circleci/config.yml")
NEEDS_REASON = {
    "pytest.importorskip",
    "unittest.skip",
    "unittest.skipIf",
    "unittest.skipUnless",
    "unittest.expectedFailure",
    "pytest.skip",
    "pytest.xfail",
    "pytest.mark.skip",
    "pytest.mark.skipif",
    "pytest.mark.xfail",
}

TAKES_REASON_LAST = NEEDS_REASON - {"pytest.importorskip", "pytest.mark.skipif", "pytest.mark.xfail"}
DOCS = "api_docs.py"  # shows openapi.json, where DOCS_ENABLED is set
PAGE = "chat_page/routes.py"  # constant files, whose addresses contain a digest


@check("Demand 80 % of lines and branches of the whole package; write the test, or an exception with reason and date.")
def test_coverage_is_demanded(project: Project) -> Iterator[Violation]:
    file = project.known("pyproject.toml")
    yield from suite.coverage(project, file)
    options = pipelines.options_of(project.pyproject)
    if not any(option == "--cov" or option.startswith("--cov=") for option in options):
        yield file.at(file.line_of(r"^addopts|^\[tool\.pytest"), "the tests do not count coverage")
    yield from pipelines.option_faults(file, options)


@check("Run every check in CI before a change lands, in .github/workflows or .gitlab-ci.yml, as the template does.")
def test_ci_runs_every_check(project: Project) -> Iterator[Violation]:
    yield from pipelines.missing(project)


@check("Let a check that fails stop the change; where one rule cannot be kept, enter an exception (rules/README.md).")
def test_no_failure_is_forgiven(project: Project) -> Iterator[Violation]:
    yield from pipelines.forgiven(project)


@check("Keep the tools as strict as the template gives them, in pyproject.toml; a single line may have its own `noqa`.")
def test_tools_stay_strict(project: Project) -> Iterator[Violation]:
    file = project.known("pyproject.toml")
    for found in (suite.ruff, suite.mypy, suite.imports):
        yield from found(project, file)
    yield from suite.other_files(project)


@check("Write the test first, in tests/agent: it says what a tool, a route or a task has to do.")
def test_what_you_add_is_tested(project: Project) -> Iterator[Violation]:
    written = [module for module in project.modules(f"{project.package}/agent") if "def " in module.text]
    older = [module for module in project.modules("tests/integration") if module.path.endswith("/test_tools.py")]
    tests = [*project.modules("tests/agent"), *older]  # of the example agent, in projects from before 2.2.0
    if written and not any("def test_" in module.text for module in tests):
        yield written[0].at(1, "tests/agent has no test of what agent/ adds")


@check("Write unit tests, integration tests and end-to-end tests, in the folders of these names.")
def test_tests_have_three_levels(project: Project) -> Iterator[Violation]:
    for level in LEVELS:
        if not any("def test_" in module.text for module in project.modules(f"tests/{level}")):
            yield Violation(f"tests/{level}", 1, say("there is no {level} test", level=level))


@check("Write a test that sends the request.")
def test_every_route_is_tested(project: Project) -> Iterator[Violation]:
    file = project.known("openapi.json")
    modules = [module for module in project.modules("tests") if not module.path.startswith("tests/rules/")]
    addresses = cache(_addresses)
    shown = json.loads(file.text or '{"paths": {}}')["paths"]
    places = {path: (file, file.line_of(f'^\\s*"{re.escape(path)}"')) for path in shown}
    for route in Routes(project).all():
        if project.inside(route.module) in (DOCS, PAGE):
            continue
        if route.path and route.path not in places and route.method != "mount":
            places[route.path] = (route.module, getattr(route.node, "lineno", 1))
    for path, (place, line) in places.items():
        steps = ["[^/\\s]+" if step.startswith("{") else re.escape(step) for step in path.split("/")[1:]]
        # Whole, or from any of its steps on, with a prefix that a test received: f"{location}/cancel".
        forms = ["/" + "/".join(steps), *("X/" + "/".join(steps[index:]) for index in range(1, len(steps)))]
        forms = [form for form in forms if re.search(r"/\w", form)]
        asked = re.compile(rf"(?m)(^|[^\w])({'|'.join(forms)})($|[?#\s])")
        spoken = [f"/{step}" for step in path.split("/") if step and not step.startswith("{")]
        # To look for a word is quick, to take a module apart is not: few have to be.
        likely = (module for module in modules if spoken and spoken[-1] in module.text)
        if not any(asked.search(addresses(module)) for module in likely):
            yield place.at(line, "no test asks for {path}", path=path)


def _addresses(module: Module) -> str:
    """Every string of a module on a line of its own, with X for what is inserted."""
    joined = [
        "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        for node in module.all(ast.JoinedStr)
    ]
    return "\n".join([*joined, *(node.value for node in module.all(ast.Constant) if isinstance(node.value, str))])


def marks(module: Module) -> Iterator[ast.expr]:
    """Yield the marks of tests: decorators, and `pytestmark` of a module or class."""
    for owner in module.all(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef):
        yield from owner.decorator_list
    for node in module.all(ast.Assign):
        if named(node.targets[0]) == "pytestmark":
            yield from node.value.elts if isinstance(node.value, (ast.List, ast.Tuple)) else [node.value]


@check('Say why: pytest.skip("needs Docker: install it"), or reason="...".')
def test_no_test_is_skipped_in_silence(project: Project) -> Iterator[Violation]:
    for module in project.modules("tests"):
        if not re.search(r"skip|xfail|expectedFailure|collect_ignore|__test__", module.text):
            continue
        for item in marks(module):
            if found := project.flow.origins(item) & NEEDS_REASON:
                yield module.found(item, "{name} gives no reason", name=min(found))
        for node in module.all(ast.Call):
            found = project.flow.origins(node.func) & NEEDS_REASON
            given = [word.value for word in node.keywords if word.arg in {"reason", "msg"}]
            given += node.args[-1:] if found & TAKES_REASON_LAST else []
            if found and not any(not isinstance(reason, ast.Constant) or reason.value for reason in given):
                yield module.found(node, "{name} gives no reason", name=min(found))
        for statement in module.all(ast.Assign):
            for name in {named(target) for target in statement.targets} & NO_RUN:
                yield module.found(statement, "{name} keeps tests from being found", name=name)


@check("Assert what the test is named for: what is there after the call, or what it raises.")
def test_every_test_can_fail(project: Project) -> Iterator[Violation]:
    for module in project.modules("tests"):
        if module.path.startswith("tests/rules/"):
            continue  # checks yield what they find
        asserts = list(module.all(ast.Assert))
        asserting = {
            id(scope.node) for each in asserts if (scope := scope_at(each).function) and not is_constant(each.test)
        }
        for node in written(module):
            if id(node) not in asserting and not is_skipped(node) and not can_fail(project, node):
                yield module.found(node, "{name} asserts nothing", name=node.name)
        for each in asserts:
            if is_constant(each.test):
                yield module.found(each, "asserts what is always so")
        for handler in swallowed(module):
            yield module.found(handler, "lets a failed assertion pass")


@check("Take the mark off, or give CI a job that runs the tests with it: `uv run pytest -m <mark>`.")
def test_every_mark_is_run(project: Project) -> Iterator[Violation]:
    options = " ".join(map(str, project.pyproject["tool"]["pytest"].get("addopts", ())))
    jobs = [line for file in project.files(*WORKFLOWS) for line in file.lines if "pytest" in line]
    for mark in re.findall(r"not (\w+)", options) if jobs else ():
        running = [line for line in jobs if re.search(rf"-m[ =]?[\"']?(?!not\b).*\b{mark}\b", line)]
        folders = tuple(folder for line in running for folder in re.findall(r"\btests/\S+", line) or ["tests/"])
        for module in project.modules("tests"):
            if mark not in module.text or module.path.startswith(folders):
                continue
            for node in module.all(ast.Attribute):
                if node.attr == mark and named(node.value) == "pytest.mark":
                    yield module.found(node, "no job runs what is marked {mark}", mark=mark)


@check("Write a test that gets there; what no test can reach is left out under [tool.coverage.report] exclude_also.")
def test_no_line_is_left_out_of_coverage(project: Project) -> Iterator[Violation]:
    for module in project.modules():
        for number, line in enumerate(module.lines, 1) if "pragma" in module.text else ():
            if NO_COVER.search(line) and "TYPE_CHECKING" not in line:
                yield module.at(number, "is left out of coverage")


@check(
    "Leave devtools/agent_devtools/network_guard in PYTHONPATH of every process that tests start.",
    at=("../../devtools/agent_devtools/network_guard/sitecustomize.py", "^def guard"),
)
def test_tests_reach_no_network(environment: dict[str, str]) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if "ConnectionForbidden" not in done.stderr:
        raise Broken("a process that a test starts may reach other machines")

"""Finds weak configuration of tools in pyproject.toml, and tests that cannot fail (rule 14.1)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from .project import File, Module, Project, Violation, named

LEAST = 80
# Ruff's families that rules rely on: errors, bugs, security, blocking calls, blind excepts, print, bare noqa.
FAMILIES = ("ASYNC", "B", "BLE", "E", "F", "PGH", "S", "T20")
# Ordinary code: a coverage exclusion that matches one of these lines is too broad.
ORDINARY = """\
@router.get("/planted")
@toolset.tool
async def planted(value):
def planted(value):
class Planted:
if value:
for item in values:
except ValueError:
    value = 1
    await value()
    return value
    raise ValueError(value)
""".splitlines()
LOOSENED = ("ignore_errors", "ignore_missing_imports")
STRICT = ("disallow_untyped_defs", "check_untyped_defs", "strict_optional", "disallow_any_generics")
# Files that tools read instead of pyproject.toml.
ELSEWHERE = {
    **dict.fromkeys(("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"), "pytest"),
    **dict.fromkeys(("mypy.ini", ".mypy.ini"), "mypy"),
    **dict.fromkeys(("ruff.toml", ".ruff.toml"), "ruff"),
    ".coveragerc": "coverage",
    ".importlinter": "import-linter",
}
# Names of functions that may fail a test.
CHECKS = re.compile(
    r"(?i)^_?(assert|skip$|xfail$|check|expect|verify|raises|warns|fail|wait|validate|must|compare|ensure|see|deprecated)"
)
SKIPS = ("skip", "skipif", "xfail")
NO_RUN = {"collect_ignore", "collect_ignore_glob", "__test__"}


def coverage(project: Project, file: File) -> Iterator[Violation]:
    """Yield coverage settings that do not require it for the whole package."""
    settings = project.pyproject["tool"].get("coverage", {})
    report, run = (settings.get(name, {}) for name in ("report", "run"))
    if report.get("fail_under", 0) < LEAST:
        line = file.line_of(r"^fail_under" if "fail_under" in report else r"^\[tool\.coverage\.report")
        yield file.at(line, "less than 80 % of the code has to be tested")
    if not run.get("branch"):
        line = file.line_of(r"^branch" if "branch" in run else r"^\[tool\.coverage\.run")
        yield file.at(line, "only lines are counted, not branches")
    package = project.package.removeprefix("src/")
    sources = [*run.get("source_pkgs", []), *run.get("source", [])]
    if sources and not {package, "src", ".", project.package}.intersection(sources):
        yield file.at(file.line_of(r"^source"), "coverage counts a part of the package only")
    for key in ("omit", "include"):
        for pattern in [*run.get(key, []), *report.get(key, [])]:
            if key == "include" or _is_of(project, str(pattern)):
                yield file.at(_line(file, key, str(pattern)), "coverage leaves `{pattern}` out", pattern=pattern)
    for key in ("exclude_also", "exclude_lines", "partial_also"):
        for pattern in report.get(key, []):
            if any(re.search(str(pattern), line) for line in ORDINARY):
                message = "coverage leaves out every line like `{pattern}`"
                yield file.at(_line(file, key, str(pattern)), message, pattern=pattern)


def _is_of(project: Project, pattern: str) -> bool:
    """Whether a file pattern matches code of the package."""
    forms = {pattern, f"*/{pattern}", f"{pattern.rstrip('/')}/*", f"*/{pattern.rstrip('/')}/*"}
    return any(fnmatchcase(module.path, form) for module in project.modules() for form in forms)


def _line(file: File, key: str, value: str) -> int:
    """Return the line of a value in a list, or of its key."""
    quoted = value.encode("unicode_escape").decode()
    for number, line in enumerate(file.lines, 1):
        if f'"{quoted}"' in line or f"'{value}'" in line:
            return number
    return file.line_of(rf"^(?:{key})\b")


def other_files(project: Project) -> Iterator[Violation]:
    """Yield files that a tool reads instead of pyproject.toml."""
    for path, tool in ELSEWHERE.items():
        if file := project.file(path):
            yield file.at(1, "takes the place of what pyproject.toml says to {tool}", tool=tool)
    for file in project.files("setup.cfg", "tox.ini"):
        for number, line in enumerate(file.lines, 1):
            if found := re.match(r"\[(tool:pytest|pytest|coverage:\w+|mypy)\]", line):
                yield file.at(number, "takes the place of what pyproject.toml says to {tool}", tool=found[1])


def ruff(project: Project, file: File) -> Iterator[Violation]:
    settings = project.pyproject["tool"].get("ruff", {})
    lint = settings.get("lint", {})
    selected = {*lint.get("select", ["E", "F"]), *lint.get("extend-select", [])}
    for family in FAMILIES:
        if not {"ALL", family, family.rstrip("0123456789")}.intersection(selected):
            message = "ruff does not look for {family}"
            yield file.at(file.line_of(r"^select\b|^\[tool\.ruff\.lint\]"), message, family=family)
    for key in ("ignore", "extend-ignore"):
        for family in {"ALL", *FAMILIES}.intersection(lint.get(key, [])):
            yield file.at(_line(file, key, family), "ruff ignores all of {family}", family=family)
    yield from _per_file(project, file, lint)
    for key in ("exclude", "extend-exclude"):
        for pattern in [*settings.get(key, []), *lint.get(key, [])]:
            if _is_of(project, pattern) or pattern.strip("/*") in {"src", "tests", project.package}:
                yield file.at(_line(file, key, pattern), "ruff does not look at {pattern}", pattern=pattern)


def _per_file(project: Project, file: File, lint: dict[str, Any]) -> Iterator[Violation]:
    for table in ("per-file-ignores", "extend-per-file-ignores"):
        for pattern, ignored in lint.get(table, {}).items():
            for family in {"ALL", *FAMILIES}.intersection(ignored) if _is_broad(project, pattern) else ():
                message = "ruff ignores all of {family} in {pattern}"
                yield file.at(_line(file, table, pattern), message, family=family, pattern=pattern)


def _is_broad(project: Project, pattern: str) -> bool:
    """Whether a pattern matches more than one module of the package."""
    forms = (pattern, f"*/{pattern}")
    matching = [module.path for module in project.modules() if any(fnmatchcase(module.path, form) for form in forms)]
    return len({path.rpartition("/")[0] for path in matching}) > 2


def mypy(project: Project, file: File) -> Iterator[Violation]:
    settings: dict[str, Any] = project.pyproject["tool"].get("mypy", {})
    if not settings.get("strict"):
        line = file.line_of(r"^strict\b.*false" if "strict" in settings else r"^\[tool\.mypy\]")
        yield file.at(line, "mypy is not strict")
    for name in (*LOOSENED, *STRICT):
        if settings.get(name) is (name in LOOSENED):
            yield file.at(file.line_of(rf"^{name}\b"), "`{name}` makes mypy less strict", name=name)
    checked = {"src" if name == project.package else name for name in _listed(settings, "files")}
    for wanted in {"src", "tests"} - checked if "." not in checked else ():
        yield file.at(file.line_of(r"^files\b"), "mypy does not look at {pattern}", pattern=wanted)
    ours = ("src/", "devtools/", "tests/")
    looked_at = [path for path in project.paths if path.endswith(".py") and path.startswith(ours)]
    for pattern in _listed(settings, "exclude"):
        if any(re.search(pattern, path) for path in looked_at):
            yield file.at(file.line_of(r"^exclude\b"), "mypy does not look at {pattern}", pattern=pattern)
    own = {project.package.removeprefix("src/"), "tests", "*"}
    for override in settings.get("overrides", []):
        named = next((name for name in _listed(override, "module") if name.split(".")[0] in own), "")
        if named and (override.get("ignore_errors") or override.get("follow_imports") == "skip"):
            yield file.at(_line(file, "module", named), "mypy ignores every error in {pattern}", pattern=named)


def _listed(table: dict[str, Any], key: str) -> list[str]:
    given = table.get(key, [])
    return [given] if isinstance(given, str) else list(map(str, given))


def imports(project: Project, file: File) -> Iterator[Violation]:
    """Yield missing contracts of import-linter, and rules that deptry ignores entirely."""
    tools = project.pyproject["tool"]
    contracts = {contract.get("id"): contract for contract in tools.get("importlinter", {}).get("contracts", [])}
    for name in ("layers", "drivers"):
        if name not in contracts:
            line = file.line_of(r"^\[tool\.importlinter")
            yield file.at(line, "the contract {name} of import-linter is gone", name=name)
    package = project.package.removeprefix("src/")
    for contract in contracts.values():
        for ignored in contract.get("ignore_imports", []):
            importer = ignored.partition("->")[0].strip()
            if importer in {"*", "**", package, f"{package}.*", f"{package}.**"}:
                message = "import-linter ignores `{text}`, whichever module it is"
                yield file.at(_line(file, "ignore_imports", ignored), message, text=ignored)
    for code in tools.get("deptry", {}).get("ignore", []):
        yield file.at(_line(file, "ignore", code), "deptry ignores all of {code}", code=code)
    for pattern in [*tools.get("deptry", {}).get("exclude", []), *tools.get("deptry", {}).get("extend_exclude", [])]:
        if any(re.match(pattern, path) for path in project.paths if path.startswith(f"{project.package}/")):
            line = _line(file, "exclude|extend_exclude", pattern)
            yield file.at(line, "deptry does not look at {pattern}", pattern=pattern)


def written(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in module.all(ast.FunctionDef, ast.AsyncFunctionDef):
        if node.name.startswith("test_") and not any("fixture" in ast.unparse(item) for item in node.decorator_list):
            yield node


def is_skipped(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    marks = [named(item.func if isinstance(item, ast.Call) else item) for item in node.decorator_list]
    return any(mark.rpartition(".")[2] in SKIPS for mark in marks)


def can_fail(project: Project, node: ast.AST, depth: int = 0) -> bool:
    """Whether a test, or a test helper it calls, has an assertion that can fail."""
    for part in ast.walk(node):
        if isinstance(part, ast.Assert) and not is_constant(part.test):
            return True
        if isinstance(part, ast.Raise):
            return True
        if isinstance(part, ast.Call):
            name = part.func.attr if isinstance(part.func, ast.Attribute) else named(part.func)
            if CHECKS.match(name) or (depth < 3 and _helper_can_fail(project, part, depth)):
                return True
    return False


def _helper_can_fail(project: Project, call: ast.Call, depth: int) -> bool:
    for origin in project.flow.origins(call.func):
        for _, bindings in project.flow.definitions(origin):
            for binding in bindings:
                if binding.kind == "def" and origin.startswith("tests.") and can_fail(project, binding.node, depth + 1):
                    return True
    return False


def is_constant(test: ast.expr) -> bool:
    """Whether an assertion is always true: `assert True`, `assert x == x`, `assert (x, "why")`."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, (ast.Tuple, ast.List, ast.Dict, ast.JoinedStr, ast.Lambda)):
        return bool(getattr(test, "elts", True))
    reflexive = (ast.Eq, ast.Is, ast.GtE, ast.LtE)
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], reflexive):
        again = any(isinstance(part, (ast.Call, ast.Await)) for part in ast.walk(test))
        return not again and ast.dump(test.left) == ast.dump(test.comparators[0])
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        return any(is_constant(part) for part in test.values)
    return False


def swallowed(module: Module) -> Iterator[ast.ExceptHandler]:
    """Yield handlers that swallow a failed assertion."""
    for node in module.all(ast.Try):
        if not any(isinstance(each, ast.Assert) for body in node.body for each in ast.walk(body)):
            continue
        for handler in node.handlers:
            caught = ast.unparse(handler.type) if handler.type else "BaseException"
            wide = {"AssertionError", "Exception", "BaseException"} & set(re.findall(r"\w+", caught))
            if wide and all(isinstance(each, (ast.Pass, ast.Return, ast.Continue, ast.Expr)) for each in handler.body):
                yield handler

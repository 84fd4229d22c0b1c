"""Tests as they are written (rule 14.1): whether one can fail, and whether one is ever run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .project import Module, Project, named

CHECKS = re.compile(
    r"(?i)^_?(assert|skip$|xfail$|check|expect|verify|raises|warns|fail|wait|validate|must|compare|ensure|see|deprecated)"
)
SKIPS = ("skip", "skipif", "xfail")
NO_RUN = {"collect_ignore", "collect_ignore_glob", "__test__"}


def written(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in module.all(ast.FunctionDef, ast.AsyncFunctionDef):
        if node.name.startswith("test_") and not any("fixture" in ast.unparse(item) for item in node.decorator_list):
            yield node


def is_skipped(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    marks = [named(item.func if isinstance(item, ast.Call) else item) for item in node.decorator_list]
    return any(mark.rpartition(".")[2] in SKIPS for mark in marks)


def can_fail(project: Project, node: ast.AST, depth: int = 0) -> bool:
    """Whether a test, or a function of the tests that it calls, asserts anything that is not always so."""
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
    if (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], (ast.Eq, ast.Is, ast.GtE, ast.LtE))
    ):
        again = any(isinstance(part, (ast.Call, ast.Await)) for part in ast.walk(test))
        return not again and ast.dump(test.left) == ast.dump(test.comparators[0])
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        return any(is_constant(part) for part in test.values)
    return False


def swallowed(module: Module) -> Iterator[ast.ExceptHandler]:
    """Handlers that keep a failed assertion from failing the test."""
    for node in module.all(ast.Try):
        if not any(isinstance(each, ast.Assert) for body in node.body for each in ast.walk(body)):
            continue
        for handler in node.handlers:
            caught = ast.unparse(handler.type) if handler.type else "BaseException"
            wide = {"AssertionError", "Exception", "BaseException"} & set(re.findall(r"\w+", caught))
            if wide and all(isinstance(each, (ast.Pass, ast.Return, ast.Continue, ast.Expr)) for each in handler.body):
                yield handler

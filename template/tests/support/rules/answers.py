"""The texts of errors in answers to clients (rule 13.1)."""

from __future__ import annotations

import ast

from .project import Project, named
from .scopes import scope_at


def tells_error(project: Project, node: ast.AST) -> bool:
    """Whether an answer contains the text of an error that this project has not written."""
    for part in ast.walk(node):
        values = project.flow.assigned(part) if isinstance(part, ast.Name) else []
        if any(_is_error(project, each) for each in [part, *values]):
            return True
    return False


def _is_error(project: Project, node: ast.AST) -> bool:
    """Whether an expression is the text of an error that this project has not written."""
    if isinstance(node, ast.Call) and "traceback.format_exc" in project.flow.origins(node.func):
        return True
    shown: ast.expr | None = None
    if isinstance(node, ast.Call) and named(node.func) in {"str", "repr"} and node.args:
        shown = node.args[0]
    elif isinstance(node, ast.FormattedValue) or (isinstance(node, ast.Attribute) and node.attr == "args"):
        shown = node.value
    if not isinstance(shown, ast.Name):
        return False
    found = scope_at(shown).find(shown.id)
    if found is None or not any(binding.kind == "caught" for binding in found[1]):
        return False
    own = project.package.removeprefix("src/") + "."
    return not all(origin.startswith(own) for origin in project.flow.origins(shown))

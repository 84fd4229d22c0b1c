"""The texts of errors in answers to clients (rule 13.1)."""

from __future__ import annotations

import ast

from .project import Project, named
from .scopes import scope_at


def tells_error(project: Project, node: ast.AST) -> bool:
    """Whether an answer contains the text of an error that this project has not written."""
    return any(_is_error(project, part) for part in ast.walk(node)) or (
        isinstance(node, ast.Name) and any(tells_error(project, value) for value in project.flow.assigned(node))
    )


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

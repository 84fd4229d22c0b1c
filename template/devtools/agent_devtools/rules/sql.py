"""Finds SQL statements that are built from strings (rule 13.1)."""

from __future__ import annotations

import ast
import re

from .flow import HOLE
from .project import Project
from .scopes import scope_at

SQL = re.compile(
    r"\s*(?:WITH\b.+\bAS\b.*|SELECT\b.+\bFROM\b|INSERT\s+INTO\b|UPDATE\b.+\bSET\b|DELETE\s+FROM\b|MERGE\s+INTO\b"
    r"|(?:CREATE|ALTER|DROP|TRUNCATE)\s+(?:TABLE|INDEX|VIEW|SCHEMA|TYPE)\b|SET\s+(?:LOCAL\s+)?\w+\s*=)",
    re.DOTALL,
)


def built(project: Project, node: ast.expr) -> list[ast.expr]:
    """Return the expressions that build a statement, unless it is constant."""
    if is_built(project, node):
        return [node]
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return []
    assigned = project.flow.assigned(node)
    if not any(SQL.match(text.upper()) for text in project.flow.texts(node)):
        return []
    added: list[ast.expr] = [
        value for value in assigned if isinstance(value, ast.Name) and HOLE in "".join(project.flow.texts(node))
    ]
    return [value for value in assigned if is_built(project, value)] or added


def is_built(project: Project, node: ast.expr) -> bool:
    """Whether a string is built from parts that are not constant."""
    if isinstance(node, ast.Call):
        joins = isinstance(node.func, ast.Attribute) and node.func.attr in {"format", "join", "replace"}
        parts = [*node.args, *(word.value for word in node.keywords)] if joins else []
        return any(not _is_constant(project, part) for part in parts)
    if isinstance(node, ast.JoinedStr):
        return any(
            not _is_constant(project, part.value) for part in node.values if isinstance(part, ast.FormattedValue)
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mod)):
        sides = [node.left, node.right]
        texts = any(project.flow.texts(side) for side in sides)
        return texts and any(not _is_constant(project, side) for side in sides)
    return False


def _is_constant(project: Project, node: ast.expr) -> bool:
    """Whether all values of an expression are known constants; those of parameters are not."""
    if isinstance(node, ast.Name):
        found = scope_at(node).find(node.id)
        if found is None or any(binding.kind in {"argument", "item"} for binding in found[1]):
            return False
    if isinstance(node, (ast.Tuple, ast.List)):
        return all(_is_constant(project, part) for part in node.elts)
    values = project.flow.values(node)
    return bool(values) and not any(HOLE in str(value) for value in values)

"""Keeps imports in the order of ruff's defaults in files that had it, after modules got other names."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from imports import Alias, statement

if TYPE_CHECKING:
    from collections.abc import Iterator

Statement = ast.Import | ast.ImportFrom
Key = tuple[Any, ...]


def tidy(before: bytes, after: bytes) -> bytes:
    """The file after its imports were rewritten, in order if it was in order before."""
    try:
        return arrange(after) if arrange(before) == before else after
    except (SyntaxError, ValueError):
        return after


def arrange(data: bytes) -> bytes:
    """Sort and merge each block of imports that has no comment in it."""
    text = data.decode()
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.split(newline)
    for block in sorted(blocks(ast.parse(data)), key=lambda block: -block[0].lineno):
        start, end = block[0].lineno - 1, block[-1].end_lineno or 0
        old = lines[start:end]
        if not any("#" in line or ";" in line for line in old):
            indent = " " * block[0].col_offset
            new = newline.join(indent + line for line in rendered(block, old, start, indent, newline))
            lines[start:end] = new.split(newline)
    return newline.join(lines).encode()


def blocks(tree: ast.AST) -> Iterator[list[Statement]]:
    """Imports on lines that follow each other."""
    for node in ast.walk(tree):
        for _, body in ast.iter_fields(node):
            block: list[Statement] = []
            for inner in body if isinstance(body, list) else []:
                here = isinstance(inner, (ast.Import, ast.ImportFrom))
                if block and not (here and inner.lineno == (block[-1].end_lineno or 0) + 1):
                    yield block
                    block = []
                if here:
                    block.append(inner)
            if block:
                yield block


def rendered(block: list[Statement], old: list[str], start: int, indent: str, newline: str) -> list[str]:
    """The statements of a block in order, those of one module as one."""
    found: dict[Key, str] = {}
    plain: dict[str, dict[str, None]] = {}
    long = set()
    for node in block:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = Alias(alias.name, alias.asname)
                found[0, *module_key(alias.name), alias.asname or ""] = f"import {name}"
            continue
        source = "." * node.level + (node.module or "")
        if old[(node.end_lineno or 0) - 1 - start].strip() == ")" and old[(node.end_lineno or 0) - 2 - start].endswith(
            ","
        ):
            long.add(source)
        for alias in node.names:
            if alias.asname:
                line = statement(source, [Alias(alias.name, alias.asname)], indent, newline)
                found[1, *module_key(source), member_key(alias.name), alias.asname] = line
            else:
                plain.setdefault(source, {})[alias.name] = None
    for source, names in plain.items():
        ordered = [Alias(name, None) for name in sorted(names, key=member_key)]
        line = statement(source, ordered, indent, newline, room=0 if source in long else 120)
        found[1, *module_key(source), member_key(ordered[0].name), ""] = line
    return [found[key] for key in sorted(found)]


def natural(name: str) -> Key:
    """A name for comparison, in which numbers count as such."""
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part)


def module_key(source: str) -> Key:
    """The place of a module: relative ones first, the furthest before the nearest."""
    name = source.lstrip(".")
    return len(name) - len(source), natural(name.lower()), natural(name)


def member_key(name: str) -> Key:
    """The place of a name in a statement: constants, classes, then all else."""
    kind = 0 if len(name) > 1 and name.isupper() else 1 if name[:1].isupper() else 2
    return kind, natural(name.lower()), natural(name)

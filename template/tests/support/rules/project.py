"""The project as the checks read it: files, modules as syntax trees, settings, YAML with line numbers."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, overload

A = TypeVar("A", bound=ast.AST)
B = TypeVar("B", bound=ast.AST)
C = TypeVar("C", bound=ast.AST)
LEAVES = {ast.Constant, ast.Name}
PLAIN = {int, str, type(None), ast.Load, ast.Store, ast.Del}  # values of fields that are no nodes to look at
IGNORED = {"node_modules", "__pycache__", "build", "dist", "htmlcov"}


@dataclass(frozen=True, slots=True)
class Violation:
    """What breaks a rule, and where. `path` is relative to the project; `line` counts from 1."""

    path: str
    line: int
    message: str


class File:
    """A text file of the project."""

    def __init__(self, root: Path, path: str) -> None:
        self.path = path
        self.absolute = root / path

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @cached_property
    def text(self) -> str:
        return self.absolute.read_text("utf-8")

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def at(self, line: int, message: str) -> Violation:
        return Violation(self.path, max(1, line), message)

    def line_of(self, pattern: str) -> int:
        """The first line that the regular expression is found in, or 1."""
        return next((number for number, line in enumerate(self.lines, 1) if re.search(pattern, line)), 1)


class Module(File):
    """A Python file."""

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return walk(self.tree)

    @cached_property
    def _by_kind(self) -> dict[type[ast.AST], list[ast.AST]]:
        found: dict[type[ast.AST], list[ast.AST]] = {}
        for node in self.nodes:
            found.setdefault(type(node), []).append(node)
        return found

    @overload
    def all(self, one: type[A], /) -> Iterator[A]: ...
    @overload
    def all(self, one: type[A], other: type[B], /) -> Iterator[A | B]: ...
    @overload
    def all(self, one: type[A], other: type[B], third: type[C], /) -> Iterator[A | B | C]: ...
    def all(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        """The nodes of these kinds. Every node is looked at once, however many checks ask."""
        for kind in kinds:
            yield from self._by_kind.get(kind, ())

    def found(self, node: ast.AST, message: str) -> Violation:
        return self.at(getattr(node, "lineno", 1), message)

    @cached_property
    def docstrings(self) -> set[int]:
        """The ids of the nodes that are docstrings."""
        owners = [self.tree, *self.all(ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)]
        bodies = [node.body for node in owners if node.body]
        return {id(body[0].value) for body in bodies if isinstance(body[0], ast.Expr)}

    @cached_property
    def texts(self) -> list[tuple[ast.Constant, str]]:
        """Each string but the docstrings."""
        return [
            (node, node.value)
            for node in self.all(ast.Constant)
            if isinstance(node.value, str) and id(node) not in self.docstrings
        ]

    @cached_property
    def imports(self) -> list[tuple[ast.AST, str]]:
        """Each absolute import: where it stands, and the dotted name."""
        found: list[tuple[ast.AST, str]] = []
        for node in self.all(ast.Import):
            found += [(node, alias.name) for alias in node.names]
        for origin in self.all(ast.ImportFrom):
            found += [(origin, f"{origin.module}.{alias.name}") for alias in origin.names if not origin.level]
        return found

    @cached_property
    def _origins(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for node in self.all(ast.Import, ast.ImportFrom):
            prefix = "" if isinstance(node, ast.Import) else "." * node.level + (node.module or "") + "."
            for alias in node.names:
                if alias.asname or prefix:
                    found[alias.asname or alias.name] = prefix + alias.name
        return found

    def origin(self, node: ast.AST) -> str:
        """The dotted name that an expression is, from where its first part was imported: `run` is `subprocess.run`."""
        first, dot, rest = named(node).partition(".")
        return self._origins.get(first, first) + dot + rest


class Project:
    """All files but those of tools and environments."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def paths(self) -> list[str]:
        return sorted(self._walk(self.root))

    def _walk(self, folder: Path) -> Iterator[str]:
        for entry in os.scandir(folder):
            if entry.is_symlink():
                continue
            if entry.is_file():
                yield Path(entry.path).relative_to(self.root).as_posix()
            elif (
                entry.name not in IGNORED
                and (not entry.name.startswith(".") or entry.name == ".github")
                and not Path(entry.path, "pyvenv.cfg").exists()
            ):
                yield from self._walk(Path(entry.path))

    def files(self, *patterns: str) -> list[File]:
        """The files whose paths fit one of the patterns; `*` goes across folders."""
        return [File(self.root, path) for path in self.paths if any(fnmatchcase(path, item) for item in patterns)]

    def file(self, path: str) -> File | None:
        return File(self.root, path) if path in self.paths else None

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        return tomllib.loads((self.root / "pyproject.toml").read_text("utf-8"))

    @cached_property
    def package(self) -> str:
        """The path of the package, such as src/order_desk."""
        name: str = self.pyproject["tool"]["uv"]["build-backend"]["module-name"]
        return f"src/{name}"

    @cached_property
    def _modules(self) -> list[Module]:
        return [Module(self.root, path) for path in self.paths if path.endswith(".py")]

    def modules(self, *folders: str) -> list[Module]:
        """The Python files in the folders, or in the package when none is named."""
        wanted = tuple(f"{folder}/" for folder in folders or (self.package,))
        return [module for module in self._modules if module.path.startswith(wanted)]

    def module(self, path: str) -> Module:
        """A Python file of the package."""
        return next(module for module in self._modules if module.path == f"{self.package}/{path}")

    @cached_property
    def settings(self) -> dict[str, tuple[Module, ast.AnnAssign]]:
        """Every setting by its name, and where it is declared."""
        return {
            item.target.id: (module, item)
            for module in self.modules()
            for node in module.tree.body
            if isinstance(node, ast.ClassDef) and node.name.endswith("Settings")
            for item in node.body
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.target.id.isupper()
        }


def walk(tree: ast.AST) -> list[ast.AST]:
    """`ast.walk` in a third of its time, without the nodes that only say whether a name is read or set."""
    nodes = [tree]
    for node in nodes:  # which grows meanwhile
        if type(node) in LEAVES:
            continue
        for name in node._fields:
            value = getattr(node, name)
            kind = type(value)
            if kind is list:
                nodes += [item for item in value if isinstance(item, ast.AST)]
            elif kind not in PLAIN:
                nodes.append(value)
    return nodes


def named(node: ast.AST) -> str:
    """The dotted name that an expression is, such as `os.environ`; nothing for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := named(node.value)):
        return f"{before}.{node.attr}"
    return ""

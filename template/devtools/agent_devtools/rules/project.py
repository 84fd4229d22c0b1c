"""The project as checks see it: its tracked files, Python modules as syntax trees, settings, and language."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar, overload

import yaml

from .scopes import Binding, Survey, scope_at, survey, targets_of

if TYPE_CHECKING:
    from .flow import Flow

A = TypeVar("A", bound=ast.AST)
B = TypeVar("B", bound=ast.AST)
C = TypeVar("C", bound=ast.AST)
IGNORED = {".git", ".venv", "node_modules", "__pycache__", "build", "dist", "htmlcov"}


def _root() -> Path:
    """Return the project around the working directory, which may be a copy, or the one with this file."""
    around = (Path.cwd(), *Path.cwd().parents)
    found = (folder for folder in around if (folder / "rules").is_dir() and (folder / "tests/rules").is_dir())
    return next(found, Path(__file__).parents[3])


ROOT = _root()
MESSAGES = ROOT / "rules/messages.yaml"


@cache
def _translations() -> dict[str, str]:
    loaded = yaml.load(MESSAGES.read_text("utf-8"), yaml.CSafeLoader) if MESSAGES.exists() else None
    return dict(loaded or {})


def say(message: str, /, **values: object) -> str:
    """Return the message in the project's language, or in English without a translation.

    `values` fill its braces; values that are phrases, such as "no token", are translated too.
    """
    known = _translations()
    given = {name: known.get(value, value) if _is_phrase(value) else value for name, value in values.items()}
    text = known.get(message, message)
    return text.format(**given) if given else text


def _is_phrase(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and " " in value


@dataclass(frozen=True, slots=True)
class Violation:
    """A place that breaks a rule. `path` is relative to the project; `line` starts at 1."""

    path: str
    line: int
    message: str


class Unfinished(Violation):
    """A violation that is normal for work in progress: a warning, but an error if CI is set."""


class File:
    """A text file of the project."""

    def __init__(self, root: Path, path: str, text: str | None = None) -> None:
        self.path = path
        self.absolute = root / path
        self._planted = text

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @cached_property
    def text(self) -> str:
        """The text; invalid UTF-8 becomes replacement characters."""
        return self.absolute.read_text("utf-8", errors="replace") if self._planted is None else self._planted

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def at(self, line: int, message: str, /, **values: object) -> Violation:
        """Return a violation. `message` is translated if rules/ has a translation; `values` fill its braces."""
        return Violation(self.path, max(1, line), say(message, **values))

    def line_of(self, pattern: str) -> int:
        """Return the number of the first line that matches the pattern, or 1."""
        return next((number for number, line in enumerate(self.lines, 1) if re.search(pattern, line)), 1)


class Module(File):
    """A Python file."""

    @cached_property
    def dotted(self) -> str:
        """The name by which the module is imported: order_desk.agent.tools."""
        return self.path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree; empty for invalid code, which the check `code-can-be-parsed` reports."""
        try:
            return ast.parse(self.text, self.path)
        except SyntaxError:
            return ast.Module([], [])

    @cached_property
    def survey(self) -> Survey:
        """The nodes of the syntax tree by kind, and the scopes of its names, from a single walk."""
        package = self.dotted if self.name == "__init__.py" else self.dotted.rpartition(".")[0]
        return survey(self.tree, self.dotted, package)

    @overload
    def all(self, one: type[A], /) -> Iterator[A]: ...
    @overload
    def all(self, one: type[A], other: type[B], /) -> Iterator[A | B]: ...
    @overload
    def all(self, one: type[A], other: type[B], third: type[C], /) -> Iterator[A | B | C]: ...
    def all(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        """Yield the nodes of these kinds."""
        for kind in kinds:
            yield from self.survey.by_kind.get(kind, ())

    @cached_property
    def calls_by_name(self) -> dict[str, list[ast.Call]]:
        """The calls, by the name of the function or method."""
        found: dict[str, list[ast.Call]] = {}
        for call in self.all(ast.Call):
            name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            found.setdefault(name, []).append(call)
        return found

    @cached_property
    def kept(self) -> dict[tuple[int, str], list[Binding]]:
        """The values that methods assign to attributes of `self`, by the `id()` of the class and the attribute."""
        found: dict[tuple[int, str], list[Binding]] = {}
        for node in self.all(ast.Assign, ast.AnnAssign):
            for target in targets_of(node) if node.value else ():
                if isinstance(target, ast.Attribute) and named(target.value) in {"self", "cls"}:
                    function = scope_at(node).function
                    holder = function.parent.node if function and function.parent else None
                    if isinstance(holder, ast.ClassDef) and node.value:
                        found.setdefault((id(holder), target.attr), []).append(Binding("value", node.value))
        return found

    def found(self, node: ast.AST, message: str, /, **values: object) -> Violation:
        """Return a violation at the line of the node."""
        return self.at(getattr(node, "lineno", 1), message, **values)

    @cached_property
    def docstrings(self) -> set[int]:
        """The `id()` of each node that is a docstring."""
        owners = [self.tree, *self.all(ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)]
        bodies = [node.body for node in owners if node.body]
        return {id(body[0].value) for body in bodies if isinstance(body[0], ast.Expr)}

    @cached_property
    def texts(self) -> list[tuple[ast.Constant, str]]:
        """Every string except docstrings."""
        return [
            (node, node.value)
            for node in self.all(ast.Constant)
            if isinstance(node.value, str) and id(node) not in self.docstrings
        ]


class Project:
    """The files that Git tracks or does not ignore; without Git, all but those of tools."""

    def __init__(self, root: Path, planted: Mapping[str, str | None] | None = None) -> None:
        self.root = root
        self._planted = dict(planted or {})
        self._files: dict[str, File] = {}
        self._found: dict[tuple[str, ...], list[File]] = {}

    def planted(self, files: Mapping[str, str | None]) -> Project:
        """Return the project with `files` changed in memory, for tests of checks; `None` removes a file."""
        changed = Project(self.root, {**self._planted, **files})
        changed._files = {path: file for path, file in self._files.items() if path not in files}
        kept = (path for path in self.paths if path not in files)
        changed.paths = sorted([*kept, *(path for path, text in files.items() if text is not None)])
        return changed

    @cached_property
    def paths(self) -> list[str]:
        found = _listed(self.root)
        return sorted(found if "pyproject.toml" in found else _walked(self.root, self.root))

    def _at(self, path: str) -> File:
        if path not in self._files:
            kind = Module if path.endswith(".py") else File
            self._files[path] = kind(self.root, path, self._planted.get(path))
        return self._files[path]

    def files(self, *patterns: str) -> list[File]:
        """Return the files whose paths match one of the patterns; `*` also matches slashes."""
        if patterns not in self._found:
            fitting = re.compile("|".join(translate(pattern) for pattern in patterns)).match
            self._found[patterns] = [self._at(path) for path in self.paths if fitting(path)]
        return list(self._found[patterns])

    def file(self, path: str) -> File | None:
        return self._at(path) if path in self.paths else None

    def known(self, path: str) -> File:
        """Return a file that every project has; empty if it has been deleted."""
        return self.file(path) or File(self.root, path, "")

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        return tomllib.loads(self._at("pyproject.toml").text)

    @cached_property
    def package(self) -> str:
        """The path of the package: src/order_desk."""
        name: str = self.pyproject["tool"]["uv"]["build-backend"]["module-name"]
        return f"src/{name}"

    @cached_property
    def _modules(self) -> list[Module]:
        found = (self._at(path) for path in self.paths if path.endswith(".py"))
        return [file for file in found if isinstance(file, Module)]

    def modules(self, *folders: str) -> list[Module]:
        """Return the Python files in the folders, or in the package by default."""
        wanted = tuple(f"{folder}/" for folder in folders or (self.package,))
        return [module for module in self._modules if module.path.startswith(wanted)]

    def module(self, path: str) -> Module:
        """Return a Python file of the package."""
        return next(module for module in self._modules if module.path == f"{self.package}/{path}")

    def inside(self, module: Module) -> str:
        """Return the path of a module in the package: agent/tools.py."""
        return module.path.removeprefix(f"{self.package}/")

    @cached_property
    def flow(self) -> Flow:
        """The resolver, which follows values through all modules."""
        from .flow import Flow

        return Flow(self._modules)

    @cached_property
    def settings(self) -> dict[str, tuple[Module, ast.AnnAssign]]:
        """The declaration of every setting, by its name."""
        return self.settings_in(self.modules())

    def settings_in(self, modules: list[Module]) -> dict[str, tuple[Module, ast.AnnAssign]]:
        """Return the settings that these modules declare."""
        return {
            item.target.id: (module, item)
            for module in modules
            for node in module.tree.body
            if isinstance(node, ast.ClassDef) and node.name.endswith("Settings")
            for item in node.body
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.target.id.isupper()
        }


def _listed(root: Path) -> list[str]:
    """Return the files that Git tracks or would add; none without a repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return []
    names = sorted(set(filter(None, done.stdout.split("\0"))))
    return [name for name in names if (root / name).is_file() and not (root / name).is_symlink()]


def _walked(root: Path, folder: Path) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.is_symlink() or entry.name in IGNORED or entry.name.endswith("_cache"):
            continue
        if entry.is_file():
            yield Path(entry.path).relative_to(root).as_posix()
        elif not Path(entry.path, "pyvenv.cfg").exists():
            yield from _walked(root, Path(entry.path))


def named(node: ast.AST) -> str:
    """Return the dotted name of an expression, such as `os.environ`; empty for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := named(node.value)):
        return f"{before}.{node.attr}"
    return ""

"""Rewrites a Python file's imports, and all else that names a module, after modules and public names moved.

It finds them in the syntax tree and replaces only these bytes, so that comments, line ends and layout stay.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 120
ROOTS = ("src", "devtools")  # folders from which modules are imported, beside the project's own
DOTTED = re.compile(r"\w+(\.\w+)+(:\w+(\.\w+)*)?")
PRAGMA = re.compile(rb"[ \t]*(#\s*(?:noqa|type:|mypy|pyright|pylint|ruff|isort|nosec)[^\r\n]*)")
BOM = b"\xef\xbb\xbf"

Note = tuple[int, str]
"""A line, and what to do about it."""


@dataclass
class Modules:
    """The modules of a project before a release, and where they and their public names are now."""

    known: set[str]
    moved: dict[str, str]
    names: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Add the packages of all modules, and collect the words by which a file can name what moved."""
        for name in [*self.known, *self.moved, *self.gone, *(name.partition(":")[0] for name in self.names)]:
            parts = name.split(".")
            self.known |= {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
        changed = [*(old for old, new in self.moved.items() if old != new), *self.gone, *self.names]
        self.words = {re.split(r"[.:]", name)[-1].encode() for name in changed}

    def now(self, dotted: str) -> str:
        """The name of a module, or of something in a module, after the move."""
        parts = dotted.split(".")
        for end in range(len(parts), 0, -1):
            if (module := ".".join(parts[:end])) in self.known:
                rest = parts[end:]
                if rest and (found := self.names.get(f"{module}:{rest[0]}")):
                    return ".".join([found.replace(":", "."), *rest[1:]])
                return ".".join([self.moved.get(module, module), *rest])
        return dotted


def module(path: str) -> str:
    """The dotted name of a module, given its path in the project."""
    parts = list(PurePosixPath(path).with_suffix("").parts)
    parts = parts[parts[0] in ROOTS :]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package(path: str) -> str:
    """The dotted name of the package that relative imports start from."""
    name = module(path)
    return name if PurePosixPath(path).name == "__init__.py" else name.rpartition(".")[0]


def relative(target: str, start: str) -> str | None:
    """The relative spelling of a module, or `None` if it has another top-level package."""
    theirs, ours = target.split("."), start.split(".")
    same = 0
    while same < min(len(theirs), len(ours)) and theirs[same] == ours[same]:
        same += 1
    return "." * (len(ours) - same + 1) + ".".join(theirs[same:]) if same else None


def rewrite(data: bytes, before: str, after: str, modules: Modules) -> tuple[bytes, list[Note]]:
    """The file as it has to be at its new path, and notes on what only its owner can rewrite."""
    if before == after and package(before) not in modules.moved and not any(word in data for word in modules.words):
        return data, []
    mark = BOM if data.startswith(BOM) else b""
    text = data.removeprefix(BOM)
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(text).readline)[0]
        if encoding != "utf-8":
            return data, [(1, f"is encoded in {encoding}: check its imports")]
        text.decode()
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as reason:
        return data, [(getattr(reason, "lineno", None) or 1, "cannot be parsed: check its imports")]
    rewriter = Rewriter(text, before, after, modules)
    rewriter.visit(tree)
    result = rewriter.result()
    try:
        ast.parse(result)
    except (SyntaxError, ValueError):
        return data, [(1, "cannot be rewritten safely: check its imports")]
    return mark + result, sorted(set(rewriter.notes))


@dataclass
class Alias:
    """A name of an import statement, with its comments."""

    name: str
    asname: str | None
    above: list[str] = field(default_factory=list)
    beside: str = ""

    def __str__(self) -> str:
        """As in an import statement."""
        return f"{self.name} as {self.asname}" if self.asname and self.asname != self.name else self.name


def statement(source: str, names: list[Alias], indent: str, newline: str, room: int = WIDTH) -> str:
    """An import statement as a formatter would lay it out."""
    commented = any(name.above or name.beside for name in names)
    line = f"from {source} import {', '.join(map(str, names))}"
    if not commented and len(indent) + len(line) <= room:
        return line
    lines = [f"from {source} import ("]
    for name in names:
        lines += [f"{indent}    {comment}" for comment in name.above]
        lines.append(f"{indent}    {name}," * bool(str(name)) + f"  {name.beside}" * bool(name.beside))
    return newline.join([*lines, f"{indent})"])


class Rewriter:
    """The edits of one file."""

    def __init__(self, data: bytes, before: str, after: str, modules: Modules) -> None:
        """Prepare the file at `before` for its place at `after`."""
        self.data, self.modules = data, modules
        self.old_package, self.new_package = package(before), package(after)
        self.starts = [0]
        for line in data.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.edits: dict[tuple[int, int], bytes] = {}
        self.notes: list[Note] = []
        self.imported: set[str] = set()  # by `import a.b`, which binds `a`
        self.bound: dict[str, str] = {}  # local names of modules
        self.joined: set[int] = set()  # nodes in f-strings, whose positions are those of the whole before Python 3.12

    def visit(self, tree: ast.Module) -> None:
        """Find all edits."""
        self._bind(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                self.joined |= {id(inner) for inner in ast.walk(node)}
        for node in outermost(tree):
            if isinstance(node, ast.ImportFrom):
                self._import_from(node)
            elif isinstance(node, ast.Import):
                self._import(node)
            elif isinstance(node, (ast.Attribute, ast.Name)):
                self._chain(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self._string(node, node.value)
            elif isinstance(node, ast.Call):
                self._patch(node)

    def result(self) -> bytes:
        """The file with all edits."""
        data = self.data
        for (start, end), new in sorted(self.edits.items(), reverse=True):
            data = data[:start] + new + data[end:]
        return data

    def source(self, node: ast.ImportFrom) -> str | None:
        """The absolute name of the module that a statement imports from; `None` if it lies above all packages."""
        if not node.level:
            return node.module
        parts = self.old_package.split(".")
        parts = parts[: len(parts) - node.level + 1]
        return ".".join([*parts, *([node.module] if node.module else [])]) if parts and parts[0] else None

    def _bind(self, tree: ast.Module) -> None:
        """Note which local names are modules, and are nothing else anywhere in the file."""
        others = set()
        for node in ast.walk(tree):
            for local, name in self._bindings(node):
                if local == name.partition(".")[0]:
                    self.imported.add(name)
                elif not name or self.bound.setdefault(local, name) != name:
                    others.add(local)
        self.bound = {local: name for local, name in self.bound.items() if local not in others}
        self.imported = {name for name in self.imported if name.partition(".")[0] not in others}

    def _bindings(self, node: ast.AST) -> Iterator[tuple[str, str]]:
        """The local names that a node binds, each with the module that it is, or with nothing if it is none."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], alias.name
        elif isinstance(node, ast.ImportFrom) and (source := self.source(node)):
            for alias in node.names:
                name = f"{source}.{alias.name}"
                yield alias.asname or alias.name, name if name in self.modules.known else ""
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id, ""
        elif isinstance(node, ast.arg):
            yield node.arg, ""
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name, ""

    def _span(self, node: ast.stmt | ast.expr | ast.alias) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset

    def _spell(self, target: str, level: int) -> str:
        """A module as the statement spelled it: relative stays relative if that is possible."""
        return (relative(target, self.new_package) if level else None) or target

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name in self.modules.gone:
                self.notes.append((node.lineno, f"imports {alias.name}, which the template no longer has"))
            if (new := self.modules.now(alias.name)) == alias.name:
                continue
            start, _ = self._span(alias)
            span = start, start + len(alias.name.encode())
            if self.data[span[0] : span[1]] == alias.name.encode():
                self.edits[span] = new.encode()
            else:
                self.notes.append((node.lineno, f"imports {alias.name}, which is now {new}"))

    def _import_from(self, node: ast.ImportFrom) -> None:
        source = self.source(node)
        if source is None or source == "__future__":
            return
        groups: dict[str, list[Alias]] = {}
        same = True
        for alias, written in zip(node.names, self._aliases(node), strict=True):
            name = f"{source}.{alias.name}"
            if {name, source} & self.modules.gone and self.modules.now(name) == name:
                self.notes.append((node.lineno, f"imports {name}, which the template no longer has"))
            if alias.name == "*":
                target = self.modules.now(source)
            else:
                target, _, new = self.modules.now(name).rpartition(".")
                if new != alias.name:
                    written.name, written.asname, same = new, alias.asname or alias.name, False
            if not target:  # a module that is now a top-level one
                self.notes.append((node.lineno, f"imports {name}, which is now {new}"))
                return
            groups.setdefault(self._spell(target, node.level), []).append(written)
        if same and list(groups) == ["." * node.level + (node.module or "")]:
            return
        self._replace(node, groups, same)

    def _aliases(self, node: ast.ImportFrom) -> list[Alias]:
        """The names of a statement with the comments beside and above each."""
        found = [Alias(alias.name, alias.asname) for alias in node.names]
        start, end = self._span(node)
        piece = self.data[start:end].decode()
        if "#" not in piece:
            return found
        for token in tokenize.generate_tokens(io.StringIO(piece).readline):
            if token.type != tokenize.COMMENT:
                continue
            line = node.lineno + token.start[0] - 1
            own_line = not piece.split("\n")[token.start[0] - 1][: token.start[1]].strip()
            beside = [index for index, alias in enumerate(node.names) if alias.end_lineno == line]
            below = [index for index, alias in enumerate(node.names) if alias.lineno > line]
            if beside and not own_line:
                found[beside[-1]].beside = token.string
            else:
                found[below[0] if below else -1].above.append(token.string)
        return found

    def _replace(self, node: ast.ImportFrom, groups: dict[str, list[Alias]], same: bool) -> None:
        """Replace a statement, by its module alone where that is enough."""
        start, end = self._span(node)
        line = self.data[self.starts[node.lineno - 1] : start].decode()
        piece = self.data[start:end].decode()
        newline = "\r\n" if b"\r\n" in self.data[start : self.starts[node.end_lineno or node.lineno]] else "\n"
        if same and len(groups) == 1:
            (target,) = groups
            found = re.match(r"from[.\w\s\\]*?(?<!\w)import\b", piece)
            assert found
            new = f"from {target} import" + ("" if piece[found.end()].isspace() else " ")
            length = len(line) + len(new) + len(piece) - found.end()
            if "\n" in piece or length <= max(WIDTH, len(line) + len(piece)):
                self.edits[start, start + len(found[0].encode())] = new.encode()
                return
        indent = line if not line.strip() else ""
        pragma = PRAGMA.match(self.data, end)
        after = f"  {pragma[1].decode()}" if pragma else ""
        between = "; " if indent != line else f"{after}{newline}{indent}"
        new = between.join(statement(target, names, indent, newline) for target, names in groups.items())
        self.edits[start, end] = new.encode()

    def _chain(self, node: ast.Attribute | ast.Name) -> None:
        """`package.module.name`, by whatever local name the first of them has."""
        nodes: list[ast.Attribute | ast.Name] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            nodes.append(inner)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            return
        nodes = [inner, *reversed(nodes)]
        if not (base := self._base(inner.id)):
            return
        names = [part.attr for part in nodes if isinstance(part, ast.Attribute)]
        whole = self.modules.now(".".join([base, *names]))
        for count in range(len(nodes)):
            old, rest = ".".join([base, *names[:count]]), names[count:]
            new = self.modules.now(old)
            if ".".join([new, *rest]) != whole:
                continue
            written = ".".join([inner.id, *names[:count]])
            spelled = self._reach(inner.id, base, new)
            start, end = self._span(nodes[count])
            if spelled == written or (new == old and inner.id not in self.bound):
                return
            if spelled and re.sub(rb"\s", b"", self.data[start:end]) == written.encode():
                self.edits[start, end] = spelled.encode()
            else:
                self.notes.append((node.lineno, f"uses {old}, which is now {new}"))
            return

    def _reach(self, local: str, base: str, target: str) -> str:
        """How the file can name something now, by the local name or by a module that it imports; empty if it cannot."""
        if local in self.bound:
            now = self.modules.now(base)
            return local + target[len(now) :] if f"{target}.".startswith(f"{now}.") else ""
        imported = {self.modules.now(name) for name in self.imported}
        names = [f"{name}." for name in imported]
        return target if any(name.startswith(f"{target}.") or f"{target}.".startswith(name) for name in names) else ""

    def _base(self, local: str) -> str:
        """The module that a local name stands for, as it was called before; empty if it is none."""
        if any(name.partition(".")[0] == local for name in self.imported):
            return local
        return self.bound.get(local, "")

    def _string(self, node: ast.Constant, value: str) -> None:
        """A string that is a dotted name, as for `monkeypatch.setattr` and entry points."""
        if not DOTTED.fullmatch(value):
            return
        name, colon, attribute = value.partition(":")
        new = self.modules.now(value.replace(":", "."))
        if colon:
            named = self.modules.names.get(f"{name}:{attribute.partition('.')[0]}")
            new_module = named.partition(":")[0] if named else self.modules.now(name)
            new = f"{new_module}:{new.removeprefix(new_module + '.')}"
        if new == value:
            return
        start, end = self._span(node)
        piece = self.data[start:end]
        if id(node) not in self.joined and piece.count(value.encode()) == 1:
            self.edits[start, end] = piece.replace(value.encode(), new.encode())
        else:
            self.notes.append((node.lineno, f"names {value}, which is now {new}"))

    def _patch(self, node: ast.Call) -> None:
        """`setattr(module, "name", ...)` and the like, where the name is another one now."""
        match node.args:
            case [ast.Name(id=local), ast.Constant(value=str(name)) as constant, *_] if name.isidentifier():
                base = self.bound.get(local)
            case _:
                return
        if not base or (new := self.modules.now(f"{base}.{name}")) == f"{self.modules.now(base)}.{name}":
            return
        target, _, new_name = new.rpartition(".")
        start, end = self._span(constant)
        piece = self.data[start:end]
        if target == self.modules.now(base) and piece.count(name.encode()) == 1:
            self.edits[start, end] = piece.replace(name.encode(), new_name.encode())
        else:
            self.notes.append((node.lineno, f"names {base}.{name}, which is now {new}"))


def outermost(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes, without those within a chain of attributes of a name."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        inner = node
        while isinstance(inner, ast.Attribute):
            inner = inner.value
        if not (isinstance(node, ast.Attribute) and isinstance(inner, ast.Name)):
            waiting.extend(ast.iter_child_nodes(node))

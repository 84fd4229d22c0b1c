"""Carries an owner's work along when files move: in the project, and in Copier's rendering of the old version.

Copier merges three versions of each path: the old rendering, the project, and the new rendering. Here the first two get
the paths and imports of the third, so that the merge of a moved file is an ordinary one.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from import_order import tidy
from imports import Modules, module, rewrite
from moves import Table, table
from project import Project, Tree, UpdateError, answers, old_rendering, write

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    Amend = Callable[[str, bytes | None], bytes | None]
    Reword = Callable[[str, bytes, Collection[str]], bytes]


QUIET = (".lock", "-lock.json", ".copier-answers.yml")  # generated: nobody corrects a name there


@dataclass
class Plan:
    """The changes of one tree, complete before anything is written."""

    written: dict[str, bytes] = field(default_factory=dict)
    linked: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    """A target's first source, whose mode it gets."""
    notes: dict[tuple[str, int], str] = field(default_factory=dict)


@dataclass
class Renaming:
    """The new paths of files, and the new names of modules in each file."""

    places: dict[str, str]
    table: Table
    agent: str
    """The folder in which the facade's names apply."""
    everywhere: Modules
    inside: Modules
    templates: set[str]
    """The files that the template rendered."""

    def modules(self, path: str) -> Modules:
        """Return the modules as the file names them."""
        return self.inside if path.startswith(self.agent) else self.everywhere


def carry(  # noqa: PLR0913 - the last three serve one release
    project: Project,
    old: Tree,
    table: Table,
    package: str,
    *,
    amend: Amend = lambda _, data: data,
    added: Iterable[str] = (),
    reword: Reword = lambda _, data, __: data,
) -> list[str]:
    """Move files and rewrite imports in both trees; return the report for the owner.

    `amend` corrects the text of a file of the project, given its path, before its imports are rewritten. It gets `None`
    for each path of `added` that the project lacks, and returns the text of that file, or `None` for no file. `reword`
    corrects the text of a file in both trees, so that the template's new words do not conflict with the owner's lines;
    it gets the path, the text, and the paths of the old rendering.

    UpdateError: a file of the owner is in the way. Nothing has been changed.
    """
    places = {**expand(table, old, old), **expand(table, project, old)}
    gone = [path for path in table.gone if path in old.files]
    if not places and not gone and not table.names and not table.facade:
        return []
    known = {module(path) for path in {*old.files, *project.files} if path.endswith(".py")}
    moved = {module(path): module(target) for path, target in places.items() if path.endswith(".py")}
    lost = {module(path) for path in gone if path.endswith(".py")}
    everywhere = Modules(known, moved, table.names, lost)
    inside = Modules(known, moved, table.names | table.facade, lost)
    renaming = Renaming(places, table, f"src/{package}/agent/", everywhere, inside, {*old.files})
    theirs = plan(old, renaming, lambda path, data: data and reword(path, data, old.files))
    ours = plan(project, renaming, lambda path, data: amend(path, data and reword(path, data, old.files)))
    for path in added:
        if path not in project.files and (text := amend(path, None)):
            ours.written[path] = text
    keep_packages(project, old, ours, theirs, gone)
    stays = [target for target, sources in table.files.items() if target in sources]
    check(project, ours, [*places, *gone, *stays])
    report = [*summary(project, old, ours, places), *lost_edits(project, old, gone)]
    known_notes = {(path, note) for (path, _), note in theirs.notes.items()}  # the merge brings other lines
    ours.notes = {place: note for place, note in ours.notes.items() if (place[0], note) not in known_notes}
    report += [f"{path}:{line} {note}" for (path, line), note in sorted(ours.notes.items())]
    report += mentions(project, old, ours, theirs, renaming)
    apply(old, theirs)
    apply(project, ours)
    project.stage([*ours.written, *ours.linked, *ours.removed], ours.sources)
    return report


def expand(table: Table, tree: Tree, old: Tree) -> dict[str, str]:
    """Return the target of each file of a tree that moves. A folder takes along the owner's own files in it."""
    listed = {source for sources in table.files.values() for source in sources} | set(table.gone)
    found = {}
    for target, sources in table.files.items():
        for source in sources:
            if not source.endswith("/"):
                if source in old.files and source in tree.files and source != target:
                    found[source] = target
            elif any(path.startswith(source) for path in old.files):
                inner = (path for path in tree.files if path.startswith(source) and path not in listed)
                found |= {path: target + path[len(source) :] for path in inner}
    return found


def plan(tree: Tree, renaming: Renaming, amend: Amend = lambda _, data: data) -> Plan:
    """Return the new content and path of each file of a tree."""
    found, places, table = Plan(), renaming.places, renaming.table
    pieces: dict[str, list[bytes]] = {}
    order = {source: rank for sources in table.files.values() for rank, source in enumerate(sources)}
    stays = {target for target, sources in table.files.items() if target in sources}
    for path in sorted(tree.files, key=lambda path: (order.get(path, 0), path)):
        target = places.get(path, path)
        if target != path:
            found.removed.append(path)
        if (link := tree.link(path)) is not None:
            if target != path:
                found.linked[target] = link_from(target, path, link)
            continue
        before = tree.read(path)
        data = amended = amend(path, before) or before
        if path.endswith(".py"):
            data, notes = rewrite(amended, path, target, renaming.modules(path))
            if data != amended and path not in renaming.templates:
                data = tidy(amended, data)
            found.notes |= {(target, line): note for line, note in notes}
        if target != path or target in stays or data != before:
            pieces.setdefault(target, []).append(data)
            found.sources.setdefault(target, path)
    found.written = {target: join(parts) for target, parts in pieces.items()}
    return found


def link_from(target: str, path: str, link: str) -> str:
    """Return the target of a symbolic link, read from its new path."""
    if PurePosixPath(link).is_absolute():
        return link
    reached = os.path.normpath(PurePosixPath(path).parent / link)
    return Path(os.path.relpath(reached, PurePosixPath(target).parent)).as_posix()


def join(parts: list[bytes]) -> bytes:
    """Concatenate files, with an empty line between."""
    newline = b"\r\n" if b"\r\n" in parts[0] else b"\n"
    return (newline * 2).join([*(part.rstrip(b"\r\n") for part in parts[:-1]), parts[-1]])


def keep_packages(project: Tree, old: Tree, ours: Plan, theirs: Plan, gone: list[str]) -> None:
    """Keep the `__init__.py` of a folder that the template leaves and the owner has modules in."""
    left = {path for path in project.files if path not in ours.removed and path not in gone}
    for path in [*ours.removed, *gone]:
        folder, _, name = path.rpartition("/")
        stays = any(
            other.startswith(f"{folder}/") and other.endswith(".py") and other not in old.files for other in left
        )
        if name != "__init__.py" or path not in project.files or not stays or f"{folder}.py" in ours.written:
            continue
        if path in gone and path in old.files:
            theirs.removed.append(path)  # so that Copier finds nothing to delete
        elif path not in ours.written:
            ours.written[path] = b""


def check(project: Tree, ours: Plan, leaving: list[str]) -> None:
    """Refuse where a file of the owner's own is in the way of one that moves."""
    for target in [*ours.written, *ours.linked]:
        source = ours.sources.get(target, target)
        path = project.root / target
        for folder in path.relative_to(project.root).parents[:-1]:
            if (project.root / folder).is_symlink() or (project.root / folder).is_file():
                raise UpdateError(
                    f"{source} moves to {target}, and your {folder.as_posix()} is not a folder: rename it first."
                )
        if target == source or target in leaving or not (path.exists() or path.is_symlink()):
            continue
        if path.is_file() and not path.is_symlink() and ours.written.get(target) == path.read_bytes():
            continue
        if same_file(path, project.root / source):  # names that differ in case alone, where case does not count
            continue
        raise UpdateError(f"{source} moves to {target}, where a file of your own is: rename yours first.")


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths are one file."""
    return one.exists() and other.exists() and one.samefile(other)


def apply(tree: Tree, change: Plan) -> None:
    """Write a plan. Every new file is complete before an old one is deleted."""
    modes = {target: tree.mode(change.sources.get(target, "")) for target in change.written}
    for target, data in change.written.items():
        write(tree.root / target, data, modes[target])
    for target, link in change.linked.items():
        path = tree.root / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(link)
    kept = {*change.written, *change.linked}
    renamed = {target.lower(): target for target in kept}
    for source in change.removed:
        path = tree.root / source
        twin = renamed.get(source.lower())
        if source in kept or (twin and same_file(path, tree.root / twin)):  # names that differ in case alone
            continue
        path.unlink(missing_ok=True)
        for folder in Path(source).parents[:-1]:
            try:
                (tree.root / folder).rmdir()
            except OSError:
                break


def summary(project: Tree, old: Tree, ours: Plan, places: dict[str, str]) -> Iterator[str]:
    """Count the files that move, and name the owner's own files whose imports change."""
    count = sum(path in project.files for path in places)
    if count:
        yield f"Files that move to new paths, with your changes in them: {count}."
    for path, data in sorted(ours.written.items()):
        source = ours.sources.get(path)
        if source and source not in old.files and data != project.read(source):
            yield f"{path}: its imports follow the modules that moved."


def lost_edits(project: Tree, old: Tree, gone: list[str]) -> Iterator[str]:
    """Name the files that the owner changed and the template no longer has."""
    for path in gone:
        if path in project.files and plain(project.read(path)) != plain(old.read(path)):
            yield f"{path} is deleted, and you changed it. To see your version: git show HEAD:{project.prefix}{path}"


def plain(data: bytes) -> bytes:
    """Return the text with the line ends of Unix."""
    return data.replace(b"\r\n", b"\n")


def mentions(project: Tree, old: Tree, ours: Plan, theirs: Plan, renaming: Renaming) -> Iterator[str]:
    """Name the owner's lines, in text of any kind, that still have an old name."""
    modules, places = renaming.everywhere, renaming.places
    now = {name: target for name, target in modules.moved.items() if name != target} | places
    now |= {name.replace(":", "."): target.replace(":", ".") for name, target in modules.names.items()}
    if not now:
        return
    known = "|".join(re.escape(name) for name in sorted(now, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w.-])(?:{known})(?![\w-])")

    def lines(tree: Tree, change: Plan, path: str) -> list[str]:
        target = places.get(path, path)
        data = change.written.get(target)
        data = tree.read(path) if data is None else data
        return [] if b"\0" in data else plain(data).decode(errors="replace").split("\n")

    seen = set()
    for path in project.files:
        target = places.get(path, path)
        if target in seen or path.endswith(QUIET) or project.link(path) is not None:
            continue
        seen.add(target)
        base = set(lines(old, theirs, path)) if path in old.files and old.link(path) is None else set()
        for number, line in enumerate(lines(project, ours, path), 1):
            if line not in base and (target, number) not in ours.notes and (found := pattern.search(line)):
                yield f"{target}:{number} still says {found[0]}, which is now {now[found[0]]}"


def main(
    release: str,
    amend: Amend = lambda _, data: data,
    added: Iterable[str] = (),
    reword: Reword = lambda _, data, __: data,
) -> None:
    """Run the hook of a release: in the project, before Copier merges.

    The arguments are the name of the answers file, and that of the package if the update is to change it. In the paths
    of `added`, `{package}` is the package of the project.
    """
    _, answers_file, renamed = sys.argv
    try:
        project = Project(Path.cwd())
        package = answers(project.root / answers_file).get("package_name", "")
        if renamed not in {"", package}:
            raise UpdateError("Rename the package in a step of its own (docs/updating.md). Nothing has been changed.")
        old = Tree(old_rendering(project, answers_file, Path(__file__).parents[1]))
        paths = [path.replace("{package}", package) for path in added]
        print(*carry(project, old, table(release, package), package, amend=amend, added=paths, reword=reword), sep="\n")
    except UpdateError as reason:
        sys.exit(str(reason))

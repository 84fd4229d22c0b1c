"""Files and public names that moved, by release. `copier update` carries an owner's edits and imports along.

One line for each move, in paths of a rendered project:

    src/{package}/old.py -> src/{package}/new.py                a file; also of tests, docs and all else
    src/{package}/old/ -> src/{package}/new/                    a folder, with the owner's own files in it
    tests/a.py + tests/b.py -> tests/c.py                       files that became one
    src/{package}/old.py -> (gone)                              a file that nothing replaces
    {package}.old:Name -> {package}.new:Other                   a public name; its module is as it was called before
    {package}.old:Name -> {package}.extensions:Name             a name that agent/ has to import from `extensions`
"""

from __future__ import annotations

from dataclasses import dataclass, field

MOVES = {
    "3.0.0": """
""",
}
GONE = "(gone)"


@dataclass
class Table:
    """The moves of one release, with the project's package in place of `{package}`."""

    files: dict[str, list[str]] = field(default_factory=dict)
    """The sources of each target. A source that ends in a slash is a folder."""
    gone: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """`module:Name` before to `module:Name` now."""
    facade: dict[str, str] = field(default_factory=dict)
    """As `names`, for imports in agent/ only."""


def table(release: str, package: str) -> Table:
    """Read the moves of a release.

    ValueError: a line is not in one of the forms above, or something moves twice.
    """
    found = Table()
    for line in MOVES[release].replace("{package}", package).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        left, arrow, target = (part.strip() for part in line.partition(" -> "))
        sources = left.split(" + ")
        if not arrow or not all(sources) or not target:
            raise ValueError(f"{release}: {line!r} is not a move.")
        if ":" in left:
            names = found.facade if target.startswith(f"{package}.extensions:") else found.names
            if names.setdefault(left, target) != target:
                raise ValueError(f"{release}: {left} moves twice.")
        elif target == GONE:
            found.gone += sources
        else:
            found.files.setdefault(target, []).extend(sources)
    moved = [*found.gone, *(source for sources in found.files.values() for source in sources)]
    if doubled := {source for source in moved if moved.count(source) > 1}:
        raise ValueError(f"{release}: {min(doubled)} moves twice.")
    return found

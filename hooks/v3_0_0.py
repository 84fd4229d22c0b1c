"""Update to 3.0.0: modules, tests and documents have other paths, and agent/ imports from `extensions` alone.

In projects from before 2.2.0 it also gives the example's notes an export and an erasure, which a rule asks for.
Overlays list the components of Kubernetes that became files under `resources`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from carry import main

if TYPE_CHECKING:
    from collections.abc import Collection

QUERY = b"FROM notes WHERE owner = %(owner)s"
DELETE = b'''

async def delete_all(executor: Executor, owner: str) -> int:
    """Delete the owner's notes and return their number."""
    return await executor.execute("DELETE FROM notes WHERE owner = %(owner)s", {"owner": owner})
'''
KIND = b'@registry.kind("note")'
ERASURE = b'''

@registry.erasure("note")
async def erase_notes(executor: Executor, owner: str) -> int:
    """Delete the owner's notes."""
    return await notes.delete_all(executor, owner)
'''

# The example of 2.2.0 with the imports of 3.0.0: the template's own file may change later.
EXPORTS = b'''"""Your tables in `export --owner`, which returns all data of an owner, and in `erase`, which deletes it.

Yield records that JSON can represent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ..extensions import Executor, ExportRegistry
from . import notes

registry = ExportRegistry()


@registry.kind("note")
async def notes_of(executor: Executor, owner: str) -> AsyncIterator[dict[str, Any]]:
    """The notes that the agent keeps for the owner."""
    for note in await notes.find_all(executor, owner):
        yield {"id": note.id, "text": note.text, "created_at": note.created_at.isoformat()}
'''

OVERLAY = re.compile(r"deploy/kubernetes/.*/kustomization\.ya?ml")
FILES = ("model", "monitoring", "stores", "tracing")  # components that are files now
RESOURCES = re.compile(rb"^resources:[ \t]*\r?\n(?:(?P<indent> *)- .*\r?\n)+", re.MULTILINE)
NONE_LEFT = re.compile(rb"^components:[ \t]*(?=\r?\n(?! *[-#]))", re.MULTILINE)
# Beside `components`, so that another text would conflict with every choice of components.
COMMENT = re.compile(rb"# What this cluster offers, of .* what each needs\.")
NEW_COMMENT = (
    b"# Components from ../../components that suit this cluster: docs/kubernetes.md describes what each needs."
)

# Lines of `dependencies` that have other words: an owner's own dependency next to one would conflict.
DEPENDENCIES = {
    b'"psycopg[binary,pool]>=3.3,<4"': b'"psycopg[binary,pool]>=3.3.9,<4"',
    b"# without its extras, which bring 12 MB": b"# without its extras, 12 MB",
}


def reword(path: str, data: bytes, rendered: Collection[str]) -> bytes:
    """Give the dependencies and the overlays of Kubernetes their new words."""
    if path == "pyproject.toml":
        for old, new in DEPENDENCIES.items():
            data = data.replace(old, new)
    return list_as_resources(path, data, rendered)


def list_as_resources(path: str, data: bytes, rendered: Collection[str]) -> bytes:
    """Move the template's components that became files from the list `components` of an overlay to `resources`."""
    if not OVERLAY.fullmatch(path):
        return data
    data = COMMENT.sub(NEW_COMMENT, data)
    names = [name for name in FILES if f"deploy/kubernetes/components/{name}/kustomization.yaml" in rendered]
    pattern = rf"^ *- +([\"']?)((?:\.\./)+components/(?:{'|'.join(names)}))/?\1([ \t]*(?:#.*)?\r?\n)"
    component = re.compile(pattern.encode(), re.MULTILINE)
    found, moved = RESOURCES.search(data), component.findall(data)
    if not names or not found or not moved:
        return data
    lines = b"".join(found["indent"] + b"- " + listed + b".yaml" + rest for _, listed, rest in moved)
    data = data[: found.end()] + lines + data[found.end() :]
    return NONE_LEFT.sub(b"components: []", component.sub(b"", data))


def amend(path: str, data: bytes | None) -> bytes | None:
    """Add the export and the erasure of notes where the example's code is as it was."""
    folder, _, name = path.rpartition("/")
    if name not in {"notes.py", "exports.py"} or not folder.endswith("/agent"):
        return data
    found = {
        other: Path(folder, other).read_bytes() for other in ("notes.py", "exports.py") if Path(folder, other).exists()
    }
    notes, exports = found.get("notes.py", b""), found.get("exports.py", EXPORTS)
    if KIND not in exports or b"notes.find_all(" not in exports or b".erasure(" in exports or QUERY not in notes:
        return data
    if name == "exports.py":
        data, addition = exports, ERASURE
    else:
        addition = b"" if b"def delete_all(" in notes else DELETE
    newline = b"\r\n" if b"\r\n" in notes else b"\n"
    return data.rstrip() + (b"\n" + addition).replace(b"\n", newline) if data and addition else data


if __name__ == "__main__":
    main("3.0.0", amend, added=["src/{package}/agent/exports.py"], reword=reword)

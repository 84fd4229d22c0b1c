"""Update to 3.0.0: modules, tests and documents have other paths, and agent/ imports from `extensions` alone.

In projects from before 2.2.0 it also gives the example's notes an erasure, which a rule asks for.
"""

from __future__ import annotations

from pathlib import Path

from carry import main

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


def amend(path: str, data: bytes) -> bytes:
    """Add the erasure of notes where the example's code is as it was."""
    folder, _, name = path.rpartition("/")
    if name not in {"notes.py", "exports.py"} or not folder.endswith("/agent"):
        return data
    try:
        notes, exports = (Path(folder, other).read_bytes() for other in ("notes.py", "exports.py"))
    except OSError:
        return data
    if KIND not in exports or b"notes.find_all(" not in exports or b".erasure(" in exports or QUERY not in notes:
        return data
    addition = ERASURE if name == "exports.py" else b"" if b"def delete_all(" in notes else DELETE
    newline = b"\r\n" if b"\r\n" in data else b"\n"
    return data.rstrip() + newline + addition.replace(b"\n", newline) if addition else data


if __name__ == "__main__":
    main("3.0.0", amend)

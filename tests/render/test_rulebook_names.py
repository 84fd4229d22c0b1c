"""Each of our names in docs/rulebook-names.md exists in a rendering."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.template import ROOT

if TYPE_CHECKING:
    from tests.conftest import Render


def names() -> list[str]:
    """Return the code spans of the third column, without those that vary by project."""
    rows = (ROOT / "docs/rulebook-names.md").read_text("utf-8").splitlines()
    cells = [row.split(" | ")[2] for row in rows if re.match(r"\| \d+\.1 ", row)]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell) if "<" not in name]


def test_every_name_exists_in_a_rendering(render: Render) -> None:
    project = render()
    files = [
        path for path in project.rglob("*") if path.is_file() and ".git" not in path.relative_to(project).parts[:1]
    ]
    places = "\n".join(path.relative_to(project).as_posix() for path in files)
    texts = "\n".join(path.read_text("utf-8", errors="replace") for path in files if path.suffix != ".lock")
    assert len(names()) > 40
    missing = [name for name in names() if not known(name, places, texts)]
    assert missing == []


def known(name: str, places: str, texts: str) -> bool:
    """Whether a name is a path or occurs in a file; for a dotted name, whether its last part does."""
    plain = name.removesuffix("()")
    if plain.rstrip("/") in places or plain in texts:
        return True
    if re.fullmatch(r"/chat[\w/{}]*|/messages", plain):
        return plain.replace("{id}", "{session_id}") in texts
    return plain.rpartition(".")[2] in texts and "." in plain

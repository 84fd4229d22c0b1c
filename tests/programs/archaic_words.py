"""List archaic words in the texts of the template and its repository.

    python -m tests.programs.archaic_words [FOLDER]

A text includes the code around it, so that names are in plain English as well. FOLDER is another checkout, to compare.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.template import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# The plain word, and the pattern of the archaic ones.
PLAIN = {
    "reports, says, returns": "tells|told|tell of",
    "has, contains": "bears?|borne",
    "again": "anew",
    "resumes, claims, adopts": "(?:tak(?:e|es|en|ing)|took) up(?! to)",
    "rarely": "seldom",
    "so that … not": "lest",
    "a client that, anyone who": "whoever|whomever|whosoever",
    "of it, from where, in which": "thereof|whereof|whence|wherein|therein|thereupon",
    "by itself": "of (?:its|their|his) own accord",
    "available": "(?:to be|is|are|can be) had",
    "fixes, repairs": "mends?",
    "is, is in": "what stands|stands (?:in(?! front)|there|alone|beside|under)",
    "is missing": "for want of",
    "is accepted": "let pass",
}
ARCHAIC = re.compile(rf"(?<![a-z])(?:{'|'.join(PLAIN.values())})(?![a-z])", re.IGNORECASE)
# History, texts of others, generated files, old names, code of a corpus, and this list.
SKIPPED = re.compile(
    r"CHANGELOG|LICENSE|\.lock(\.jinja)?$|tests/rules/corpus/|hooks/moves\.py$|archaic_words\.py$"
    r"|docs/walkthrough\.md$"  # the output of an old release
    r"|template/openapi\.json"  # of docstrings, which are read where they are, and of those of AG-UI's package
)


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the path and text of every tracked or new file of a repository, without skipped and binary ones."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    for name in sorted(set(filter(None, listed.split("\0")))):
        if (folder / name).is_file() and not SKIPPED.search(name):
            content = (folder / name).read_bytes()
            if b"\0" not in content:
                yield name, content.decode("utf-8")


def hits(texts: Iterable[tuple[str, str]]) -> list[tuple[str, int, str]]:
    """Return the path, line number and word of each archaic word."""
    return [
        (name, text.count("\n", 0, found.start()) + 1, found[0])
        for name, text in texts
        for found in ARCHAIC.finditer(text)
    ]


def main(folder: Path) -> None:
    """Print all hits, then their number and that of the lines under src/ with tell, tells or told."""
    found = list(texts(folder))
    listed = hits(found)
    source = [text for name, text in found if name.startswith("template/src/") and ".py" in name]
    lines = [line for text in source for line in text.splitlines()]
    told = [line for line in lines if re.search(r"(?<![a-z])(tells?|told)(?![a-z])", line, re.IGNORECASE)]
    print(*(f"{name}:{line}: {word}" for name, line, word in listed), sep="\n")
    print(f"{len(listed)} archaic words; tell, tells or told in {len(told)} of {len(lines)} lines of Python under src/")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else ROOT)

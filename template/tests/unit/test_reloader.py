"""How `dev` sees that a file has changed; what it does then is seen with real processes in tests/e2e."""

from __future__ import annotations

import itertools
from pathlib import Path
from threading import Event

from agent_devtools import procfile


def test_a_change_is_seen_that_comes_while_the_process_starts(tmp_path: Path) -> None:
    stop = Event()
    changes = procfile.changes(tmp_path, stop)
    (tmp_path / "program.py").write_text("raise SystemExit(3)")
    seen = set[str]().union(*itertools.islice(changes, 8))
    stop.set()
    assert {Path(name).name for name in seen} == {"program.py"}

"""Run a command in a pseudo-terminal and type each answer once its question is on the screen."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WHERE, HERE = b"\x1b[6n", b"\x1b[1;1R"  # prompt_toolkit asks for the cursor's position
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")
SECONDS = 120.0  # without output, after which the command must be waiting for an answer that the script lacks


def talk(command: Sequence[str | Path], folder: Path, script: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """Return the exit code and all output. Each pair of the script is a text to wait for and the keys to type."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    output, seen, left = b"", 0, list(script)
    try:
        while chunk := _read(ours):
            output += chunk
            os.write(ours, HERE * chunk.count(WHERE))
            if left and left[0][0].encode() in output[seen:]:
                seen = len(output)
                os.write(ours, left.pop(0)[1].encode())
    finally:
        os.close(ours)
        process.terminate()
    text = CONTROL.sub("", output.decode("utf-8", "replace"))
    assert left == [], text
    return process.wait(), text


def _read(terminal: int) -> bytes:
    """Return the next output; nothing once the command has ended or printed nothing for SECONDS."""
    if not select.select([terminal], [], [], SECONDS)[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux reports the end of output so
        return b""

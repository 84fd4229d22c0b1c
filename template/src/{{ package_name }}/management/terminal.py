"""Output for people: colours, columns and progress, on terminals only.

NO_COLOR (https://no-color.org) turns colours off on a terminal, and FORCE_COLOR turns them on elsewhere.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self, TextIO

BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "36"

FRAME_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 0.5  # work that ends sooner shows no progress
CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
STYLES: Final = re.compile(r"\x1b\[[0-9;]*m")


def has_color(stream: TextIO | None = None) -> bool:
    """Whether to colour the output to a stream, standard output by default."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") != "0":
        return True
    return (stream or sys.stdout).isatty() and os.environ.get("TERM") != "dumb"


def styled(text: str, *styles: str, stream: TextIO | None = None) -> str:
    """Return `text` in these styles, or unchanged where the stream has no colours."""
    return f"\x1b[{';'.join(styles)}m{text}\x1b[0m" if text and has_color(stream) else text


def columns(text: str) -> int:
    """Return the width of a text on a terminal: Chinese characters are two columns wide, accents none."""
    text = STYLES.sub("", text)
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(letter) else 1 + (east_asian_width(letter) in "WF") for letter in text)


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Fill a text with spaces to `width` columns, on its left side if it is aligned to the right."""
    space = " " * (width - columns(text))
    return space + text if right else text + space


def shortened(text: str, width: int) -> str:
    """Return the text on one line of at most `width` columns, with an ellipsis where it was cut."""
    text = " ".join(text.split())
    if columns(text) <= width:
        return text
    while columns(text) >= width:
        text = text[:-1]
    return text + "…"


def wrapped(text: str, indent: int = 4, stream: TextIO | None = None) -> str:
    """Break a text between words where a terminal is too narrow for it; elsewhere, programs read whole lines."""
    if not (stream or sys.stdout).isatty():
        return text
    lines, available = [""], width()
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1].strip() else lines[-1] + word
        if columns(longer) <= available or not lines[-1].strip():
            lines[-1] = longer
        else:
            lines.append(" " * indent + word)
    return "\n".join(lines)


def harmless(text: str) -> str:
    """Remove control characters: a text of a model or a tool could move the cursor or retitle the window."""
    return CONTROL.sub("", text)


def width() -> int:
    """Return the number of columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size().columns


class Progress:
    """A line on standard error that says what is going on and for how long, while the context lasts.

    It appears on terminals only and after PATIENCE_SECONDS. It must not be active while others print.
    """

    def __init__(self, doing: str) -> None:
        self.doing = doing
        self._done = Event()
        self._thread: Thread | None = None

    def _draw(self) -> None:
        began = time.monotonic()
        drawn = False
        pause = PATIENCE_SECONDS
        while not self._done.wait(pause):
            elapsed = f" … {time.monotonic() - began:.0f} s"
            text = shortened(self.doing, width() - columns(elapsed) - 3) + elapsed
            sys.stderr.write(f"\r\x1b[K  {styled(text, DIM, stream=sys.stderr)}")
            sys.stderr.flush()
            drawn, pause = True, FRAME_SECONDS
        if drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def stop(self) -> None:
        """Remove the line. May be called twice."""
        self._done.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            self._thread = Thread(target=self._draw, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

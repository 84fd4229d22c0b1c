"""A command in a pseudo-terminal, as a person uses it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import Self

CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|[\x01\x02]")
CTRL_C, CTRL_D = "\x03", "\x04"
SECONDS = 180.0  # the machine may be busy
PRESS_SECONDS = 10.0


class Terminal:
    """A running command, and everything it has printed."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path, columns: int = 80
    ) -> None:
        self._keyboard, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._process = subprocess.Popen(
            command,
            cwd=directory,
            env={**{name: value for name, value in environment.items() if name != "COLUMNS"}, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - so that Ctrl-C is a signal
        )
        os.close(theirs)
        self._output = b""
        self._seen = 0
        self._ended = False
        self._news = Condition()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while not self._ended:
            try:
                piece = os.read(self._keyboard, 65536)
            except OSError:  # Linux reports the end of output so
                piece = b""
            with self._news:
                self._output += piece
                self._ended = not piece
                self._news.notify_all()

    @property
    def output(self) -> str:
        """Everything printed so far, with its codes."""
        with self._news:
            return self._output.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """Everything printed so far, without codes."""
        return CODES.sub("", self.output).replace("\r\n", "\n")

    def press_until(self, key: str, pattern: str) -> None:
        """Press a key until the text matches: `input` misses a signal that arrives just before it waits for keys."""
        for _ in range(6):
            self.press(key)
            with suppress(AssertionError):
                self.wait_for(pattern, PRESS_SECONDS)
                return
        raise AssertionError(f"{pattern!r} is not in:\n{self.text[self._seen :]}")

    def wait_for(self, pattern: str, seconds: float = SECONDS) -> re.Match[str]:
        """Wait until the text after the previous match has a match of the regular expression."""
        deadline = time.monotonic() + seconds
        with self._news:
            while not (found := re.compile(pattern).search(self.text, self._seen)):
                if self._ended or not self._news.wait(deadline - time.monotonic()):
                    raise AssertionError(f"{pattern!r} is not in:\n{self.text[self._seen :]}")
        self._seen = found.end()
        return found

    def press(self, keys: str) -> None:
        os.write(self._keyboard, keys.encode())

    def say(self, text: str) -> None:
        """Wait for the prompt and type a line."""
        self.wait_for(r"\n> ")
        self.press(f"{text}\n")
        self.wait_for(re.escape(text[-20:]))

    def wait(self) -> int:
        """Wait for the end of the command; return its exit code."""
        try:
            code = self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"It does not end:\n{self.text}") from None
        self._reader.join(SECONDS)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()
        os.close(self._keyboard)

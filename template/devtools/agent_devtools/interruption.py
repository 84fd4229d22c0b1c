"""Ctrl-C, SIGTERM and SIGHUP for a command that has processes to stop (rule 9.1)."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Raises KeyboardInterrupt once in the main thread, at the first signal. Later signals change nothing.

    A second KeyboardInterrupt would break off the clean-up, and leave running what it was about to stop.
    """

    def __init__(self) -> None:
        self.came = False
        self._held = False
        for number in SIGNALS:
            signal.signal(number, self._receive)

    def _receive(self, *_: object) -> None:
        first, self.came = not self.came, True
        if first and not self._held:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Put the interruption off to the end of the block, which starts something that must be kept track of."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal came, even one whose exception a library swallowed."""
        if self.came:
            raise KeyboardInterrupt

    def ignore(self) -> None:
        """Let no signal interrupt what follows."""
        self._held = True

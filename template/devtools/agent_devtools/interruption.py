"""Ctrl-C, SIGTERM and SIGHUP for a command that has processes to stop (rule 9.1)."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Raises KeyboardInterrupt in the main thread at the first signal; ignores later ones.

    A second KeyboardInterrupt would abort the clean-up and leave processes running.
    """

    def __init__(self) -> None:
        self.received = False
        self._deferred = False
        for number in SIGNALS:
            signal.signal(number, self._receive)

    def _receive(self, *_: object) -> None:
        first, self.received = not self.received, True
        if first and not self._deferred:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Defer the interruption to the end of the block, so that what the block starts is also registered."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal was received, even if a library swallowed the exception."""
        if self.received:
            raise KeyboardInterrupt

    def ignore(self) -> None:
        """Ignore signals from now on."""
        self._deferred = True

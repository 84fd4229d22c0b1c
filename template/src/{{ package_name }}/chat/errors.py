"""The exceptions of the chat. The routes answer with a problem document for those that a caller can cause."""

from __future__ import annotations


class SessionNotFound(Exception):
    """The session does not exist, or has another owner."""


class TurnNotFound(Exception):
    """The turn does not exist, or has another owner."""


class TurnInProgress(Exception):
    """The session has an unfinished turn."""


class TurnEnded(Exception):
    """The turn has already finished."""


class IdempotencyKeyReused(Exception):
    """The idempotency key belongs to a different request."""


class ApprovalNotPending(Exception):
    """The call is unknown, decided, or expired, or its turn has finished."""


class LeaseLost(Exception):
    """Another process has claimed the turn, or it was cancelled: this process must not write."""


class FileNotFound(Exception):
    """The file does not exist, has another owner or, for a new message, is in another message."""


class FileInUse(Exception):
    """A message has the file."""


class FileRefused(Exception):
    """The content of the file is not accepted. The message says why."""


class TooManyFiles(Exception):
    """A limit on the number or total size of files is reached. The message names it."""

"""Messages in the project's language: English stands in the code, a translation in rules/messages.yaml."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

FILE = Path(__file__).parents[3] / "rules/messages.yaml"


@cache
def _translations() -> dict[str, str]:
    loaded = yaml.load(FILE.read_text("utf-8"), yaml.CSafeLoader) if FILE.exists() else None
    return dict(loaded or {})


def say(message: str, /, **values: object) -> str:
    """The message in the project's language; `values` fill its braces. One without a translation stays in English."""
    text = _translations().get(message, message)
    return text.format(**values) if values else text

"""Messages in the project's language: English in the code, a translation in rules/messages.yaml."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TypeGuard

import yaml


def _root() -> Path:
    """Return the project around the working directory, which may be a copy, or the one with this file."""
    around = (Path.cwd(), *Path.cwd().parents)
    found = (folder for folder in around if (folder / "rules").is_dir() and (folder / "tests/rules").is_dir())
    return next(found, Path(__file__).parents[3])


ROOT = _root()
FILE = ROOT / "rules/messages.yaml"


@cache
def _translations() -> dict[str, str]:
    loaded = yaml.load(FILE.read_text("utf-8"), yaml.CSafeLoader) if FILE.exists() else None
    return dict(loaded or {})


def say(message: str, /, **values: object) -> str:
    """Return the message in the project's language, or in English without a translation.

    `values` fill its braces; values that are phrases, such as "no token", are translated too.
    """
    known = _translations()
    given = {name: known.get(value, value) if _is_phrase(value) else value for name, value in values.items()}
    text = known.get(message, message)
    return text.format(**given) if given else text


def _is_phrase(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and " " in value

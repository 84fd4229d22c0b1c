"""Writes docs/questions.md from copier.yml, so that the two cannot differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from template import ROOT, questions

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = ROOT / "docs" / "questions.md"
HEAD = """\
# Questions

<!-- Written by tests/documentation.py from copier.yml: `make docs`. -->

`copier copy` asks the first ones; `--defaults` takes every default, and `-d name=value` gives any answer beforehand.
The answers stand in `.copier-answers.yml` of the rendered project, from which `copier update` takes them.
"""
DERIVED = """
## Derived

Asked only where no good value follows from the other answers, as of a name without Latin letters; `-d name=value`
overrides it.
"""


def section(name: str, question: Mapping[str, Any]) -> str:
    """One question in Markdown."""
    lines = [f"### `{name}`", question["help"]]
    if choices := question.get("choices"):
        labels = choices.items() if isinstance(choices, dict) else ((choice, choice) for choice in choices)
        lines.append("\n".join(f"- `{value}`" + (f": {label}" if label != value else "") for label, value in labels))
    default = question["default"]
    if question.get("multiselect"):
        lines.append("Several may be chosen. Default: " + ", ".join(f"`{choice}`" for choice in default))
    elif "{%" not in default and "{{" not in default:
        lines.append(f"Default: `{default}`" if default else "Default: empty")
    if placeholder := question.get("placeholder"):
        lines.append(f"For example: `{placeholder}`")
    return "\n\n".join(lines)


def page() -> str:
    """The text of docs/questions.md."""
    shown = {name: question for name, question in questions().items() if question.get("when") is not False}
    asked = [section(name, question) for name, question in shown.items() if "ask" not in question]
    derived = [section(name, question) for name, question in shown.items() if "ask" in question]
    return "\n\n".join([HEAD.rstrip(), *asked, DERIVED.strip(), *derived]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")

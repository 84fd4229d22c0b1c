"""Generate docs/questions.md from copier.yml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import meta

from tests.support.template import ROOT, environment, questions

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULTS = {"defaults": True}  # `_copier_conf` under `--defaults`
PAGE = ROOT / "docs" / "questions.md"
HEAD = """\
# Questions

<!-- Written by `make docs` from copier.yml. -->

`copier copy` asks these questions. `--defaults` asks none and takes every default; `-d name=value` answers one.
Name, description and owner have a default for `--defaults` only: in a terminal, the field is empty and shows an example
until you type. The project records its answers in `.copier-answers.yml`, and `copier update` reads them there.
"""
DERIVED = """
## Derived

These values follow from the other answers. Copier asks for one only if it cannot derive a good value, such as the slug
of a name without Latin letters. `-d name=value` sets it.
"""


def undeclared(text: str) -> set[str]:
    """Return the names that a Jinja text takes from its context."""
    return meta.find_undeclared_variables(environment().parse(text))


def section(name: str, question: Mapping[str, Any]) -> str:
    """Return one question as Markdown."""
    lines = [f"### `{name}`", question["help"]]
    if choices := question.get("choices"):
        labels = choices.items() if isinstance(choices, dict) else ((choice, choice) for choice in choices)
        lines.append("\n".join(f"- `{value}`" + (f": {label}" if label != value else "") for label, value in labels))
    default = question["default"]
    if question.get("multiselect"):
        lines.append("Several may be chosen. Default: " + ", ".join(f"`{choice}`" for choice in default))
    elif undeclared(default) == {"_copier_conf", "UNSET"}:
        lines.append(f"Default with `--defaults`: `{environment().from_string(default).render(_copier_conf=DEFAULTS)}`")
    elif not undeclared(default):
        lines.append(f"Default: `{default}`" if default else "Default: empty")
    if placeholder := question.get("placeholder"):
        lines.append(f"For example: `{placeholder}`")
    return "\n\n".join(lines)


def page() -> str:
    """Return the text of docs/questions.md."""
    shown = {name: question for name, question in questions().items() if question.get("when") is not False}
    asked = [section(name, question) for name, question in shown.items() if "ask" not in question]
    derived = [section(name, question) for name, question in shown.items() if "ask" in question]
    return "\n\n".join([HEAD.rstrip(), *asked, DERIVED.strip(), *derived]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")

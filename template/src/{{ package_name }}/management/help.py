"""The list of commands that `--help` prints, in sections and in plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter


class HelpGroup(TyperGroup):
    """A group of commands under the headings that their `rich_help_panel` names, each with its first sentence.

    Typer prints panels with rich, whose import takes longer than all else that `--help` does.
    """

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write one section for each heading, in the order in which they come up."""
        listed = [(name, command) for name in self.list_commands(ctx) if (command := self.get_command(ctx, name))]
        shown = [(name, command) for name, command in listed if not command.hidden]
        width = max((len(name) for name, _ in shown), default=0)
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in shown:
            heading = getattr(command, "rich_help_panel", None) or "Commands"
            sections.setdefault(heading, []).append((name.ljust(width), _first_sentence(command.help or "")))
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".") + "." if paragraph else ""

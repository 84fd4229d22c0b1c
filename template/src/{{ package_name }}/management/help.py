"""The list of commands that `--help` prints, in sections and in plain text."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class HelpGroup(TyperGroup):
    """Lists commands under their `rich_help_panel`, each with the first sentence of its help.

    Typer prints panels with rich, which takes longer to import than the rest of `--help`.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each panel, in the order of the commands."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        shown = [(name, command) for name, command in commands if command and not command.hidden]
        width = max((len(name) for name, _ in shown), default=0)
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in shown:
            panel = getattr(command, "rich_help_panel", None) or "Commands"
            sections.setdefault(panel, []).append((name.ljust(width), _first_sentence(command.help or "")))
        for panel, rows in sections.items():
            with formatter.section(panel):
                formatter.write_dl(rows)


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".") + "." if paragraph else ""

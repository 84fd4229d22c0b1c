"""Files of the repository that are made from its code: `sync` writes them, and tests compare them (rule 14.1)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from .own_dashboard import own_dashboard
from .settings_reference import reference

RULE = re.compile(r"^- \[(\d+\.1) [^\]]*\]\([^)]*\)(.*)\n", re.MULTILINE)  # one in a list of rules
FRONT_MATTER = re.compile(r'\A---\nid: "?([\d.]+)"?\ntitle: "?(.*?)"?\n')
PROMETHEUS_RULES = ("recording.yml", "alerts.yml")


def generated(root: Path) -> Iterator[tuple[Path, str | None]]:
    """Each file with the text that it should have; `None` for a file that should not be there."""
    yield root / "openapi.json", openapi()
    yield root / "docs" / "settings.md", reference()
    dashboards = root / "deploy" / "grafana" / "dashboards"
    if dashboards.is_dir():
        yield dashboards / "agent-own.json", own_dashboard(dashboards / "agent-turns.json")
    operator = root / "deploy" / "kubernetes" / "components" / "monitoring" / "rules.yaml"
    if operator.is_file():
        yield operator, _operator_rules(operator, root / "deploy" / "prometheus" / "rules")
    yield from _lists_of_rules(root)


def stale(root: Path) -> dict[Path, str | None]:
    """Those that differ from what they should be."""
    return {
        path: text for path, text in generated(root) if text != (path.read_text("utf-8") if path.is_file() else None)
    }


def openapi() -> str:
    """The description of the API: the same whatever this machine's settings are."""
    from ..app import create_app
    from ..config import DEFAULTS, Settings

    fields = Settings.model_fields.items()
    values = {name: field.get_default(call_default_factory=True) for name, field in fields if not field.is_required()}
    of_development = next(iter(DEFAULTS.values()))
    settings = Settings(**{**values, **of_development})
    return json.dumps(create_app(settings).openapi(), indent=2) + "\n"


def _operator_rules(resource: Path, rules: Path) -> str:
    """The rules of Prometheus below the head that the resource has."""
    head, begin, _ = resource.read_text("utf-8").partition("  groups:\n")
    groups = "\n".join((rules / name).read_text("utf-8").partition("groups:\n")[2] for name in PROMETHEUS_RULES)
    return head + begin + "".join(f"  {line}".rstrip() + "\n" for line in groups.rstrip("\n").split("\n"))


def _lists_of_rules(root: Path) -> Iterator[tuple[Path, str]]:
    """AGENTS.md lists the rules of rules/, with a few words on each; Copilot reads the same list."""
    source = root / "AGENTS.md"
    if not source.is_file():
        return
    words = dict(RULE.findall(source.read_text("utf-8")))
    listed = [
        f"- [{found[1]} {found[2]}](rules/{path.name}){words.get(found[1], '')}\n"
        for path in sorted((root / "rules").glob("[0-9][0-9]-*.md"))
        if (found := FRONT_MATTER.match(path.read_text("utf-8")))
    ]
    yield source, _with_list(source, listed)
    copilot = root / ".github" / "copilot-instructions.md"
    if copilot.is_file():
        yield copilot, _with_list(copilot, [line.replace("](rules/", "](../rules/") for line in listed])


def _with_list(path: Path, listed: list[str]) -> str:
    text = path.read_text("utf-8")
    there = list(RULE.finditer(text))
    if not there:
        return text
    return text[: there[0].start()] + "".join(listed) + text[there[-1].end() :]

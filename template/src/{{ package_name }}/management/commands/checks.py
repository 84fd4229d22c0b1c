"""`doctor`, `config show` and `config check`: check this installation and its settings (rule 3.1)."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from ..base import run
from ..terminal import BOLD, GREEN, RED, YELLOW, Progress, padded, styled, wrapped

config = typer.Typer(help="Show and check the settings.", no_args_is_help=True)

SIGNS = {True: ("ok", GREEN), False: ("fail", RED), None: ("skip", YELLOW)}
WIDTH = 16
MASK = "********"
NOT_SET = "(not set)"

# Anything before the last @ may be part of a password, however malformed the address is.
_ADDRESS = re.compile(
    r"(?P<scheme>\w+://)((?P<user>[\w.+%-]*)(?P<password>:.*)?@)?"
    r"(?P<host>[\w.-]+|\[[\da-fA-F:]+\])(?P<port>:\d{1,5})?(?P<path>/[\w.-]*)?(?P<query>\?[^@]*)?",
    re.DOTALL,
)


def doctor(
    call_model: Annotated[
        bool, typer.Option("--call-model", help="Also send a prompt to the language model; this may cost money.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
) -> None:
    """Check settings, database, migrations, queue, cache and model; exit code 1 if there is a problem."""
    import json
    from dataclasses import asdict

    from ..diagnostics import run_checks

    with Progress("checking") as progress:

        def announce(check: str) -> None:
            progress.doing = f"checking: {check}"

        findings = run(run_checks(call_model=call_model, on_check=announce))
    failures = sum(finding.ok is False for finding in findings)
    if as_json:
        print(json.dumps({"ok": not failures, "checks": [asdict(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            sign, color = SIGNS[finding.ok]
            line = f"{padded(styled(sign, color), 4)}  {padded(finding.check, WIDTH)}  {finding.detail}"
            print(wrapped(line, WIDTH + 8))
            if finding.remedy:
                print(wrapped(f"{'':<4}  {'':<{WIDTH}}  → {finding.remedy}", WIDTH + 10))
        summary = f"{failures or 'No'} {'problem' if failures == 1 else 'problems'} found."
        print(f"\n{styled(summary, BOLD, RED if failures else GREEN)}")
    raise typer.Exit(1 if failures else 0)


@config.command()
def show() -> None:
    """Show every setting, the source of its value, and the value (secrets masked); then what is wrong, if anything."""
    from ...config import Settings, load

    rows = [("SETTING", "SOURCE", "VALUE"), *_settings()]
    names, sources = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, source, value in rows:  # the value last: it alone may be long
        print(f"{name:<{names}}  {source:<{sources}}  {value}")
    load(Settings)


@config.command()
def check() -> None:
    """Check the settings as a starting process does: exit code 2 and a line for each problem, or 0."""
    from ...config import Settings, load

    settings = load(Settings)
    print(f"The {len(Settings.model_fields)} settings are in order for {settings.ENVIRONMENT}.")


def _settings() -> list[tuple[str, str, str]]:
    """Return each setting with the layer that provided its value, and the value, valid or not, fit to be printed."""
    from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

    from ...config import Settings, layers

    schema = Settings.model_json_schema()
    sources = layers(Settings, EnvSettingsSource(Settings), DotEnvSettingsSource(Settings))
    values = {source: layer() for source, layer in sources.items()}
    rows = []
    for name, field in Settings.model_fields.items():
        source = next((source for source, found in values.items() if name in found), None)
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        value = values[source][name] if source else default
        source = source or ("none" if field.is_required() else "default")
        text = NOT_SET if value is None or value == "" else str(value)
        rows.append((name, source, masked(name, text) if text != NOT_SET and is_secret(name, schema) else text))
    return rows


def masked(name: str, secret: str) -> str:
    """Replace `secret` with asterisks; keep the host and path of an address, so that one sees where it points."""
    address = _ADDRESS.fullmatch(secret) if name.endswith("_URL") else None
    if address is None:
        return MASK
    login = f"{address['user']}{':' + MASK if address['password'] else ''}@" if address["user"] is not None else ""
    place = f"{address['host']}{address['port'] or ''}{address['path'] or ''}"
    return f"{address['scheme']}{login}{place}{'?' + MASK if address['query'] else ''}"


def is_secret(name: str, schema: dict[str, Any]) -> bool:
    return any(kind.get("format") == "password" for kind in kinds(name, schema))


def kinds(name: str, schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the JSON schemas of a setting's possible types, without null."""
    own: dict[str, Any] = schema["properties"][name]
    kinds = [kind for kind in own.get("anyOf", [own]) if kind.get("type") != "null"]
    return [schema["$defs"][kind["$ref"].rpartition("/")[2]] if "$ref" in kind else kind for kind in kinds]

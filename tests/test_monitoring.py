"""Monitoring as Prometheus, Alertmanager and Grafana see it. That it is attached, the rendered project tests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import alerts
import pytest
import yaml
from programs import program

from template import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Render

ADVICE = "run .ci/prometheus, or apt-get install prometheus prometheus-alertmanager"
SCHEMA = "@grafana/schema@13.2.3"  # of the Grafana that compose.monitoring.yaml names
TYPESCRIPT = "typescript@5.9.3"
ANSWERS: dict[str, dict[str, Any]] = {
    "default": {},
    "github": {"repository_url": "https://github.com/acme/order-desk", "project_name": "Zoë's “local”: #1 {{ x }} 🦊"},
}


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def unit_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    """`promtool test rules` of a project's deploy/prometheus."""
    tests = sorted(str(path) for path in (folder / "tests").glob("*.yml"))
    return run(program("promtool", ADVICE), "test", "rules", *tests, folder=folder)


@pytest.mark.parametrize("name", ANSWERS)
def test_prometheus_and_alertmanager_accept_their_configuration(render: Render, name: str) -> None:
    deploy = render(**ANSWERS[name]) / "deploy"
    for command in (
        [program("promtool", ADVICE), "check", "config", "prometheus/prometheus.yml"],
        [
            program("promtool", ADVICE),
            "check",
            "rules",
            "--lint-fatal",
            *map(str, deploy.glob("prometheus/rules/*.yml")),
        ],
        [program("amtool", ADVICE), "check-config", "alertmanager/alertmanager.yml"],
    ):
        ran = run(*command, folder=deploy)
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("name", ANSWERS)
def test_every_alert_fires_and_is_silent_when_it_should(render: Render, name: str) -> None:
    ran = unit_tests(render(**ANSWERS[name]) / "deploy" / "prometheus")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.agent
@pytest.mark.parametrize("change", ["never", "always", "at once"])
def test_an_alert_that_fires_wrongly_is_found_out(render: Render, tmp_path: Path, change: str) -> None:
    """The project's own tests fail when an alert never fires, when it always does, and when it does at once."""
    folder = tmp_path / "prometheus"
    shutil.copytree(render() / "deploy" / "prometheus", folder)
    changed = set()
    for path in (folder / "rules").glob("*.yml"):
        document = yaml.safe_load(path.read_text("utf-8"))
        for rule in (rule for group in document["groups"] for rule in group["rules"] if "alert" in rule):
            if change == "at once" and rule.pop("for", None) is None:
                continue
            rule["expr"] = {"never": "vector(0) > 1", "always": "vector(1)"}.get(change, rule["expr"])
            changed.add(rule["alert"])
        path.write_text(yaml.safe_dump(document), "utf-8")
    assert changed
    assert set(re.findall(r"alertname: (\w+)", unit_tests(folder).stderr)) >= changed


def test_runbooks_are_linked_where_the_host_is_known(render: Render) -> None:
    def links(**answers: str) -> set[str]:
        text = (render(**answers) / "deploy/prometheus/rules/alerts.yml").read_text("utf-8")
        return {link.rpartition("/")[0] for link in re.findall(r"runbook_url: (.*)", text)}

    assert links() == {"docs/runbooks"}
    assert links(repository_url="https://github.com/acme/it") == {"https://github.com/acme/it/blob/main/docs/runbooks"}
    assert links(repository_url="https://gitlab.com/acme/it") == {
        "https://gitlab.com/acme/it/-/blob/main/docs/runbooks"
    }
    assert links(repository_url="https://example.org/it") == {"docs/runbooks"}


def test_the_operators_form_of_the_rules_is_in_step() -> None:
    assert alerts.RESOURCE.read_text("utf-8") == alerts.resource(), "stale: run `make alerts`"


@pytest.mark.agent
@pytest.mark.xdist_group("grafana")
def test_dashboards_are_what_grafana_types_say(render: Render) -> None:
    """Each dashboard, and the options of each panel, as a literal of Grafana's own types."""
    npm = program("npm", "apt-get install npm")
    tools = ROOT / ".tools" / "grafana"
    tools.mkdir(parents=True, exist_ok=True)
    if not (tools / "node_modules" / ".bin" / "tsc").exists():
        ran = run(
            npm,
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(tools),
            SCHEMA,
            TYPESCRIPT,
            folder=tools,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    for path in sorted((render() / "deploy/grafana/dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text("utf-8"))
        (tools / f"{path.stem}.ts").write_text(typed(dashboard), "utf-8")
    ran = run("node_modules/.bin/tsc", *TSC, *(path.name for path in tools.glob("*.ts")), folder=tools)
    assert ran.returncode == 0, ran.stdout + ran.stderr


TSC = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext"]
PANELS = {"stat": "StatPanelCfg", "timeseries": "TimeSeriesPanelCfg", "table": "TablePanelCfg"}


def typed(dashboard: dict[str, Any]) -> str:
    """TypeScript that assigns the dashboard, its targets and its panels' options to the types that they have."""
    lines = ['import type { Dashboard, DataQuery } from "@grafana/schema";']
    lines.append(f"const dashboard: Dashboard = {json.dumps(dashboard)};")
    return "\n".join(lines) + "\n"

"""Prometheus, Alertmanager and Grafana accept the monitoring files. The rendered project tests that they are in use."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.external_programs import program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

ADVICE = "run .ci/prometheus, or apt-get install prometheus prometheus-alertmanager"
NODE = ["@grafana/schema@13.2.3", "typescript@5.9.3"]  # the former of the Grafana in compose.monitoring.yaml
ANSWERS: dict[str, dict[str, Any]] = {
    "default": {},
    "github": {"repository_url": "https://github.com/acme/order-desk", "project_name": "Zoë's “local”: #1 {{ x }} 🦊"},
}
each_project = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "default" else pytest.mark.slow) for name in ANSWERS]
)


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def unit_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `promtool test rules` on a project's deploy/prometheus."""
    tests = sorted(str(path) for path in (folder / "tests").glob("*.yml"))
    return run(program("promtool", ADVICE), "test", "rules", *tests, folder=folder)


@each_project
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


@each_project
def test_every_alert_fires_only_when_it_should(render: Render, name: str) -> None:
    ran = unit_tests(render(**ANSWERS[name]) / "deploy" / "prometheus")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.agent
@pytest.mark.parametrize("change", ["never", "always", "at once"])
def test_a_wrong_alert_is_found(render: Render, tmp_path: Path, change: str) -> None:
    """The project's tests fail if an alert never fires, always fires, or fires at once."""
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


@pytest.mark.slow
def test_runbooks_are_linked_where_the_host_is_known(render: Render) -> None:
    def links(**answers: str) -> set[str]:
        text = (render(**answers) / "deploy/prometheus/rules/alerts.yml").read_text("utf-8")
        return {link.partition("#")[0] for link in re.findall(r"runbook_url: (.*)", text)}

    assert links() == {"docs/runbooks.md"}
    assert links(repository_url="https://github.com/acme/it") == {
        "https://github.com/acme/it/blob/main/docs/runbooks.md"
    }
    for url in ("https://gitlab.com/acme/it", "https://gitlab.com/acme/it.git"):
        assert links(repository_url=url) == {"https://gitlab.com/acme/it/-/blob/main/docs/runbooks.md"}
    assert links(repository_url="https://example.org/it") == {"docs/runbooks.md"}
    own = links(repository_url="https://code.example.org/acme/desk/it", ci="gitlab")
    assert own == {"https://code.example.org/acme/desk/it/-/blob/main/docs/runbooks.md"}
    assert links(ci="gitlab") == {"docs/runbooks.md"}


# JSON has the values of an enum instead of the enum.
PLAIN = """
type Plain<T> = T extends string ? `${T}`
  : T extends number ? (number extends T ? number : `${T}` extends `${infer N extends number}` ? N : T)
  : T extends readonly (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
"""
PANELS = {"stat": "Stat", "table": "Table", "timeseries": "TimeSeries"}
TSC = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler"]


MISTAKES = {'"unit": "s"': '"unit": 1', '"mode": "multi"': '"mode": "several"', '"w": 24': '"width": 24'}


def typescript(dashboard: dict[str, Any]) -> str:
    """Return a dashboard and the options of its panels as literals of Grafana's types."""
    for annotation in dashboard["annotations"]["list"]:
        del annotation["titleFormat"], annotation["target"]["expr"]  # its plugin publishes no types
    lines = ['import type { Dashboard } from "@grafana/schema";', PLAIN]
    for kind, name in PANELS.items():
        module = f"@grafana/schema/dist/esm/raw/composable/{kind}/panelcfg/x/{name}PanelCfg_types.gen"
        lines.append(f'import type * as {name} from "{module}";')
    lines.append(f"export const dashboard: Plain<Dashboard> = {json.dumps(dashboard)};")
    for panel in dashboard["panels"]:
        if name := PANELS.get(panel["type"], ""):
            custom = json.dumps(panel["fieldConfig"]["defaults"].get("custom", {}))
            lines += [
                f"export const o{panel['id']}: Plain<Partial<{name}.Options>> = {json.dumps(panel['options'])};",
                f"export const c{panel['id']}: Plain<Partial<{name}.FieldConfig>> = {custom};",
            ]
    return "\n".join(line for line in lines if "Stat.FieldConfig" not in line) + "\n"


@pytest.mark.agent
def test_dashboards_match_grafanas_types(render: Render, tmp_path: Path) -> None:
    """Planted mistakes do not: a numeric unit, a tooltip without a mode, a panel without a width."""
    npm = program("npm", "apt-get install npm")
    ran = run(npm, "install", "--no-save", "--no-audit", "--no-fund", "--prefer-offline", *NODE, folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for path in sorted((render() / "deploy/grafana/dashboards").glob("*.json")):
        (tmp_path / f"{path.stem}.ts").write_text(typescript(json.loads(path.read_text("utf-8"))), "utf-8")
        for number, (right, wrong) in enumerate(MISTAKES.items()):
            text = path.read_text("utf-8")
            assert right in text
            dashboard = json.loads(text.replace(right, wrong, 1))
            (tmp_path / f"wrong-{number}-{path.stem}.ts").write_text(typescript(dashboard), "utf-8")
    ran = run("node_modules/.bin/tsc", *TSC, *(path.name for path in tmp_path.glob("*.ts")), folder=tmp_path)
    found = set(re.findall(r"^(\S+)\.ts\(", ran.stdout, re.MULTILINE))
    assert found == {path.stem for path in tmp_path.glob("wrong-*.ts")}, ran.stdout

"""A real Prometheus and a real Alertmanager monitor the processes of a rendered project."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import httpx2
import pytest
import yaml

from tests.deploy.test_monitoring import ADVICE
from tests.support import bytecode
from tests.support.external_programs import program
from tests.support.projects import environment
from tests.support.stacks import running, running_stack
from tests.support.template import render

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.agent, pytest.mark.xdist_group("agent")]

WAIT_SECONDS = 120
# Without errors, prices, rejected requests and ticks, these have no series yet.
SILENT = {
    "llm_cost_usd_total",
    "llm_errors_total",
    "llm_fallbacks_total",
    "rate_limited_requests_total",
    "budget_refusals_total",
    "scheduler_ticks_total",
    "ALERTS",
}


class Chat(BaseHTTPRequestHandler):
    """Receives alerts."""

    alerts: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.alerts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(what: str, condition: Any) -> Any:  # noqa: ANN401
    """Wait until a condition returns something true, and return it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except httpx2.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"not within {WAIT_SECONDS} seconds: {what}")


class Prometheus:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ready(self) -> bool:
        """Whether it answers; it returns 503 without a document until it has loaded its data."""
        return httpx2.get(f"{self.url}/-/ready", timeout=10).is_success

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401
        document = httpx2.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=10).json()
        assert document["status"] == "success", document
        return document["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return result

    def firing(self) -> set[str]:
        return {item["labels"]["alertname"] for item in self.get("alerts")["alerts"] if item["state"] == "firing"}


def hurried(project: Path, ports: dict[str, int], alertmanager: int, target: Path) -> None:
    """Return the project's configuration and rules with other addresses, and waits of a second."""
    source = project / "deploy" / "prometheus"
    document = yaml.safe_load((source / "prometheus.yml").read_text("utf-8"))
    document["global"] |= {"scrape_interval": "3s", "scrape_timeout": "3s", "evaluation_interval": "1s"}
    document["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{alertmanager}"]
    for job in document["scrape_configs"]:
        port = ports.get(job["job_name"], alertmanager)
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    (target / "rules").mkdir(parents=True)
    (target / "prometheus.yml").write_text(yaml.safe_dump(document), "utf-8")
    for path in (source / "rules").glob("*.yml"):
        rules = yaml.safe_load(path.read_text("utf-8"))
        for rule in (rule for group in rules["groups"] for rule in group["rules"] if "for" in rule):
            rule["for"] = "1s"
        (target / "rules" / path.name).write_text(yaml.safe_dump(rules), "utf-8")
    configuration = yaml.safe_load((project / "deploy/alertmanager/alertmanager.yml").read_text("utf-8"))
    for route in (configuration["route"], *configuration["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "2s"}
    for receiver in configuration["receivers"]:
        receiver["slack_configs"][0]["api_url_file"] = str(target / "alert_url")
    (target / "alertmanager.yml").write_text(yaml.safe_dump(configuration), "utf-8")


def expressions(project: Path) -> dict[str, str]:
    """Return the expressions of the dashboards by panel, as Grafana sends them."""
    found = {}
    for path in (project / "deploy/grafana/dashboards").glob("*.json"):
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            for target in panel.get("targets", []):
                text = target["expr"].replace("$__rate_interval", "1m").replace("$__range", "1h")
                found[f"{path.stem}: {panel['title']} {target['refId']}"] = text.replace("$namespace", ".*")
    return found


def test_prometheus_scrapes_every_process_and_alerts_arrive(copier_template: Path, tmp_path: Path) -> None:
    project = render(copier_template, tmp_path / "project")
    subprocess.run(["uv", "sync", "--locked", "--quiet"], cwd=project, env=environment(), check=True)
    bytecode.borrow(project)
    chat = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    prometheus_port, alertmanager_port = free_port(), free_port()
    with ExitStack() as stack:
        threading.Thread(target=chat.serve_forever, daemon=True).start()
        stack.callback(chat.server_close)
        stack.callback(chat.shutdown)
        program_of_tools = [str(project / ".venv/bin/python"), str(project / "tests/support/mcp_server.py"), "stdio"]
        servers = json.dumps({"things": {"command": program_of_tools, "tools": ["add"]}})
        started = stack.enter_context(running_stack(project, tmp_path / "stack.log", MCP_SERVERS=servers))
        configuration = tmp_path / "configuration"
        hurried(project, started["ports"], alertmanager_port, configuration)
        nobody = (project / "deploy/alertmanager/nobody.url").read_text("utf-8")
        (configuration / "alert_url").write_text(nobody, "utf-8")
        command = [program("prometheus-alertmanager", ADVICE), f"--config.file={configuration / 'alertmanager.yml'}"]
        command += [f"--web.listen-address=127.0.0.1:{alertmanager_port}", "--cluster.listen-address="]
        stack.enter_context(running([*command, f"--storage.path={tmp_path / 'a'}"], tmp_path, tmp_path / "a.log"))
        command = [program("prometheus", ADVICE), f"--config.file={configuration / 'prometheus.yml'}"]
        command += [f"--web.listen-address=127.0.0.1:{prometheus_port}", f"--storage.tsdb.path={tmp_path / 'p'}"]
        stack.enter_context(running(command, tmp_path, tmp_path / "p.log"))
        prometheus = Prometheus(prometheus_port)

        wait_for("Prometheus is ready", prometheus.ready)
        everybody = {*started["ports"], "alertmanager"}
        wait_for("all targets up", lambda: {item["metric"]["job"] for item in prometheus.query("up == 1")} == everybody)
        talk(started)
        time.sleep(7)  # rates need two scrapes
        check_expressions(prometheus, expressions(project))
        # Before the first scrape nothing was up, which raised an alert here, where alerts wait only a second.
        assert prometheus.firing() <= {"AlertsUndelivered"}

        os.kill(started["pids"]["worker"], signal.SIGKILL)
        wait_for("WorkerDown fires", lambda: "WorkerDown" in prometheus.firing())
        wait_for("AlertsUndelivered fires", lambda: "AlertsUndelivered" in prometheus.firing())
        assert "alert-url-not-set.invalid" in (tmp_path / "a.log").read_text("utf-8")

        (configuration / "alert_url").write_text(f"http://127.0.0.1:{chat.server_address[1]}/", "utf-8")
        wait_for("the alert arrives", lambda: [text for text in map(json.dumps, Chat.alerts) if "WorkerDown" in text])
        alert = next(text for text in map(json.dumps, Chat.alerts) if "WorkerDown" in text)
        assert "critical: my-agent" in alert
        assert "No worker process answers" in alert
        assert "docs/runbooks.md#workerdown" in alert


def talk(started: dict[str, Any]) -> None:
    """Run a turn in the web process, one that uses a tool, and one in the worker."""
    headers = {"Authorization": f"Bearer {started['token']}"}
    with httpx2.Client(base_url=f"http://127.0.0.1:{started['ports']['web']}", headers=headers, timeout=60) as client:
        session = client.post("/chat/sessions").raise_for_status().json()["session_id"]
        path = f"/chat/sessions/{session}/messages"
        client.post(path, json={"text": "Hello"}).raise_for_status()
        client.post(path, json={"text": "What time is it in Asia/Tokyo?"}).raise_for_status()
        client.post(path, json={"text": "Stream it"}, headers={"Accept": "text/event-stream"}).raise_for_status()
        queued = client.post(path, json={"text": "Later"}, headers={"Prefer": "respond-async"}).raise_for_status()
        location = queued.headers["location"]
        wait_for("the turn in the worker", lambda: client.get(location).json()["finished_at"])


def check_expressions(prometheus: Prometheus, panels: dict[str, str]) -> None:
    """Check that Prometheus accepts every expression of the dashboards, and has data for each that should have."""
    empty = {name: text for name, text in panels.items() if not prometheus.query(text)}
    unexpected = {name: text for name, text in empty.items() if not any(metric in text for metric in SILENT)}
    assert {name: text for name, text in unexpected.items() if "5.." not in text and "error_ratio" not in text} == {}

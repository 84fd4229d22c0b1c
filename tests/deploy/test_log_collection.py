"""Docker Compose and Elasticsearch's types accept the configuration of the log store; neither runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.external_programs import program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

NODE = ["@elastic/elasticsearch@9.5.1", "typescript@5.9.3"]
TSC = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext"]
TSC += ["--lib", "es2022,dom"]
TYPES = {"index-template": "IndicesPutIndexTemplateRequest", "role": "SecurityPutRoleRequest"}
MISTAKES = {
    "index-template": [('"30d"', "true"), ('"priority"', '"importance"'), ('"match_only_text"', '"prose"')],
    "role": [('"names"', '"indices"')],
}
# Prints the request's body and a zero byte.
CURL = """#!/bin/sh
cat >/dev/null
while [ "$1" != --data ]; do shift; done
printf '%s\\0' "$2"
"""


def requests(folder: Path) -> dict[str, str]:
    """Return the bodies that `setup` sends to Elasticsearch, by name."""
    role = re.search(r"/role/log_writer\" \\\n +'(.*)'", (folder / "setup").read_text("utf-8"))
    assert role
    return {"index-template": (folder / "index-template.json").read_text("utf-8"), "role": role[1]}


@pytest.mark.parametrize("name", ["Agent", "Zoë's “local”: #1 {{ x }} 🦊"])
def test_setup_sends_json(render: Render, tmp_path: Path, name: str) -> None:
    """A program in place of curl keeps the bodies of its requests."""
    folder = shutil.copytree(render(project_name=name) / "deploy" / "logging", tmp_path / "logging")
    setup = folder / "setup"
    setup.write_text(setup.read_text("utf-8").replace("secrets=/run/secrets", f"secrets={tmp_path}"), "utf-8")
    for password in ("elastic_password", "kibana_password", "log_writer_password"):
        (tmp_path / password).write_text("0123", "utf-8")
    curl = tmp_path / "curl"
    curl.write_text(CURL, "utf-8")
    curl.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    bodies = [
        body
        for step in ("elasticsearch", "kibana")
        for body in subprocess.check_output([setup, step], env={"PATH": path}, text=True).split("\0")[:-1]
    ]
    assert bodies[0] == f"@{folder / 'index-template.json'}"
    role, user, kibana, view = map(json.loads, bodies[1:])
    assert bodies[1] == requests(folder)["role"]
    assert role["indices"][0]["privileges"] == ["auto_configure", "create_doc"]
    assert (user, kibana) == ({"password": "0123", "roles": ["log_writer"]}, {"password": "0123"})
    assert view["data_view"]["name"] == f"{name}: logs"


@pytest.mark.agent
def test_requests_match_the_types_of_elasticsearch(render: Render, tmp_path: Path) -> None:
    """A planted mistake does not match."""
    npm = program("npm", "apt-get install npm")
    command = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--prefer-offline", *NODE]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    for request, text in requests(render() / "deploy" / "logging").items():
        for number, (right, wrong) in enumerate([("{", "{"), *MISTAKES[request]]):
            assert right in text
            name = f"wrong-{number}-{request}" if number else request
            (tmp_path / f"{name}.ts").write_text(
                'import type { estypes } from "@elastic/elasticsearch";\n'
                f'export const request: Omit<estypes.{TYPES[request]}, "name"> = {text.replace(right, wrong, 1)};\n',
                "utf-8",
            )
    files = [path.name for path in tmp_path.glob("*.ts")]
    ran = subprocess.run(
        ["node_modules/.bin/tsc", *TSC, *files], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    wrong_files = set(re.findall(r"^(\S+\.ts)\(", ran.stdout, re.MULTILINE))
    assert wrong_files == {name for name in files if name.startswith("wrong-")}, ran.stdout


def test_compose_accepts_the_log_store_with_the_services(render: Render) -> None:
    project = render()
    docker = program("docker", "install Docker with Compose v2")
    command = [docker, "compose", "-f", "compose.yaml", "-f", "compose.monitoring.yaml", "-f", "compose.logging.yaml"]
    ran = subprocess.run(
        [*command, "config", "--quiet"],
        cwd=project,
        env={**os.environ, "ENVIRONMENT": "development", "GRAFANA_PASSWORD_FILE": "./README.md"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr

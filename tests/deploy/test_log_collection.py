"""Docker Compose and Elasticsearch's types accept the configuration of the log store; neither runs."""

from __future__ import annotations

import os
import re
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
REQUESTS = {"index-template.json": "IndicesPutIndexTemplateRequest", "role.json": "SecurityPutRoleRequest"}
MISTAKES = {
    "index-template.json": [('"30d"', "true"), ('"priority"', '"importance"'), ('"match_only_text"', '"prose"')],
    "role.json": [('"names"', '"indices"')],
}


@pytest.mark.agent
def test_requests_match_the_types_of_elasticsearch(render: Render, tmp_path: Path) -> None:
    """A planted mistake does not match."""
    npm = program("npm", "apt-get install npm")
    command = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--prefer-offline", *NODE]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    for file, kind in REQUESTS.items():
        text = (render() / "deploy" / "logging" / file).read_text("utf-8")
        for number, (right, wrong) in enumerate([("{", "{"), *MISTAKES[file]]):
            assert right in text
            name = f"wrong-{number}-{file}" if number else file
            (tmp_path / name).with_suffix(".ts").write_text(
                'import type { estypes } from "@elastic/elasticsearch";\n'
                f'export const request: Omit<estypes.{kind}, "name"> = {text.replace(right, wrong, 1)};\n',
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

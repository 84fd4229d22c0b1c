"""Clients that others made use a rendered agent: OpenAI's SDKs, LangChain, pydantic-ai and OpenAI's agents.

docs/clients.md of the project names their versions.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.deploy.test_monitoring_live import running
from tests.support.external_programs import program
from tests.support.projects import environment
from tests.support.template import FILES, ROOT, render

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.agent, pytest.mark.xdist_group("clients")]

DOCUMENT = FILES / "docs" / "{% if 'openai' in protocols %}clients.md{% endif %}.jinja"
PYTHON = ("langchain-openai==1.7.4", "pydantic-ai-slim[openai]==2.68.0", "openai-agents==0.24.0")
NODE = "openai@6.49.0"


@pytest.fixture(scope="module")
def agent(copier_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """Run a default rendering; return the address of web, a token, and the name of the model."""
    folder = tmp_path_factory.mktemp("clients")
    project = render(copier_template, folder / "project")
    subprocess.run(["uv", "sync", "--locked", "--quiet"], cwd=project, env=environment(), check=True)
    command = ["uv", "run", "--no-sync", "python", str(ROOT / "tests/programs/running_stack.py"), "my_agent"]
    with running(command, project, folder / "stack.log") as processes:
        assert processes.stdout is not None
        line = processes.stdout.readline()
        assert line, (folder / "stack.log").read_text("utf-8")
        started = json.loads(line)
        yield f"http://127.0.0.1:{started['ports']['web']}", started["tokens"]["user"], "my-agent"


def run(command: list[str], folder: Path) -> None:
    ran = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stdout + ran.stderr


def test_clients_in_python_work(agent: tuple[str, str, str], tmp_path: Path) -> None:
    packages = [option for package in PYTHON for option in ("--with", package)]
    run(["uv", "run", "--quiet", "--no-project", *packages, str(ROOT / "tests/programs/clients.py"), *agent], tmp_path)


def test_the_sdk_for_node_works(agent: tuple[str, str, str], tmp_path: Path) -> None:
    npm, node = program("npm", "apt-get install npm"), program("node", "apt-get install nodejs")
    subprocess.run([npm, "install", "--no-save", "--no-audit", "--no-fund", NODE], cwd=tmp_path, check=True)
    (tmp_path / "clients.mjs").write_text((ROOT / "tests/programs/clients.mjs").read_text("utf-8"), "utf-8")
    run([node, "clients.mjs", *agent], tmp_path)


def test_the_document_names_the_tested_versions() -> None:
    versions = re.findall(r"^\| .+ \| `?([0-9.]+)`? \| ", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert {each.rpartition("=")[2].rpartition("@")[2] for each in (*PYTHON, NODE)} <= set(versions)

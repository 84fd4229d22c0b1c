"""Clients that others made use a rendered agent: OpenAI's SDKs, LangChain, pydantic-ai, OpenAI's agents and AG-UI's.

docs/clients.md and docs/ag-ui.md of the project name their versions.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.external_programs import program
from tests.support.projects import environment
from tests.support.stacks import running_stack
from tests.support.template import FILES, ROOT, render

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.agent, pytest.mark.xdist_group("clients")]

OF_OPENAI = "{% if 'openai' in protocols %}clients.md{% endif %}.jinja"
OF_AG_UI = "{% if 'ag_ui' in protocols %}ag-ui.md{% endif %}"
PYTHON = ("langchain-openai==1.7.4", "pydantic-ai-slim[openai]==2.68.0", "openai-agents==0.24.0")
NODE = "openai@6.49.0"
AG_UI = "@ag-ui/client@1.0.0"
GATED = """

@toolset.tool_plain(requires_approval=True)
async def wipe(name: str) -> str:
    \"\"\"Pretend to delete something.\"\"\"
    return f"Wiped {name}."
"""


@pytest.fixture(scope="module")
def agent(copier_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """Run an agent with a tool that needs approvals; return the address of web, a token, and the name of the model."""
    folder = tmp_path_factory.mktemp("clients")
    project = render(copier_template, folder / "project", {"protocols": ["openai", "ag_ui"]})
    tools = project / "src/my_agent/agent/tools.py"
    tools.write_text(tools.read_text("utf-8") + GATED, "utf-8")
    subprocess.run(["uv", "sync", "--locked", "--quiet"], cwd=project, env=environment(), check=True)
    with running_stack(project, folder / "stack.log") as started:
        yield f"http://127.0.0.1:{started['ports']['web']}", started["tokens"]["user"], "my-agent"


def run(command: list[str], folder: Path) -> None:
    ran = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stdout + ran.stderr


def test_clients_in_python_work(agent: tuple[str, str, str], tmp_path: Path) -> None:
    packages = [option for package in PYTHON for option in ("--with", package)]
    run(["uv", "run", "--quiet", "--no-project", *packages, str(ROOT / "tests/programs/clients.py"), *agent], tmp_path)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Node.js, and a folder with the clients for it."""
    folder = tmp_path_factory.mktemp("node")
    npm, node = program("npm", "apt-get install npm"), program("node", "apt-get install nodejs")
    subprocess.run([npm, "install", "--no-save", "--no-audit", "--no-fund", NODE, AG_UI], cwd=folder, check=True)
    return node, folder


def test_the_sdk_for_node_works(agent: tuple[str, str, str], node: tuple[str, Path]) -> None:
    run_in_node("clients.mjs", agent, node)


def test_the_client_of_ag_ui_works(agent: tuple[str, str, str], node: tuple[str, Path]) -> None:
    run_in_node("ag_ui.mjs", agent, node)


def test_the_example_for_ag_ui_works(agent: tuple[str, str, str], node: tuple[str, Path]) -> None:
    url, token, _ = agent
    [example] = re.findall(r"^```js\n(.*?)^```$", document(OF_AG_UI), re.MULTILINE | re.DOTALL)
    assert example in (ROOT / "docs/how-to/ag-ui.md").read_text("utf-8")
    (node[1] / "example.mjs").write_text(example, "utf-8")
    variables = {**environment(), "AGENT_URL": url, "AGENT_TOKEN": token}
    command = [node[0], "example.mjs"]
    ran = subprocess.run(command, cwd=node[1], env=variables, capture_output=True, text=True, check=True)
    assert 'Before that: "My name is Ada."' in ran.stdout


def run_in_node(name: str, agent: tuple[str, str, str], node: tuple[str, Path]) -> None:
    (node[1] / name).write_text((ROOT / "tests/programs" / name).read_text("utf-8"), "utf-8")
    run([node[0], name, *agent], node[1])


def document(name: str) -> str:
    return (FILES / "docs" / name).read_text("utf-8")


def test_the_documents_name_the_tested_versions() -> None:
    text = document(OF_OPENAI) + document(OF_AG_UI)
    versions = re.findall(r"^\| .+ \| `?([0-9.]+)`? \| ", text, re.MULTILINE)
    assert {each.rpartition("=")[2].rpartition("@")[2] for each in (*PYTHON, NODE, AG_UI)} <= set(versions)

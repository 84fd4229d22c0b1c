"""The template's tests pass in a project whose owner replaced the example agent."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.projects import environment, run, share
from tests.support.template import render

if TYPE_CHECKING:
    from pathlib import Path

TESTS = "tests/agent tests/unit tests/integration tests/e2e/test_conversation.py"
AGENT = {
    "tools.py": '''"""What the desk can do."""

from __future__ import annotations

from pydantic_ai import FunctionToolset

from ..extensions import ToolContext

toolset = FunctionToolset[ToolContext]()


@toolset.tool_plain
async def find_order(number: int) -> str:
    """Find an order.

    Args:
        number: Its number, as the confirmation says.
    """
    return f"Order {number} is on its way."
''',
    "routes.py": '''"""No routes yet."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
''',
    "settings.py": '''"""No settings yet."""

from __future__ import annotations

from pydantic_settings import BaseSettings


class AgentSettings(BaseSettings):
    """Each field is a variable of the environment, by its own name."""
''',
    "commands.py": '''"""No commands yet."""

from __future__ import annotations

import typer

app = typer.Typer()
''',
    "exports.py": '''"""No tables yet."""

from __future__ import annotations

from ..extensions import ExportRegistry

registry = ExportRegistry()
''',
    "instructions.md": "You are the desk of Acme: you tell where an order is.\n",
}
OWN_TEST = '''"""The desk finds orders."""

from __future__ import annotations

from my_agent.agent.tools import find_order


async def test_an_order_is_found() -> None:
    assert await find_order(7) == "Order 7 is on its way."
'''


def replace_the_example(project: Path) -> None:
    """Change the owner's files, and those that list their routes: under tests/, only tests/agent/."""
    agent = project / "src" / "my_agent" / "agent"
    (agent / "notes.py").unlink()
    for name, text in AGENT.items():
        (agent / name).write_text(text, "utf-8")
    shutil.rmtree(project / "migrations" / "agent")
    shutil.rmtree(project / "tests" / "agent", ignore_errors=True)
    (project / "tests" / "agent").mkdir()
    (project / "tests" / "agent" / "test_orders.py").write_text(OWN_TEST, "utf-8")
    components = project / "deploy" / "kubernetes" / "components"
    for path, pattern in (
        (components / "gateway" / "route.yaml", r" +- path:\n +type: PathPrefix\n +value: /notes\n"),
        (components / "ingress" / "ingress.yaml", r" +- path: /notes\n(?: {12}.*\n)+"),
    ):
        text, found = re.subn(pattern, "", path.read_text("utf-8"))
        assert found == 1, path
        path.write_text(text, "utf-8")


@pytest.mark.agent
def test_another_agent_passes_the_tests_of_the_template(copier_template: Path, tmp_path: Path) -> None:
    project = render(copier_template, tmp_path / "project")
    replace_the_example(project)
    log = tmp_path / "log.txt"
    run("uv sync --locked --quiet", project, log, environment())
    for command, path in (("openapi", "openapi.json"), ("config docs", "docs/settings.md")):
        written = subprocess.run(
            ["uv", "run", "my-agent", *command.split()], cwd=project, env=environment(), capture_output=True, check=True
        )
        (project / path).write_bytes(written.stdout)
    run("uv run ruff check", project, log, environment())
    run(f"uv run pytest --no-cov {TESTS}", project, log, share())

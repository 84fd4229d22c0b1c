"""An update of a project after months of its owner's work loses nothing, and all tests pass."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.programs import releases
from tests.support.git import commit, git
from tests.support.projects import environment, run
from tests.support.template import FILES, README, render
from tests.support.updating import release, update

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.agent, pytest.mark.essential]

PACKAGE = "src/my_agent"
# The tests of what the owner and the release changed.
TOUCHED = "tests/agent tests/unit tests/rules/local tests/integration/test_migrations.py"
TOOL = '''

@toolset.tool_plain
async def render_markdown(text: str) -> str:
    """Turn Markdown into HTML.

    Args:
        text: The Markdown.
    """
    return str(MarkdownIt().render(text))
'''
ROUTE = '''

class Greeting(BaseModel):
    """The body of `GET /greeting`."""

    greeting: str


@router.get("/greeting")
async def greet(request: Request, owner: Owner) -> Greeting:
    """A greeting in the words of the settings."""
    return Greeting(greeting=f"{request.app.state.settings.GREETING}, {owner}")
'''
MIGRATION = '''"""A colour for each note."""

from alembic import op

revision = "agent_0002"
down_revision = "agent_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE notes ADD COLUMN colour text")


def downgrade() -> None:
    op.execute("ALTER TABLE notes DROP COLUMN colour")
'''
OWN_TEST = '''"""The greeting, the tool and the column."""

from __future__ import annotations

import httpx2

from my_agent.agent.tools import render_markdown
from my_agent.services.container import ServiceContainer


async def test_the_route_greets(client: httpx2.AsyncClient, owner: str) -> None:
    assert (await client.get("/greeting")).json() == {"greeting": f"Hello, {owner}"}


async def test_the_tool_renders() -> None:
    assert await render_markdown("*it*") == "<p><em>it</em></p>\\n"


async def test_both_branches_are_upgraded(services: ServiceContainer) -> None:
    count = "SELECT count(*) FROM information_schema.columns WHERE (table_name, column_name) IN "
    assert await services.database.fetch_value(count + "(('notes', 'colour'), ('turns', 'planted'))") == 2
'''
RULE = """---
id: local-2
title: Tools are few
level: advised
since: 1.0.0
changed: 1.0.0
checks:
  - tools-are-few
---

# Tools are few

## What

There are ten tools at most.

## Why

A model chooses badly among many.

## How

Put two that do nearly the same together.

## How it is checked

`uv run my-agent rules --rule local-2`

- `tools-are-few`: counts them.

## Exceptions

None so far.
"""
CHECK = '''"""An own rule: there are few tools."""

from __future__ import annotations

from collections.abc import Iterator

from agent_devtools.rules.check import check
from agent_devtools.rules.project import Project, Violation


@check("Put two tools that do nearly the same together.")
def test_tools_are_few(project: Project) -> Iterator[Violation]:
    module = project.module("agent/tools.py")
    if (found := "\\n".join(module.lines).count("@toolset.tool")) > 10:
        yield module.at(1, f"there are {found} tools")
'''


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text, f"{path.name} has no {old!r}"
    path.write_text(text.replace(old, new, 1), "utf-8")


def work(project: Path) -> None:
    """Change a project as its owner does, in the owner's package and in files of the template."""
    agent = project / PACKAGE / "agent"
    (agent / "instructions.md").write_text("You are the desk of Acme.\n", "utf-8")
    append(agent / "tools.py", TOOL)
    replace(agent / "tools.py", "from ..extensions", "from markdown_it import MarkdownIt\n\nfrom ..extensions")
    append(agent / "routes.py", ROUTE)
    append(agent / "settings.py", '    GREETING: str = Field("Hello", description="How callers are greeted.")\n')
    (project / "migrations" / "agent" / "0002_colour.py").write_text(MIGRATION, "utf-8")
    (project / "tests" / "agent").mkdir(exist_ok=True)
    (project / "tests" / "agent" / "test_mine.py").write_text(OWN_TEST, "utf-8")
    (project / "rules" / "local" / "02-few.md").write_text(RULE, "utf-8")
    (project / "tests" / "rules" / "local" / "test_02_few.py").write_text(CHECK, "utf-8")
    replace(project / "pyproject.toml", '    "psycopg[', '    "markdown-it-py>=3",\n    "psycopg[')
    append(project / "README.md", "\n## On call\n\nAsk Zoë.\n")
    append(project / ".gitignore", "\n/notebooks/\n")
    replace(project / "Procfile", "web:", "# Three processes.\nweb:")
    components = project / "deploy" / "kubernetes" / "components"
    notes = "        - path:\n            type: PathPrefix\n            value: /notes\n"
    replace(components / "gateway" / "route.yaml", notes, notes + notes.replace("/notes", "/greeting"))
    ingress = components / "ingress" / "ingress.yaml"
    (notes,) = re.findall(r"^ +- path: /notes\n(?: {12}.*\n)+", ingress.read_text("utf-8"), re.MULTILINE)
    replace(ingress, notes, notes + notes.replace("/notes", "/greeting"))
    (project / "docs" / "on-call.md").write_text("# On call\n\nAsk Zoë.\n", "utf-8")
    (project / "tests" / "unit" / "test_network_guard.py").unlink()


def renew(template: Path) -> None:
    """Release changes of each kind, some in files that the owner edited."""
    files = template / FILES.name
    platform = files / "migrations" / "platform"
    newest = max(platform.glob("[0-9]*.py"))
    number = int(newest.name[:4]) + 1
    text = newest.read_text("utf-8")
    revision = re.search(r'^revision = "(.+)"$', text, re.MULTILINE)
    assert revision
    text = MIGRATION.replace("agent_0002", f"platform_{number:04}").replace('"agent_0001"', f'"{revision[1]}"')
    text = (
        text.replace("TABLE notes", "TABLE turns").replace("colour text", "planted text").replace("colour", "planted")
    )
    (platform / f"{number:04}_planted.py").write_text(text, "utf-8")
    replace(files / README, "# {{ project_name }}\n", "# {{ project_name }}\n\nNew here: a planted column.\n")
    replace(files / ".gitignore", "\n", "\n/planted/\n")
    replace(
        files / "pyproject.toml.jinja",
        '    "types-croniter>=6",\n',
        '    "types-croniter>=6",\n    "typing-extensions>=4",\n',
    )
    (files / "docs" / "planted.md").write_text("# Planted\n\nNew.\n", "utf-8")
    append(files / "tests" / "unit" / "test_network_guard.py", "\n# Planted.\n")
    for changes in releases.RULES.values():
        planted = "\n## 99.0.0 (2026-12-01)\n\n- **9.1** a planted change.\n\n## "
        replace(files.parent / changes, "\n## ", planted)


def without_imports(data: bytes) -> list[bytes]:
    """Return the lines of a file that a hook leaves alone when modules move."""
    return [line for line in data.splitlines() if not line.lstrip().startswith((b"from ", b"import "))]


def test_an_owners_work_survives_an_update(
    copier_template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = shutil.copytree(copier_template, tmp_path / "template", symlinks=True)
    start = next(iter(release.version for release in reversed(releases.releases())), releases.following())
    project = render(template, tmp_path / "project", vcs_ref=start)
    commit(project, "Scaffold")
    log = tmp_path / "log.txt"

    def owner(*commands: str) -> None:
        for command in commands:
            run(command, project, log, environment())

    work(project)
    owner("uv lock --quiet", "uv sync --quiet", "uv run ruff check", "uv run ruff format --check")
    for command, path in (("openapi", "openapi.json"), ("config docs", "docs/settings.md")):
        written = subprocess.run(
            ["uv", "run", "my-agent", *command.split()], cwd=project, env=environment(), capture_output=True, check=True
        )
        (project / path).write_bytes(written.stdout)
    commit(project, "A month of work")
    mine = git(project, "diff", "--name-only", "HEAD~1").splitlines()
    before = {name: (project / name).read_bytes() for name in mine if (project / name).exists()}

    renew(template)
    release(template, "99.0.0")
    update(project, quiet=False, unsafe=start != releases.following())
    expected = capsys.readouterr().err

    assert "uv lock " in expected
    assert "- **9.1** a planted change." in expected
    status = git(project, "status", "--porcelain").splitlines()
    conflicts = {line[3:] for line in status if line[:2] in {"UU", "AA", "DU", "UD"}}
    assert conflicts <= {"openapi.json"}, "only what `sync` writes again may have conflicts"
    assert list(project.rglob("*.rej")) == []
    assert not (project / "tests" / "unit" / "test_network_guard.py").exists(), "a deleted file came back"
    merged = {"README.md", ".gitignore", "pyproject.toml", "Procfile", "openapi.json", "docs/settings.md"}
    ways_in = {f"deploy/kubernetes/components/{name}" for name in ("gateway/route.yaml", "ingress/ingress.yaml")}
    merged |= ways_in
    assert [name for name in ways_in if "/greeting" not in (project / name).read_text("utf-8")] == []
    changed = {
        name for name in before if without_imports((project / name).read_bytes()) != without_imports(before[name])
    }
    assert changed <= merged
    readme = (project / "README.md").read_text("utf-8")
    assert "New here: a planted column." in readme
    assert readme.endswith("\n## On call\n\nAsk Zoë.\n")
    ignored = (project / ".gitignore").read_text("utf-8").splitlines()
    assert {"/planted/", "/notebooks/"} <= set(ignored)
    wanted = (project / "pyproject.toml").read_text("utf-8")
    assert '"markdown-it-py>=3"' in wanted
    assert '"typing-extensions>=4"' in wanted
    assert "# Three processes." in (project / "Procfile").read_text("utf-8")
    assert (project / "docs" / "planted.md").exists()

    owner("uv lock --quiet", "uv sync --locked --quiet", "uv run my-agent sync")
    owner("uv run ruff check", "uv run ruff format --check")
    owner("uv run lint-imports", "uv run my-agent rules --fast", "uv run pytest --no-cov " + TOUCHED)
    commit(project, "Updated")
    assert git(project, "status", "--porcelain") == ""

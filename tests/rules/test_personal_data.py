"""The check of tables with personal data: which tables it sees, and which count as exported and erased."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.rules.projects import installed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

pytestmark = pytest.mark.xdist_group("rules")

MIGRATION = "from alembic import op\nimport sqlalchemy as sa\n\n\ndef upgrade():\n    {statement}\n"
ASK = """
import json, sys
from pathlib import Path
from agent_devtools.rules import sql
from agent_devtools.rules.project import Project
project = Project(Path.cwd()).planted(json.load(sys.stdin))
known = sql.tables(project)
exported, erased = sql.reached(project, "kind"), sql.reached(project, "erasure")
print(json.dumps({
    name: [sql.reads(exported, name), sql.is_erased(erased, name, known)] for name in known
}))
"""
EXPORTS = """
from ..extensions import ExportRegistry
from . import planted_store

registry = ExportRegistry()


@registry.kind("planted")
async def planted_of(executor, owner):
    for row in await planted_store.find(executor, owner):
        yield row


@registry.erasure("planted")
async def erase_planted(executor, owner):
    return await planted_store.forget(executor, owner)
"""
STORE = """
ERASE = "DELETE FROM planted WHERE owner = %(owner)s"


async def find(executor, owner):
    return await executor.fetch_all(dict, "SELECT * FROM planted WHERE owner = %(owner)s", {"owner": owner})


async def forget(executor, owner):
    return await executor.execute(ERASE, {"owner": owner})
"""


@pytest.fixture(scope="module")
def project(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(render(), tmp_path_factory.mktemp("belongings") / "project")


def found(project: Path, statement: str, **files: str) -> dict[str, list[bool]]:
    """Return the tables with an owner, each with whether it is exported and whether it is erased."""
    planted = {"migrations/agent/0001_notes.py": MIGRATION.format(statement=statement)}
    planted |= {f"src/my_agent/agent/{name}.py": text for name, text in files.items()}
    command = [".venv/bin/python", "-c", ASK]
    done = subprocess.run(command, cwd=project, input=json.dumps(planted), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, list[bool]] = json.loads(done.stdout)
    return answer


SEEN = {
    "sql": 'op.execute("CREATE TABLE planted (id int, owner text NOT NULL)")',
    "quoted": """op.execute('CREATE TABLE IF NOT EXISTS public."planted" ("user_id" text, PRIMARY KEY (user_id))')""",
    "reference": 'op.execute("CREATE TABLE planted (whose text REFERENCES users (subject))")',
    "alter": 'op.execute("ALTER TABLE planted ADD COLUMN session_id uuid")',
    "alembic": 'op.create_table("planted", sa.Column("id", sa.Integer), sa.Column("owner", sa.Text))',
    "column": 'op.add_column("planted", sa.Column("created_by", sa.Text))',
    "key": 'op.create_table("planted", sa.Column("of", sa.Text, sa.ForeignKey("users.subject")))',
}


@pytest.mark.parametrize("kind", SEEN)
def test_every_form_of_a_table_with_an_owner_is_seen(project: Path, kind: str) -> None:
    assert found(project, SEEN[kind]) == {"planted": [False, False]}
    assert found(project, SEEN[kind], exports=EXPORTS, planted_store=STORE) == {"planted": [True, True]}


@pytest.mark.parametrize(
    "statement",
    [
        'op.execute("CREATE TABLE planted (id int, city text)")',
        'op.execute("CREATE TABLE planted (id int -- the owner\\n, city text)")',
        "op.execute('CREATE TABLE planted (owner text); DROP TABLE planted')",
    ],
)
def test_a_table_without_an_owner_passes(project: Path, statement: str) -> None:
    assert found(project, statement) == {}


@pytest.mark.parametrize(
    "statement",
    [
        'op.execute("CREATE TABLE planted (of uuid REFERENCES chat_sessions (id) ON DELETE CASCADE)")',
        'op.create_table("planted", sa.Column("of", sa.Uuid, sa.ForeignKey("turns.id", ondelete="CASCADE")))',
    ],
)
def test_a_table_of_sessions_is_erased_and_still_has_to_be_exported(project: Path, statement: str) -> None:
    assert found(project, statement) == {"planted": [False, True]}

"""In ordinary code of owners, violations are found, and code that keeps the rules passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rules.projects import TODAY, checks, copied, granted, installed, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

pytestmark = pytest.mark.xdist_group("rules")

AGENT = "src/my_agent/agent"
DEPLOYMENT = "kind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  template:\n    {rest}\n"

# Each keeps every rule.
KEEPS = {
    f"{AGENT}/asking.py": """
async def ask(agent, session):
    await session.run("MATCH (n) RETURN n")
    return await agent.run("What is new?")
""",
    f"{AGENT}/mining.py": """
ROWS = [1, 2]


def mine(rules, support=3):
    report = 5
    return rules.mine(min_support=support, transport=1, report=report)


def gather(ROWS):
    ROWS.append(3)
    rows = []
    rows.append(ROWS)
    return rows
""",
    f"{AGENT}/feeds.py": 'ATOM = "http://www.w3.org/2005/Atom"\n',
    f"{AGENT}/commands.py": """

def dump(path):
    path.write_text("orders")
    print("written")
""",
    f"{AGENT}/tools/orders.py": "from pydantic_ai import ModelRetry, RunContext\n",
    f"{AGENT}/settings/ports.py": "MAIL_PORT = 587\n",
    "venv/pyvenv.cfg": "home = /usr\n",
    "venv/lib/notebook/package.json": '{"dependencies": {"zod": "^3"}}',
    "compose.override.yaml": """
services:
  web:
    environment:
      DATABASE_POOL_SIZE: ${POOL:-5}
""",
    "deploy/kubernetes/base/pooler.yaml": DEPLOYMENT.format(
        name="pooler", rest="spec: {containers: [{name: pgbouncer, image: pgbouncer:1.24, args: [--quiet]}]}"
    ),
    "deploy/kubernetes/base/proxied.yaml": DEPLOYMENT.format(
        name="web", rest="spec: {containers: [{name: sql-proxy, image: cloud-sql-proxy:2.11, args: [orders]}]}"
    ),
    "deploy/kubernetes/overlays/production/node.yaml": DEPLOYMENT.format(
        name="web", rest="spec: {nodeSelector: {disk: fast}}"
    ),
    "deploy/kubernetes/overlays/production/note.yaml": DEPLOYMENT.format(
        name="worker", rest="metadata: {annotations: {team: orders}}"
    ),
}
# Each breaks only the rule of its check, on each marked line.
BREAKS = {
    f"{AGENT}/branch.py": """
def limit(settings, limits):
    if settings.ENVIRONMENT.startswith("prod"):  # no-branch-on-environment
        return 1
    return limits.get(settings.ENVIRONMENT, 2)  # no-branch-on-environment
""",
    f"{AGENT}/convert.py": """
import asyncio
import os
from subprocess import run as start


async def convert(path):
    os.system("convert x")  # system-tools-are-declared
    start(f"convert {path}", shell=True)  # system-tools-are-declared
    await asyncio.create_subprocess_shell("convert x")  # system-tools-are-declared
""",
    f"{AGENT}/payments.py": """
from os import environ

from pydantic_settings import BaseSettings

BILLING = "http://billing:8080/orders"  # no-address-in-code
ARCHIVE = "mongodb://archive/orders"  # no-address-in-code


class PaymentSettings(BaseSettings):
    PAYMENT_CURRENCY: str = "EUR"


def pay():
    if "PAYMENTS_ON" in environ:  # environment-is-read-in-config-only
        return PaymentSettings()  # environment-is-read-in-config-only
    return None
""",
    f"{AGENT}/settings/orders.py": """
from pydantic import Field
from pydantic_settings import BaseSettings


class OrderSettings(BaseSettings):
    ORDERS_PER_ANSWER: int = Field(5, ge=1)  # every-setting-is-described
""",
    f"{AGENT}/memory.py": "SEEN: dict[str, str] = {}\n",
    f"{AGENT}/remember.py": """
from . import memory
from .memory import SEEN


def remember(key):
    SEEN[key] = key  # no-state-in-modules
    memory.SEEN.pop(key)  # no-state-in-modules
""",
    f"{AGENT}/logs.py": """
HANDLERS = {"file": {"class": "logging.FileHandler", "filename": "orders.log"}}  # no-log-file
""",
    "migrations/agent/0002_orders.py": '''
"""Orders."""

revision = "agent_0002"
down_revision = "agent_0001"


def downgrade() -> None:  # migrations-are-a-line-and-go-back
    """Downgrade schema."""
    pass
''',
    "tests/agent/test_later.py": """
import pytest

pytestmark = [pytest.mark.skip]  # no-test-is-skipped-in-silence


def test_later() -> None:
    pytest.skip("")  # no-test-is-skipped-in-silence
""",
    ".github/workflows/nightly.yaml": """
permissions: {}
jobs:
  nightly:  # deployment-follows-the-build
    steps:
      - uses: actions/checkout@v7  # actions-are-pinned
      - run: kubectl apply -f orders.yaml
""",
    "docker-compose.yml": """
services:
  other:
    image: postgres:12 # services-have-one-version
""",
    "Dockerfile": """
ARG PYTHON_IMAGE=python:latest
FROM python AS builder
FROM builder
ENV PORT=8000 METRICS_PORT=9000
USER 10001
""",
}


@pytest.fixture(scope="module")
def project(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(render(), tmp_path_factory.mktemp("owner") / "project")


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Path:
    return copied(project, tmp_path / "project")


def write(project: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text("utf-8") if path.exists() and name != "Dockerfile" else ""
        path.write_text(before + text.lstrip("\n"), "utf-8")


def found(project: Path, *options: str) -> set[tuple[str, int, str]]:
    """Return the file, line and check of each violation."""
    return {
        (violation["path"], violation["line"], name)
        for name, check in checks(run(project, "--fast", "--json", *options)).items()
        for violation in check["violations"]
    }


def test_ordinary_code_of_owners_passes(copy: Path) -> None:
    write(copy, KEEPS)
    for name in ("settings", "tools"):  # modules that became packages
        module = copy / AGENT / f"{name}.py"
        (copy / AGENT / name).mkdir(exist_ok=True)
        module.rename(copy / AGENT / name / "__init__.py")
    compose = copy / "compose.yaml"
    text = compose.read_text("utf-8")
    assert "stop_grace_period: 40s" in text
    compose.write_text(text.replace("stop_grace_period: 40s", "stop_grace_period: 1m30s"), "utf-8")
    assert found(copy) == set()


def test_ordinary_violations_of_owners_are_found(copy: Path) -> None:
    write(copy, BREAKS)
    named = {
        (name, number, line.rpartition("# ")[2])
        for name in BREAKS
        for number, line in enumerate((copy / name).read_text("utf-8").splitlines(), 1)
        if "# " in line
    }
    dockerfile = {("Dockerfile", line, "images-have-versions") for line in (1, 2)}
    dockerfile.add(("Dockerfile", 5, "image-says-how-it-is"))
    assert found(copy) == named | dockerfile


@pytest.mark.agent
@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (granted(TODAY) + "paths = []\n", "`paths` of an exception is a list of patterns"),
        (granted(TODAY) + "paths = [1]\n", "`paths` of an exception is a list of patterns"),
        (granted(TODAY).replace("[[", "[").replace("]]", "]"), "each under [[tool.rules.exceptions]]"),
    ],
    ids=["no paths", "a number", "one table"],
)
def test_a_malformed_exception_is_reported(copy: Path, entry: str, words: str) -> None:
    with (copy / "pyproject.toml").open("a", encoding="utf-8") as pyproject:
        pyproject.write(entry)
    done = run(copy, "--fast", "--rule", "7", "--json")
    [violation] = checks(done)["exceptions-are-in-order"]["violations"]
    assert words in violation["message"]
    assert [name for name, check in checks(done).items() if check["violations"]] == ["exceptions-are-in-order"]


def test_problems_of_exceptions_name_their_check(render: Render) -> None:
    for language in ("en", "zh"):
        assert "`exceptions-are-in-order`" in (render(rules_language=language) / "rules/README.md").read_text("utf-8")


@pytest.mark.agent
def test_rules_of_a_package_are_checked_and_listed(copy: Path) -> None:
    package = copy / "acme_rules"
    package.mkdir()
    (package / "__init__.py").write_text("", "utf-8")
    document = (copy / "rules/local/01-tools.md").read_text("utf-8").replace("id: local-1", "id: acme-1")
    (package / "01-names.md").write_text(document.replace("tools-have-docstrings", "names-are-short"), "utf-8")
    (package / "test_01_names.py").write_text(
        "from agent_devtools.rules.check import check\n\n\n"
        '@check("Shorten it.")\n'
        "def test_names_are_short(project):\n"
        '    yield project.known("Procfile").at(2, "is long")\n',
        "utf-8",
    )
    pyproject = copy / "pyproject.toml"
    text = pyproject.read_text("utf-8")
    pyproject.write_text(text.replace("[tool.rules]\n", '[tool.rules]\npackages = ["acme_rules"]\n'), "utf-8")
    done = run(copy, "--fast", "--rule", "acme-1")
    assert "Procfile:2: rule acme-1 (names-are-short): is long. Shorten it." in done.stdout, done.stdout + done.stderr
    pyproject.write_text(text.replace("[tool.rules]\n", '[tool.rules]\npackages = ["no_rules"]\n'), "utf-8")
    assert "the package no_rules of [tool.rules] packages is not installed" in run(copy, "--fast").stderr

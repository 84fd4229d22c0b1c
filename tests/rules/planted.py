"""Violations of the static checks: for each, an edit of a rendered project that only this check must find.

`at` is the file in which the check has to find it, and `line` a part of the reported line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "src/my_agent"
COMPOSE = """\
services:
  web:
    command: python -m http.server
    stop_grace_period: 60s
    healthcheck: {disable: true}
  worker:
    command: python -m my_agent.processes worker
    stop_grace_period: 60s
    environment:
      DATABASE_POOL_SIZE: "40"
    volumes: ["planted:/data"]
    deploy:
      replicas: 50
  new-database:
    image: postgres:18
    privileged: true
  old-database:
    image: postgres:12
  cache:
    image: valkey/valkey:9
    ports: ["6379:6379"]
  proxy:
    image: nginx:latest
"""
DEPLOYMENT = """\
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  template:
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: web
          command: [python, -m, my_agent.processes, web]
          env:
            - {name: DATABASE_POOL_SIZE, value: "0"}
            - {name: DATABASE_POOL_MAX_OVERFLOW, value: "0"}
"""
JOB = """\
kind: Job
metadata:
  name: planted-migrate
spec:
  template:
    spec:
      containers: []
      volumes:
        - name: secrets
          secret:
            items:
              - key: DATABASE_URL
              - key: SECRET_KEY
"""
DOCKERFILE = """\
FROM python:3.14-slim AS builder
ARG SECRET_KEY
RUN pip wheel .
FROM python:3.14-slim
ENV PORT=8000 METRICS_PORT=9000
COPY --from=builder /app /app
EXPOSE 9999
USER root
ENTRYPOINT ["gunicorn", "--workers=4"]
CMD ["alembic", "upgrade", "head"]
HEALTHCHECK NONE
"""
WORKFLOW = """\
on:
  pull_request_target:
  push:
    branches: [staging]
permissions: {}
jobs:
  build:
    steps:
      - run: docker build .
      - run: pip install planted
  planted-deploy:
    steps:
      - run: deploy/release production
      - run: ssh planted 'git pull'
      - run: psql "$PLANTED" --file planted.sql
      - uses: actions/checkout@v7
"""
CONFIG_MAP = """\
kind: ConfigMap
metadata:
  name: planted
data:
  SECRET_KEY: planted
"""
PACKAGE_JSON = """\
{
  "engines": {"node": ">=22", "npm": ">=10"},
  "dependencies": {
    "express": ">=4"
  }
}
"""
PACKAGE_LOCK = '{"packages": {"": {"dependencies": {"express": ">=4"}}}}'
MIGRATION = '''
"""Planted."""

revision = "planted"
down_revision = "of-nothing-else"


def upgrade() -> None:
    """Planted."""
'''


@dataclass(frozen=True)
class Plant:
    """An edit. Without `old`, `new` becomes a new file or, with `append`, is appended."""

    at: str
    line: str
    new: str
    old: str = ""
    append: bool = True
    file: str = ""

    def into(self, project: Path) -> None:
        path = project / (self.file or self.at)
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text("utf-8") if path.exists() else ""
        if self.old:
            assert self.old in before, f"{path} does not hold {self.old!r}"
            after = before.replace(self.old, self.new, 1)
        else:
            after = before + self.new if self.append else self.new
        path.write_text(after, "utf-8")


def code(module: str, line: str, rest: str = "") -> Plant:
    """Return an edit that appends a line of code to a module of the package."""
    return Plant(f"{PACKAGE}/{module}", line, f"\n\n{rest}{line}\n")


STATIC = {
    "no-branch-on-environment": code(
        "agent/notes.py", "    return 1 if settings.ENVIRONMENT == 'production' else 2", "def planted(settings):\n"
    ),
    "environment-templates-agree": Plant(".env.staging", "SESSION_RETENTION_DAYS", "", old="JWT_EXPIRE_MINUTES=30\n"),
    "processes-share-one-image": Plant("Dockerfile.production", "FROM", "FROM scratch\n"),
    "lock-is-in-step": Plant("pyproject.toml", "dependencies = [", '"redis>=8.1.0.0.1,<9"', old='"redis>=8.1,<9"'),
    "imports-are-declared": code("agent/tasks.py", "import networkx"),
    "system-tools-are-declared": code(
        "management/base.py", "    subprocess.run(['curl', 'x'])", "def planted():\n    import subprocess\n"
    ),
    "node-packages-are-pinned": Plant("browser/package.json", '"express"', PACKAGE_JSON),
    "every-setting-is-described": code(
        "agent/settings.py", "    PLANTED: int = Field(1, ge=0)", "class PlantedSettings(BaseSettings):\n"
    ),
    "secret-settings-are-hidden": code(
        "agent/settings.py",
        '    PLANTED_TOKEN: str = Field("", description="Planted.")',
        "class PlantedTokenSettings(BaseSettings):\n",
    ),
    "no-model-name-in-code": code("agent/instructions_of.py", "PLANTED = 'gpt-4o-mini'"),
    "environment-is-read-in-config-only": code("agent/routes.py", "PLANTED = os.getenv('PLANTED')"),
    "no-address-in-code": code("agent/tools.py", "PLANTED = 'https://api.weather.example/v1'"),
    "no-secret-in-code": code("agent/settings.py", "PLANTED = 'sk-0123456789abcdef0123'"),
    "drivers-stay-in-implementations": code("chat/models.py", "import psycopg"),
    "services-have-interfaces": Plant(
        f"{PACKAGE}/services/container.py", "self.store =", "self.store = ", old="self.cache = "
    ),
    "image-is-built-in-stages": Plant("Dockerfile", "USER root", DOCKERFILE, append=False),
    "image-holds-no-secret": Plant("Dockerfile", "ARG SECRET_KEY", "*\n", append=False, file=".dockerignore"),
    "deployment-follows-the-build": Plant(".github/workflows/planted.yml", "planted-deploy:", WORKFLOW),
    "no-branch-for-an-environment": Plant(".github/workflows/planted.yml", "branches: [staging]", ""),
    "installs-are-declared": Plant(".github/workflows/planted.yml", "pip install planted", ""),
    "requirements-are-exact": Plant("requirements.txt", "planted>=1", "planted>=1\n"),
    "templates-hold-placeholders": Plant(
        ".env.staging", "LLM_API_KEY=planted", "LLM_API_KEY=planted", old="LLM_API_KEY=CHANGE_ME"
    ),
    "image-says-how-it-is": Plant("Dockerfile", "HEALTHCHECK NONE", ""),
    "images-have-versions": Plant("compose.planted.yaml", "image: nginx:latest", ""),
    "nothing-is-built-where-it-runs": Plant(".github/workflows/planted.yml", "git pull", ""),
    "containers-keep-nothing": Plant("compose.planted.yaml", "planted:/data", ""),
    "containers-serve-on-their-port": Plant("Dockerfile", "EXPOSE 9999", ""),
    "containers-run-one-process": Plant("Dockerfile", "ENTRYPOINT", ""),
    "platforms-watch-their-processes": Plant("compose.planted.yaml", "healthcheck: {disable: true}", ""),
    "migrations-run-once-for-a-release": Plant("Dockerfile", "CMD", ""),
    "data-is-changed-by-commands": Plant(".github/workflows/planted.yml", "psql", ""),
    "containers-have-few-rights": Plant("compose.planted.yaml", "privileged: true", ""),
    "services-are-not-published": Plant("compose.planted.yaml", "6379:6379", ""),
    "secrets-are-not-in-manifests": Plant("deploy/kubernetes/planted-settings.yaml", "SECRET_KEY: planted", CONFIG_MAP),
    "workflows-have-few-rights": Plant(".github/workflows/planted.yml", "pull_request_target:", ""),
    "ci-runs-every-check": Plant(".github/workflows/ci.yml", "# ", "", old="      - run: uv run deptry .\n"),
    "no-failure-is-forgiven": Plant(
        ".github/workflows/ci.yml", "uv run mypy || true", "uv run mypy || true", old="uv run mypy"
    ),
    "tools-stay-strict": Plant("pyproject.toml", "strict = false", "strict = false\nfiles", old="strict = true\nfiles"),
    "actions-are-pinned": Plant(".github/workflows/planted.yml", "actions/checkout@v7", ""),
    "no-state-in-modules": code(
        "chat/models.py", "    PLANTED[key] = 1", "PLANTED: dict[str, int] = {}\n\n\ndef planted(key: str) -> None:\n"
    ),
    "no-file-written": code("chat/runner.py", "    path.write_text('planted')", "def planted(path):\n"),
    "no-port-in-code": code("processes/lifecycle.py", "PLANTED_PORT = 9100"),
    "process-types-agree": Plant("compose.planted.yaml", "web:", COMPOSE),
    "connections-fit-the-database": Plant("compose.planted.yaml", "worker:", ""),
    "work-goes-to-the-queue": code(
        "agent/exports.py", "    threading.Thread(target=planted).start()", "import threading\n\n\ndef planted():\n"
    ),
    "a-container-is-one-process": code(
        "processes/scheduler.py", "    uvicorn.run(planted, workers=4)", "import uvicorn\n\n\ndef planted():\n"
    ),
    "nothing-sleeps-for-long": code("chat/budgets.py", "    time.sleep(10)", "import time\n\n\ndef planted():\n"),
    "cancellation-ends-what-runs": code(
        "chat/maintenance.py",
        "        except asyncio.CancelledError: ...",
        "import asyncio\n\n\nasync def planted():\n    while True:\n        try:\n            await planted()\n",
    ),
    "no-signal-handler-of-its-own": code(
        "chat/turn_store.py", "    signal.signal(15, print)", "def planted():\n    import signal\n\n"
    ),
    "platforms-wait-for-a-stopping-process": Plant(
        "deploy/kubernetes/planted.yaml", "terminationGracePeriodSeconds: 5", DEPLOYMENT
    ),
    "services-have-one-version": Plant("compose.planted.yaml", "image: postgres:12", ""),
    "no-stand-in-for-a-service": Plant("tests/support/api.py", "import sqlite3", "import sqlite3\n"),
    "environments-differ-little": Plant(
        f"{PACKAGE}/config.py", '"TURN_MAX_STEPS": 3', '"TURN_MAX_STEPS": 3,\n    "DEBUG": True,', old='"DEBUG": True,'
    ),
    "no-print": code("chat/supervisor.py", "print('planted')"),
    "no-log-file": code("chat/events.py", "PLANTED = logging.FileHandler('planted')", "import logging\n\n"),
    "no-secret-is-logged": code(
        "chat/routes.py",
        "    logging.getLogger().info(settings.SECRET_KEY.get_secret_value())",
        "import logging\n\n\ndef planted(settings):\n",
    ),
    "the-schema-is-changed-by-migrations": code("chat/session_store.py", "PLANTED = 'CREATE TABLE planted (id int)'"),
    "administration-is-a-command": Plant(
        "scripts/planted.py", "if __name__", "import my_agent\n\nif __name__ == '__main__':\n    print(my_agent)\n"
    ),
    "migrations-are-a-line-and-go-back": Plant("migrations/agent/0009_planted.py", "Planted", MIGRATION.lstrip()),
    "migration-is-given-what-it-needs": Plant("deploy/kubernetes/planted-job.yaml", "key: SECRET_KEY", JOB),
    "every-route-asks-who-is-there": Plant("openapi.json", '"/chat/sessions"', ""),
    "http-goes-through-the-guard": code("problems.py", "    httpx2.get(url)", "import httpx2\n\n\ndef planted(url):\n"),
    "sql-is-constant": code(
        "chat/runner.py", "    return f'DELETE FROM turns WHERE id = {planted}'", "def planted_sql(planted):\n"
    ),
    "tables-of-owners-are-exported-and-erased": Plant(
        "migrations/agent/0001_notes.py",
        "owner text NOT NULL",
        "        );\n        CREATE TABLE planted_items (\n            owner text NOT NULL "
        "REFERENCES users ON DELETE CASCADE\n        );\n",
        old="        );\n",
    ),
    "data-is-not-run": code(
        "chat/models.py", "    return pickle.loads(data)", "import pickle\n\n\ndef planted_data(data):\n"
    ),
    "no-protection-is-switched-off": code("trace_context.py", "PLANTED = dict(verify=False)"),
    "errors-are-not-shown": code(
        "chat/models.py",
        "        raise HTTPException(500, str(error)) from error",
        "from fastapi import HTTPException\n\n\ndef planted_answer():\n    try:\n        planted_answer()\n"
        "    except Exception as error:\n",
    ),
    "metrics-have-few-series": code(
        "observability/metrics.py",
        "PLANTED = Counter('planted', 'Planted.', ['owner'])",
        "from prometheus_client import Counter\n\n",
    ),
    "every-test-can-fail": Plant(
        "tests/unit/test_planted.py", "def test_planted", "def test_planted() -> None:\n    print()\n"
    ),
    "every-mark-is-run": Plant(
        "tests/unit/test_marked.py",
        "@pytest.mark.long",
        "import pytest\n\n\n@pytest.mark.long\ndef test_marked() -> None:\n    assert pytest.planted\n",
    ),
    "no-line-is-left-out-of-coverage": code("chat/events.py", "PLANTED_LINE = 1  # pragma: no cover"),
    "coverage-is-demanded": Plant("pyproject.toml", "fail_under", "fail_under = 70", old="fail_under = 80"),
    "every-route-is-tested": Plant("openapi.json", '"/planted"', ""),
    "no-test-is-skipped-in-silence": Plant(
        "tests/integration/test_tokens.py",
        "@pytest.mark.skip",
        "\n\nimport pytest\n\n\n@pytest.mark.skip\ndef test_planted() -> None: ...\n",
    ),
    "code-can-be-parsed": code("agent/planted_syntax.py", "def it(:"),
    "documents-list-their-checks": Plant(
        "rules/14-testing.md", "- planted-check", "checks:\n  - planted-check\n", old="checks:\n"
    ),
    "assistants-know-the-rules": Plant(
        ".github/copilot-instructions.md", "[9.1 ", "[9.1 Planted", old="[9.1 Disposability"
    ),
    "tools-have-docstrings": code("agent/tools.py", "def planted() -> str: ...", "@toolset.tool_plain\n"),
}


def plant_all(project: Path) -> None:
    """Plant every violation, each in a different place."""
    for plant in STATIC.values():
        plant.into(project)
    (project / "browser/package-lock.json").write_text(PACKAGE_LOCK, "utf-8")
    workflow = project / ".github/workflows/ci.yml"  # leaves long tests in other folders without a job
    narrower = workflow.read_text("utf-8").replace("-m long", "-m long tests/e2e tests/integration", 1)
    workflow.write_text(narrower, "utf-8")
    openapi = project / "openapi.json"
    described = json.loads(openapi.read_text("utf-8"))
    del described["paths"]["/chat/sessions"]["get"]["security"]
    described["paths"]["/planted"] = {"get": {"security": [{}]}}
    openapi.write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", "utf-8")

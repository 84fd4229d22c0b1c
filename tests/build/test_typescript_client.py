"""The TypeScript client notices each change of the API, and works in a browser. Its own tests are in a project."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.build.test_chat_page import BROWSERS, npm
from tests.support.external_programs import program
from tests.support.projects import environment
from tests.support.stacks import running_stack
from tests.support.template import ROOT
from tests.support.template import render as render_template

if TYPE_CHECKING:
    from tests.conftest import Render

EXAMPLE = re.compile(r"^```ts\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A change, and the command that notices it.
SOURCES = "clients/typescript/src"
CHANGES = {
    "a field of an event is gone": ("openapi.json", '"finish_reason"', '"finished_because"', "check"),
    "a route is new": ("openapi.json", '"/health"', '"/healthier"', "check"),
    "a type has another field": (f"{SOURCES}/schema.ts", "failed: boolean", "failure: boolean", "build"),
    "a shape has another field": (f"{SOURCES}/shapes.ts", "attempt: z.number()", "attempt: z.string()", "build"),
    "a shape lacks a field": (f"{SOURCES}/shapes.ts", "  model: z.nullable(z.string()),\n", "", "build"),
    "a path has another name": (f"{SOURCES}/schema.ts", "/cancel", "/stop", "build"),
}


@pytest.fixture(scope="module")
def project(copier_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the client and its packages."""
    answers = {"layers": ["chat_page", "client"], "project_name": "Order Desk"}
    project = render_template(copier_template, tmp_path_factory.mktemp("client") / "project", answers)
    npm(project / "clients" / "typescript", "ci")
    return project


def succeeds(project: Path, script: str) -> bool:
    """Whether a script of package.json succeeds."""
    command = [program("npm", "apt-get install npm"), "run", script]
    return subprocess.run(command, cwd=project / "clients/typescript", capture_output=True, check=False).returncode == 0


@pytest.mark.agent
@pytest.mark.xdist_group("client")
def test_the_client_notices_every_change_of_the_api(project: Path) -> None:
    assert succeeds(project, "check")
    assert succeeds(project, "build")
    for change, (name, old, new, script) in CHANGES.items():
        path = project / name
        text = path.read_text("utf-8")
        assert old in text, change
        path.write_text(text.replace(old, new), "utf-8")
        assert not succeeds(project, script), change
        path.write_text(text, "utf-8")


@pytest.mark.agent
@pytest.mark.xdist_group("client")
def test_the_client_works_in_a_browser(project: Path, tmp_path: Path) -> None:
    chromium = program(next(filter(None, map(shutil.which, BROWSERS)), BROWSERS[0]), "apt-get install chromium")
    assert succeeds(project, "build")
    subprocess.run(["uv", "sync", "--locked", "--quiet"], cwd=project, env=environment(), check=True)
    bundle = str(project / "clients" / "typescript" / "dist" / "browser.js")
    python = ["uv", "run", "--no-sync", "python"]
    with running_stack(project, tmp_path / "stack.log", "order_desk") as started:
        url = f"http://127.0.0.1:{started['ports']['web']}"
        visit = [*python, str(ROOT / "tests/programs/client_page.py"), chromium, bundle, url, started["token"]]
        ran = subprocess.run(visit, cwd=project, env=environment(), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert (found["events"][0], found["events"][-1]) == ("turn.started", "turn.finished")
    assert found["problem"] == "session-not-found"


@pytest.mark.parametrize("chosen", [{}, {"license": "apache-2.0"}, {"license": "proprietary", "project_slug": "desk"}])
def test_the_lock_of_the_client_is_in_step_with_its_package(render: Render, chosen: dict[str, str]) -> None:
    client = render(layers=["client"], repository_url="https://github.com/Acme/it", **chosen) / "clients" / "typescript"
    package, lock = (json.loads((client / name).read_text("utf-8")) for name in ("package.json", "package-lock.json"))
    assert package["name"] == lock["name"] == f"@acme/{chosen.get('project_slug', 'my-agent')}-client"
    members = lock["packages"][""]
    assert {name: package[name] for name in members} == members
    assert {"version", "license", "dependencies", "devDependencies", "engines"} <= set(members)


def test_the_guide_has_the_example_that_a_project_tests(render: Render) -> None:
    project = render(layers=["client"], project_name="Order Desk")
    guide = (ROOT / "docs" / "how-to" / "typescript-client.md").read_text("utf-8")
    assert EXAMPLE.findall(guide) == EXAMPLE.findall((project / "docs" / "calling.md").read_text("utf-8"))

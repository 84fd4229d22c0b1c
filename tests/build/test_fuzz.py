"""Run schemathesis over the API of a rendered project as a user, as an administrator, and without a token.

The API has no 5xx, no undocumented status and no response that violates its schema. schemathesis has to find a planted
route that does all of that.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import bytecode
from tests.support.projects import environment
from tests.support.stacks import running_stack
from tests.support.template import render

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.agent, pytest.mark.xdist_group("fuzz")]

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
EXAMPLES = "4"  # per operation, in addition to boundary values
SEED = "5"
PLANTED = '''

class Planted(BaseModel):
    """Schema of the planted route's response."""

    number: int


@router.get("/planted/status", response_model=Planted)
async def planted_status(owner: Owner) -> Response:
    """Answers with a status that it does not name."""
    return Response('{"number": 1}', 418, media_type="application/json")


@router.get("/planted/schema", response_model=Planted)
async def planted_schema(owner: Owner) -> Response:
    """Answers with something else than it says."""
    return Response('{"number": "none"}', media_type="application/json")


@router.get("/planted/crash", response_model=Planted)
async def planted_crash(owner: Owner) -> Response:
    """Does not answer."""
    raise RuntimeError("planted")
'''


@pytest.fixture(scope="module")
def service(copier_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run a default rendering with a planted route; return the address of web, and tokens by scope."""
    folder = tmp_path_factory.mktemp("fuzz")
    project = render(copier_template, folder / "project")
    routes = project / "src/my_agent/agent/routes.py"
    text = routes.read_text("utf-8").replace("import APIRouter, Request", "import APIRouter, Request, Response")
    routes.write_text(text + PLANTED, "utf-8")
    subprocess.run(["uv", "sync", "--locked", "--quiet"], cwd=project, env=environment(), check=True)
    bytecode.borrow(project)
    with running_stack(project, folder / "stack.log", RATE_LIMIT_PER_MINUTE="0") as started:
        yield {"url": f"http://127.0.0.1:{started['ports']['web']}", "user": started["token"], **started["tokens"]}


def fuzz(url: str, token: str | None, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/openapi.json", "--checks", CHECKS]
    command += ["--phases", "coverage,fuzzing,stateful", "--max-examples", EXAMPLES, "--seed", SEED, "--no-color"]
    command += ["--header", f"Authorization: Bearer {token}"] if token else []
    return subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("who", ["user", "admin", "nobody"])
def test_the_api_conforms_to_its_schema(service: dict[str, str], who: str, tmp_path: Path) -> None:
    ran = fuzz(service["url"], service.get(who), tmp_path, "--exclude-path-regex", "^/planted")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout


def test_a_planted_problem_is_found(service: dict[str, str], tmp_path: Path) -> None:
    ran = fuzz(service["url"], service["user"], tmp_path, "--include-path-regex", "^/planted")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    for failure in ("Undocumented status code", "Response violates schema", "Server error"):
        assert failure in ran.stdout, ran.stdout

"""For any answers, uv.lock is byte for byte the output of uv."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.programs import lock
from tests.support.template import answers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render


@pytest.mark.slow
@pytest.mark.matrix  # other tests check the lock of each variant
def test_the_lock_is_up_to_date() -> None:
    assert lock.LOCK.read_text("utf-8") == lock.generate(), "stale: run `make lock`"


# The project's own block is first, in the middle and last among the packages.
@pytest.mark.parametrize(
    ("slug", "provider"),
    [
        ("my-agent", "anthropic"),
        pytest.param("a-first", "openai", marks=pytest.mark.slow),
        pytest.param("agent-7", "anthropic", marks=pytest.mark.slow),
        pytest.param("zz-last", "openai_compatible", marks=pytest.mark.slow),
    ],
)
def test_uv_writes_the_same_bytes(render: Render, tmp_path: Path, slug: str, provider: str) -> None:
    project = render(project_slug=slug, llm_provider=provider)
    rendered = (project / "uv.lock").read_text("utf-8")
    blocks = rendered.split("\n[[package]]\n")
    own = tuple(f'name = "{name}"\n' for name in (slug, f"{slug}-devtools"))
    # Without the project's own blocks, uv writes the lock again, with the versions of the other blocks.
    others = "\n[[package]]\n".join(block for block in blocks if not block.startswith(own))
    (tmp_path / "uv.lock").write_text(others, "utf-8")
    for path in lock.PYPROJECTS:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text((project / path).read_text("utf-8"), "utf-8")
    subprocess.run(["uv", "lock", "--quiet"], cwd=tmp_path, check=True)
    assert (tmp_path / "uv.lock").read_text("utf-8") == rendered
    subprocess.run(["uv", "lock", "--check", "--quiet"], cwd=project, check=True)
    assert answers(project)["project_slug"] == slug

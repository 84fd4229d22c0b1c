"""The tutorial and the how-to guides are real: their files are written, and their commands run, in one project."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import pages
from tests.support.pages import Run
from tests.support.projects import environment
from tests.support.template import ROOT

TEMPLATE = "gh:owner/copier-twelve-factor-agent"
PORT = "127.0.0.1:8000"
TUTORIAL = ROOT / "docs" / "tutorial.md"
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]
GUIDES = sorted((ROOT / "docs" / "how-to").glob("*.md"))


def free_port() -> int:
    """Return a port that is free now; another is free beside it, most likely."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port & ~1


@pytest.fixture
def start(copier_template: Path, tmp_path: Path) -> Callable[[], Run]:
    """Runs pages with the working tree's template, this Copier, and ports that are free."""
    web, servers = free_port(), free_port()

    def adapt(commands: str) -> str:
        commands = commands.replace(TEMPLATE, str(copier_template)).replace(PORT, f"127.0.0.1:{web}")
        commands = commands.replace("copier copy", f"copier copy --quiet -d development_port={servers}")
        return commands.replace("uvx copier", f"{sys.executable} -m copier")

    return lambda: Run(tmp_path, environment() | {"PORT": str(web), "COLUMNS": "240", "NO_COLOR": "1"}, adapt)


@pytest.mark.agent
def test_the_tutorial_and_the_guides_are_real(start: Callable[[], Run]) -> None:
    with start() as run:
        run.page(TUTORIAL.read_text("utf-8"))
        for guide in GUIDES:
            run.page(
                "```sh\ngit reset --quiet --hard && git clean --quiet -d --force\n```\n" + guide.read_text("utf-8")
            )


@pytest.mark.agent
@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_the_readme_is_real(start: Callable[[], Run], page: Path) -> None:
    with start() as run:
        run.page(page.read_text("utf-8"))
        assert (run.folder / "uv.lock").is_file()


@pytest.mark.parametrize("page", [*READMES, TUTORIAL, *GUIDES], ids=lambda page: page.name)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    text = page.read_text("utf-8")
    found = list(pages.blocks(text))
    printed = sum(bool(block.printed) for block in found)
    assert len(found) + printed == len([line for line in text.splitlines() if line.strip().startswith("```")]) / 2
    for block in found:
        runs = block.title or (block.language == "sh" and not block.reason)
        assert runs or len(block.reason) > len("a cluster"), block


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ("```sh\nfalse\n```", "exits with 1, not 0"),
        ("<!-- exits: 1 -->\n```sh\ntrue\n```", "exits with 0, not 1"),
        ("```sh\necho one\n```\n\n```text\ntwo\n```", "prints\none"),
        ('```python title="Add to x.py"\nX = 1\n```', "x.py does not exist"),
        ("<!-- skip: it -->\n```sh\nfalse\n```", "unknown mark"),
        ("<!-- background until: ready -->\n```sh\nfalse\n```", "did not print 'ready'"),
    ],
)
def test_a_block_that_does_not_work_fails_its_page(tmp_path: Path, page: str, problem: str) -> None:
    with Run(tmp_path, environment()) as run, pytest.raises(pages.PageError, match=problem):
        run.page(page)


def test_blocks_share_variables_folder_and_files(tmp_path: Path) -> None:
    page = (
        '```python title="a/x.py"\nX = 1\n```\n```python title="Add to a/x.py"\nY = 2\n```\n'
        "```sh\ncd a\nNAME=$(ls)\n```\n\n<!-- not run: no cluster -->\n```sh\nfalse\n```\n\n"
        "<!-- background until: ready -->\n```sh\npython3 -uc \"print('ready'); input()\" < /dev/zero\n```\n"
        "```sh\necho $NAME; cat x.py\n```\n\n```text\nx.py\n…Y = 2\n```\n"
    )
    with Run(tmp_path, environment()) as run:
        run.page(page)
    assert (tmp_path / "a" / "x.py").read_text("utf-8") == "X = 1\n\n\nY = 2\n"


def test_the_chinese_tutorial_has_the_blocks_of_the_english_one() -> None:
    chinese = TUTORIAL.with_name("tutorial.zh.md").read_text("utf-8")
    assert list(pages.blocks(chinese)) == list(pages.blocks(TUTORIAL.read_text("utf-8")))

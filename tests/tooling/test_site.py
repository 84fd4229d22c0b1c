"""The documentation site builds, and its check finds what a reader would stumble over."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.programs import reference, site

if TYPE_CHECKING:
    from pathlib import Path

PAGE = '<html><body><h1 id="top">Title</h1>{}</body></html>'


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    site.write_sources(folder / "docs")
    site.build(folder)
    return folder


@pytest.mark.slow
@pytest.mark.xdist_group("site")
def test_the_site_builds_without_a_broken_link(built: Path) -> None:
    assert len(list((built / "html").rglob("index.html"))) > 60
    for page, words in {
        "reference/settings": "DATABASE_URL",
        "reference/commands": "migrations new",
        "reference/endpoints": "GET /chat/sessions/{session_id}/history",
        "reference/observability": "turn_resumed",
        "reference/runbooks": "BackingServiceDown",
        "reference/extensions": "open_database",
        "reference/rules/03-config": "every-setting-is-described",
        "zh/rules/03-config": "every-setting-is-described",
        "questions": "llm_provider",
    }.items():
        assert words in (built / "html" / page / "index.html").read_text("utf-8"), page


@pytest.mark.slow
@pytest.mark.xdist_group("site")
@pytest.mark.parametrize("link", ["[gone](gone.md)", "[gone](questions.md#gone)", "![gone](images/gone.png)"])
def test_a_broken_link_fails_the_build(built: Path, tmp_path: Path, link: str) -> None:
    shutil.copytree(built / "docs", tmp_path / "docs")
    with (tmp_path / "docs" / "updating.md").open("a", encoding="utf-8") as page:
        page.write(f"\nSee {link}.\n")
    with pytest.raises(site.SiteError, match="gone"):
        site.build(tmp_path)


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        ('<a href="gone/">x</a>', "gone/ does not exist"),
        ('<a href="#gone">x</a>', "#gone has no such anchor"),
        ('<a href="other/#gone">x</a>', "#gone has no such anchor"),
        ('<img src="gone.png">', "gone.png does not exist"),
        ('<script src="https://example.com/x.js"></script>', "requests https://example.com/x.js"),
        ('<link rel="stylesheet" href="//example.com/x.css">', "requests //example.com/x.css"),
    ],
)
def test_each_problem_of_a_page_is_found(tmp_path: Path, part: str, problem: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "index.html").write_text(PAGE.format('<a href="other/#top">x</a>' + part), "utf-8")
    (tmp_path / "other" / "index.html").write_text(PAGE.format('<a href="../">x</a>'), "utf-8")
    [found] = site.problems(tmp_path)
    assert found.endswith(problem)


def test_a_page_that_no_link_reaches_is_found(tmp_path: Path) -> None:
    (tmp_path / "lost").mkdir()
    for path in ("index.html", "lost/index.html"):
        (tmp_path / path).write_text(PAGE.format("<a href='#top'>x</a>"), "utf-8")
    assert list(site.problems(tmp_path)) == ["lost/index.html: no link leads here"]


def test_links_lead_to_pages_and_to_the_repository(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "Makefile").touch()
    pages = {"README.md": "index.md", "docs/questions.md": "questions.md"}
    source = site.Source(tmp_path, pages, "https://example.com/{}")
    text = (
        "[a](docs/questions.md#x) [b](Makefile) [c](https://example.org) `[d](gone.md)`\n\n```md\n[e](gone.md)\n```\n"
    )
    assert source.converted("README.md", text) == text.replace("docs/q", "q").replace(
        "(Makefile)", "(https://example.com/Makefile)"
    )
    assert source.errors == []
    assert source.converted("README.md", "![a](docs/images/a.png)") == "![a](images/a.png)"
    source.address = ""
    assert source.converted("docs/questions.md", "[b](../Makefile) [a](../README.md)") == "b [a](index.md)"
    source.converted("README.md", "[f](docs/gone.md)")
    assert source.errors == ["README.md: docs/gone.md does not exist"]


def test_a_table_keeps_its_columns() -> None:
    assert reference.table(("A",), [("x | y\nz",)]) == ["", "| A |", "|---|", "| x \\| y z |"]
    assert reference.table(("A",), []) == []

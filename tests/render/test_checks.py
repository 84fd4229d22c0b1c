"""Each check of a rendering finds its planted problem, and nothing in a sound project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.render import checks
from tests.support import variants
from tests.support.template import ANSWERS_FILE, questions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOUND = {
    "README.md": "# It\n\nSee [the API](docs/api.md#how-it-goes), [docs](docs) and <https://example.org>.\n\n```sh\n[x](y)\n```\n",
    "docs/api.md": "---\ntitle: API\n---\n\n# API\n\n## How *it* goes\n\n[up](../README.md#it), [here](#api)\n",
    "src/it/__init__.py": "",
    "src/it/main.py": '"""It."""\n',
    "Dockerfile": '# The base.\nARG BASE=python\nFROM ${BASE}\nRUN one && \\\n    # why\n    two\nCMD ["it"]\n',
    "run": "#!/bin/sh\necho it\n",
    "pipeline.yml": "key: !reference [a, b]\n---\nother: 1\n",
    "cases.jsonl": '{"a": 1}\n{"b": 2}\n',
}


@pytest.fixture
def plant(tmp_path: Path) -> Callable[..., list[str]]:
    """Returns the problems of a small project with the given files added."""

    def planted(files: dict[str, str], **answers: object) -> list[str]:
        defaults = {name: "" for name, question in questions().items() if question.get("when") is not False}
        made = defaults | variants.answers_of(variants.row_of({})) | answers
        for path, text in {**SOUND, ANSWERS_FILE: yaml.safe_dump(made), **files}.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, "utf-8")
        (tmp_path / "run").chmod(0o755)
        return checks.problems(checks.Rendering(tmp_path))

    return planted


def test_a_sound_project_has_no_problem(plant: Callable[..., list[str]]) -> None:
    assert plant({}) == []


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        ("a.py", "def f(:\n", "a.py: invalid syntax"),
        ("a.toml", "a = \n", "a.toml: "),
        ("uv.lock", "a = \n", "uv.lock: "),
        ("a.json", '{"a": 1,}\n', "a.json: "),
        ("a.jsonl", '{"a": 1}\n{\n', "a.jsonl: "),
        ("a.yaml", "a: b: c\n", "a.yaml: "),
        ("a.yml", "a:\n   - b\n  - c\n", "a.yml: "),
        (".cursor/rules/a.mdc", "---\nglobs: [a\n---\n\nIt\n", ".cursor/rules/a.mdc: "),
        ("run", "#!/bin/sh\nif true; then\n", "run: "),
        ("Dockerfile", "FORM python\n", "Dockerfile: FORM is not an instruction"),
        ("Dockerfile.dev", "RUN one\n", "Dockerfile.dev: does not begin with FROM"),
        ("a.md", "{{ project_name }} is here.\n", "a.md:1: {{ project_name }} is here."),
        ("a.md", "{% if ci %}\n", "a.md:1: {% if ci %}"),
        ("a.md", "It came from copier-twelve-factor-agent.\n", "a.md:1: It came"),
        ("a.md", "Set the key of Anthropic.\n", "a.md:1: set the key of anthropic."),
        ("src/it/celery.py", '"""It."""\n', "src/it/celery.py: its name"),
        ("a.md", "", "a.md: is empty"),
        ("a.md", "It", "a.md: does not end with one newline"),
        ("a.md", "It\n\n", "a.md: does not end with one newline"),
        ("a.md", "\nIt\n", "a.md: empty lines too many"),
        ("a.md", "It\n\n\n\nIt\n", "a.md: empty lines too many"),
        ("a.md", "It \nIt\n", "a.md:1: trailing space"),
        ("a.md", "It\r\nIt\n", "a.md:1: trailing space"),
        ("a.txt", "#!/bin/sh\n", "a.txt: has a `#!`"),
        ("a.md", "[it](docs/none.md)\n", "a.md: docs/none.md leads nowhere"),
        ("a.md", "[it](../README.md)\n", "a.md: ../README.md leads nowhere"),
        ("a.md", "![it](none.png)\n", "a.md: none.png leads nowhere"),
        ("a.md", "[it](docs/api.md#none)\n", "a.md: docs/api.md#none names no heading of docs/api.md"),
        ("a.md", "[it](#none)\n", "a.md: #none names no heading of a.md"),
        ("what?.md", "It\n", "what?.md: an invalid name on Windows"),
        ("docs/aux.py", '"""It."""\n', "docs/aux.py: an invalid name on Windows"),
        ("readme.md", "It\n", "differs from another path only in case"),
        ("docs/" + "x" * 180, "It\n", "longer than 180"),
    ],
)
def test_a_planted_problem_is_found(plant: Callable[..., list[str]], path: str, text: str, problem: str) -> None:
    found = plant({path: text})
    assert any(problem in line for line in found)
    assert all(path.lower() in line.lower() for line in found), "exactly this problem"


def test_modes_and_empty_folders_are_found(plant: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    assert plant({}) == ["deploy: is an empty folder"]
    (tmp_path / "deploy").rmdir()
    (tmp_path / "README.md").touch()
    (tmp_path / "README.md").chmod(0o755)
    assert plant({}) == ["README.md: is executable and has no `#!`"]


@pytest.mark.parametrize("choice", checks.FOREIGN, ids="-".join)
def test_every_foreign_word_is_found(plant: Callable[..., list[str]], choice: tuple[str, str]) -> None:
    word = checks.FOREIGN[choice].split("|")[0].replace("\\b", "").replace("\\", "")
    row = {**variants.row_of({}), choice[0]: choice[1]}
    assert plant({"a.txt": f"About {word.title()}/\n"}, **variants.answers_of(row)) == [f"a.txt:1: about {word}/"]


@pytest.mark.parametrize("choices", checks.FOREIGN_TO_ALL, ids=str)
def test_a_word_that_is_foreign_to_several_choices_is_found(
    plant: Callable[..., list[str]], choices: tuple[tuple[str, str], tuple[str, str]]
) -> None:
    word = checks.FOREIGN_TO_ALL[choices]
    row = {**variants.row_of({}), **dict(choices)}
    assert plant({"a.txt": f"About {word.title()}/\n"}, **variants.answers_of(row)) == [f"a.txt:1: about {word}/"]
    for choice in choices:
        other = {**row, choice[0]: variants.row_of({})[choice[0]]}
        if other != row:
            assert plant({"b.txt": f"About {word.title()}/\n"}, **variants.answers_of(other)) == []


def test_every_choice_is_checked() -> None:
    """For options whose choices have a name that a file could mention; others have their own tests."""
    others = {"license", "python_version", "rules_language"}
    minded = {option for option, _ in checks.FOREIGN}
    assert set(variants.options()) == minded | others

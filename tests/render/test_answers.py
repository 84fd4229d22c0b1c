"""Bad answers are rejected in one sentence, and any valid text is rendered literally."""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.programs import lock
from tests.render import checks
from tests.support.invalid_answers import FREE_TEXT, INVALID
from tests.support.template import answers, questions, render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conftest import Render


def test_every_question_has_an_invalid_answer() -> None:
    rejecting = {name for name, question in questions().items() if question.get("when") is not False}
    assert rejecting == {name for name, _ in INVALID}


def ask(questionnaire: Path, given: Mapping[str, object]) -> dict[str, str]:
    """Returns the recorded answers of a copy."""
    with tempfile.TemporaryDirectory() as target:
        return answers(render(questionnaire, Path(target), given, vcs_ref=None))


@pytest.mark.parametrize(("name", "value"), INVALID)
def test_bad_answers_are_rejected_in_one_sentence(questionnaire: Path, name: str, value: str | list[str]) -> None:
    with pytest.raises(ValueError, match=rf"'{name}'") as rejection:
        ask(questionnaire, {name: value})
    message = str(rejection.value).split(": ", 1)[1]
    assert "\n" not in message
    if "choices" not in questions()[name]:
        assert message.endswith(".")
        assert message.count(". ") == 0


@pytest.mark.parametrize(
    ("name", "slug", "package"),
    [
        ("Zoë's Agent", "zoes-agent", "zoes_agent"),
        ("Straße & Ærø", "strasse-aero", "strasse_aero"),
        ("Zoe\u0301", "zoe", "zoe"),
        ("{{ 7*7 }}", "7-7", "agent_7_7"),
        ("my agent;rm -rf /", "my-agent-rm-rf", "my_agent_rm_rf"),
        ("../x", "x", "x"),
        ("class", "class", "agent_class"),
        ("test", "test", "agent_test"),
        ("json", "json", "agent_json"),
        ("Redis", "agent-redis", "agent_redis"),
        ("x" * 60, "x" * 40, "x" * 40),
        ("a" * 39 + " b", "a" * 39, "a" * 39),
    ],
)
def test_names_follow_from_the_project_name(questionnaire: Path, name: str, slug: str, package: str) -> None:
    found = ask(questionnaire, {"project_name": name})
    assert (found["project_slug"], found["package_name"]) == (slug, package)


@pytest.mark.parametrize(
    ("repository", "image"),
    [
        ("", "my-agent"),
        ("https://github.com/acme/order-desk", "ghcr.io/acme/order-desk"),
        ("https://github.com/Acme/Order_Desk.git", "ghcr.io/acme/order-desk"),
        ("https://gitlab.com/acme/desks/order.desk", "registry.gitlab.com/acme/desks/order.desk"),
        ("https://git.example.org/acme/order-desk", "my-agent"),
        ("https://github.com/acme/.github", "ghcr.io/acme/github"),
        ("https://github.com/-acme/-_x__y..z--", "ghcr.io/acme/x-y-z"),
        ("https://github.com/...", "my-agent"),
    ],
)
def test_the_image_belongs_to_the_registry_of_the_repository(questionnaire: Path, repository: str, image: str) -> None:
    assert ask(questionnaire, {"repository_url": repository})["container_image"] == image


@pytest.mark.parametrize("name", ["智能助手", "🙂", "«»", "'"])
def test_a_name_without_a_latin_letter_needs_a_slug(questionnaire: Path, name: str) -> None:
    with pytest.raises(ValueError, match="'project_slug'"):
        ask(questionnaire, {"project_name": name})
    assert ask(questionnaire, {"project_name": name, "project_slug": "helper"})["package_name"] == "helper"


def test_ports_are_stable_and_differ(render: Render) -> None:
    def port(slug: str) -> int:
        (module,) = (render(project_slug=slug) / "src").glob("*/constants.py")
        (line,) = [line for line in module.read_text("utf-8").splitlines() if line.startswith("DEVELOPMENT_POSTGRES_")]
        return int(line.split(" = ")[1])

    assert port("my-agent") == 21848
    assert port("zz-last") not in {port("my-agent"), port("my-agent") + 1}
    assert port("zz-last") in range(20000, 30000, 2)


def test_names_of_the_standard_library_are_reserved() -> None:
    reserved = set(questions()["reserved_modules"]["default"].split())
    assert {name for name in sys.stdlib_module_names if name.islower() and not name.startswith("_")} <= reserved


def test_names_of_dependencies_are_reserved() -> None:
    reserved = set(questions()["reserved_projects"]["default"].split())
    locked = {line.split('"')[1] for line in lock.LOCK.read_text("utf-8").splitlines() if line.startswith("name = ")}
    assert {name for name in locked if "{" not in name} <= reserved


printable = st.characters(exclude_categories=("C", "Z")) | st.sampled_from(list(" \"'\\`$#{}%<>&:;,*_-|!@[]()=~^?/\n"))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    given_texts=st.fixed_dictionaries(
        {name: st.text(printable, min_size=1, max_size=longest) for name, longest in FREE_TEXT.items()}
    )
)
@example(given_texts=dict.fromkeys(FREE_TEXT, '"""{{ 7*7 }}"""'))
@example(given_texts=dict.fromkeys(FREE_TEXT, "'''{% raw %}\\"))
@example(given_texts=dict.fromkeys(FREE_TEXT, "\\u0041 ${HOME} $(id) `id` 🙂 %(x)s %d"))
@example(given_texts=dict.fromkeys(FREE_TEXT, "--- # [x]: {y} & *z !a @b, null"))
@example(given_texts=dict.fromkeys(FREE_TEXT, "]]> </script> <!-- a, b <c@d> -->"))
def test_any_text_is_rendered_literally(free_text: Path, given_texts: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as target:
        data = given_texts | {"project_slug": "odd", "repository_url": "https://example.org/a/b"}
        try:
            project = render(free_text, Path(target), data, vcs_ref=None)
        except ValueError as rejection:
            assert "printable characters" in str(rejection)  # noqa: PT017
            return
        assert checks.unparsed(checks.Rendering(project)) == []
        name, description, author = (given_texts[question] for question in FREE_TEXT)
        metadata = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
        assert metadata["description"] == description
        assert metadata["authors"] == [{"name": author}]
        assert {key: answers(project)[key] for key in given_texts} == given_texts
        assert name in (project / "README.md").read_text("utf-8").splitlines()[0]
        assert description in (project / "README.md").read_text("utf-8").splitlines()
        assert author in (project / "LICENSE").read_text("utf-8")
        constants = project / "src" / "odd" / "constants.py"
        assigned = [node for node in ast.walk(ast.parse(constants.read_text("utf-8"))) if isinstance(node, ast.Assign)]
        (value,) = [node.value for node in assigned if ast.unparse(node.targets[0]) == "NAME"]
        assert ast.literal_eval(value) == name
        subprocess.run(["ruff", "format", "--check", "--quiet", "--no-cache", constants], cwd=project, check=True)

"""Static checks of the template: every question and file is used, every name is known."""

from __future__ import annotations

import json
import re
from collections import Counter
from fnmatch import fnmatch
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import meta, nodes

from tests.programs import covering, documentation, releases
from tests.render import checks
from tests.support import variants
from tests.support.template import (
    FILES,
    INCLUDED,
    ROOT,
    SUFFIX,
    answers,
    config,
    environment,
    marker,
    questions,
    render,
    working_tree,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEMPLATES = [ROOT / path for path in working_tree() if path.parts[0] == FILES.name]
NAMES = [path.relative_to(FILES).as_posix() for path in TEMPLATES]
INCLUDES = [ROOT / path for path in working_tree() if path.parts[0] in INCLUDED]
CONDITION = re.compile(r"{%-?\s*if\s+(.*?)\s*-?%}")
PROVIDED = {
    "_stage",
    "_copier_answers",
    "_copier_conf",
    "_copier_operation",
    "_copier_python",
    "_external_data",
    "UNSET",
}
LONGEST = 400
RUNBOOKS = "{% if 'monitoring' in layers %}runbooks.md{% endif %}.jinja"  # a section per alert
# Generated files, reference, and history.
LISTS = {"CHANGELOG.md", "uv.lock", "uv.lock.jinja", "openapi.json.jinja", "messages.yaml", RUNBOOKS}
LISTS |= {"schema.ts", "package-lock.json.jinja"}


def undeclared(text: str) -> set[str]:
    """Return the names that a Jinja text takes from its context."""
    return meta.find_undeclared_variables(environment().parse(text))


def strings(value: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield every string in a part of copier.yml."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from chain.from_iterable(map(strings, value.values()))
    elif isinstance(value, list):
        yield from chain.from_iterable(map(strings, value))


def jinja_texts() -> dict[str, str]:
    """Return every Jinja text by its location: paths, files, copier.yml, and included texts."""
    paths = {f"path {name}": name for name in NAMES}
    files = {
        name: path.read_text("utf-8") for name, path in zip(NAMES, TEMPLATES, strict=True) if path.suffix == SUFFIX
    }
    settings = {
        f"copier.yml {key} {number}": text
        for key, value in config().items()
        for number, text in enumerate(strings(value))
    }
    includes = {
        f"{'copier.yml' if path.parent.name == 'messages' else 'parts'} {path.name}": path.read_text("utf-8")
        for path in INCLUDES
    }
    return {**paths, **files, **settings, **includes}


def test_no_name_is_undefined() -> None:
    known = set(questions()) | PROVIDED
    unknown = {where: undeclared(text) - known for where, text in jinja_texts().items()}
    assert {where: names for where, names in unknown.items() if names} == {}


def compared(text: str) -> set[tuple[str, str]]:
    """Return the question and value of each comparison, as in `ci == 'github'` or `'tracing' in layers`."""
    found = set()
    for node in environment().parse(text).find_all(nodes.Compare):
        for one, other in ((node.expr, node.ops[0].expr), (node.ops[0].expr, node.expr)):
            if isinstance(one, nodes.Name) and isinstance(other, nodes.Const) and isinstance(other.value, str):
                found.add((one.name, other.value))
    return found


def test_no_choice_is_unknown() -> None:
    """A condition on an unknown choice would be constant."""
    offered = {name: set(variants.choices(question)) for name, question in questions().items() if "choices" in question}
    unknown = {
        where: {(name, value) for name, value in compared(text) if value not in offered.get(name, {value})}
        for where, text in jinja_texts().items()
    }
    assert {where: pairs for where, pairs in unknown.items() if pairs} == {}
    assert ("ci", "jenkins") in compared("{% if ci == 'jenkins' %}{% endif %}")
    assert ("layers", "x") in compared("{% if 'x' not in layers %}{% endif %}")


def test_no_name_is_set_and_not_used() -> None:
    """Checks `{% set %}` and loop variables."""
    unused = {where: set_and_not_used(text) for where, text in jinja_texts().items()}
    assert {where: names for where, names in unused.items() if names} == {}
    assert set_and_not_used("{% set a = 1 %}{% set b = a %}") == {"b"}


def set_and_not_used(text: str) -> set[str]:
    """Return the names that a Jinja text stores and never loads."""
    names = list(environment().parse(text).find_all(nodes.Name))
    return {name.name for name in names if name.ctx == "store"} - {name.name for name in names if name.ctx == "load"}


def test_paths_are_valid_on_windows() -> None:
    assert checks.hostile(NAMES) == []


def test_no_name_is_hard_coded() -> None:
    """The default names come from answers only."""
    default = re.compile(r"my[-_ ]agent", re.IGNORECASE)
    named = [path for path in (*TEMPLATES, *INCLUDES) if default.search(path.read_text("utf-8"))]
    assert named == []


def test_every_question_is_used() -> None:
    """An answer changes a rendered file or its path; a computed value may change another question."""
    everywhere = {where: undeclared(text) for where, text in jinja_texts().items()}
    rendered = set().union(*(names for where, names in everywhere.items() if not where.startswith("copier.yml")))
    for name, question in questions().items():
        others = {where: names for where, names in everywhere.items() if not where.startswith(f"copier.yml {name} ")}
        used = set().union(*others.values()) if question.get("when") is False else rendered
        assert name in used, f"{name} changes nothing"


@pytest.mark.parametrize("name", [name for name, question in questions().items() if question.get("when") is not False])
def test_questions_explain_themselves(name: str) -> None:
    question = questions()[name]
    assert question["help"].endswith("?")
    if "choices" not in question:
        assert {"placeholder", "validator"} <= set(question)


def test_every_pair_of_choices_is_rendered() -> None:
    assert set().union(*map(variants.pairs, variants.pairwise())) == variants.all_pairs(variants.options())


def test_the_covering_array_is_as_small_as_the_search_found() -> None:
    assert len(variants.pairwise()) == len(variants.ARCHETYPES) + len(variants.found()), "run `make covering`"


def test_the_search_covers_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    archetypes = [variants.row_of(given) for given in variants.ARCHETYPES.values()]
    rows = covering.search(14, variants.SEED)
    assert rows is not None
    assert len(archetypes + rows) == 14
    assert set().union(*map(variants.pairs, archetypes + rows)) == variants.all_pairs(variants.options())
    monkeypatch.setattr(covering, "STEPS", 10)
    assert covering.search(14, variants.SEED) is None


def test_the_greedy_algorithm_adds_missing_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "FOUND", tmp_path / "covering.json")
    half = [{"ci": "none", "layers=tracing": "no", "removed": "yes"}]
    variants.FOUND.write_text(json.dumps(half), "utf-8")
    rows = variants.pairwise.__wrapped__()
    assert set().union(*map(variants.pairs, rows)) == variants.all_pairs(variants.options())
    assert {"ci": "none", "layers=tracing": "no"}.items() <= rows[len(variants.ARCHETYPES)].items()
    assert len(rows) > len(variants.ARCHETYPES) + len(variants.found())


def test_the_archetypes_make_every_choice_but_one_python(questionnaire: Path, tmp_path: Path) -> None:
    offered = {name: set(values) for name, values in variants.options().items()}
    offered["python_version"] -= {"3.13"}  # rows of the array have it
    built = [
        variants.row_of(answers(render(questionnaire, tmp_path / name, given, vcs_ref=None)))
        for name, given in variants.ARCHETYPES.items()
    ]
    assert {name: {row[name] for row in built} for name in variants.options()} == offered


def rendered_names() -> Iterator[dict[str, str]]:
    """Yield, for each row of answers, the paths of its files in the template and in the project."""
    example: dict[str, Any] = {**dict.fromkeys(questions(), "x"), "_copier_conf": {"answers_file": "answers"}}
    names = {name: environment().from_string(name) for name in NAMES}
    for row in variants.pairwise():
        rendered = {name: path.render(example | variants.answers_of(row)) for name, path in names.items()}
        yield {
            name: path.removesuffix(SUFFIX)
            for name, path in rendered.items()
            if all(path.removesuffix(SUFFIX).split("/"))
        }


def test_some_variant_renders_every_file() -> None:
    assert set(NAMES) - set().union(*rendered_names()) == set()


def test_no_two_files_render_to_one_path() -> None:
    for row in rendered_names():
        assert [path for path, times in Counter(row.values()).items() if times > 1] == []


def test_a_condition_appears_once() -> None:
    """In the name of a file or folder, and not again along the path or inside the file."""
    for name, path in zip(NAMES, TEMPLATES, strict=True):
        along = CONDITION.findall(name)
        assert len(along) == len(set(along)), f"{name}: the same condition twice along the path"
        if path.suffix == SUFFIX:
            inside = CONDITION.findall(path.read_text("utf-8"))
            assert not set(along) & set(inside), f"{name}: its condition again inside"


def test_only_files_whose_text_varies_have_the_suffix() -> None:
    for name, path in zip(NAMES, TEMPLATES, strict=True):
        varies = bool(marker().search(path.read_text("utf-8")))
        assert varies == (path.suffix == SUFFIX), f"{name} {'needs' if varies else 'does not need'} its suffix"


def test_scripts_and_only_scripts_are_executable() -> None:
    for name, path in zip(NAMES, TEMPLATES, strict=True):
        assert bool(path.stat().st_mode & 0o111) == path.read_bytes().startswith(b"#!"), name


def test_files_are_short() -> None:
    """Checks all files of the repository but its images."""
    texts = [path for path in working_tree() if path.suffix != ".png"]
    lengths = {path: len((ROOT / path).read_text("utf-8").splitlines()) for path in texts}
    lengths = {
        path: length for path, length in lengths.items() if path.name not in LISTS and "vendor" not in path.parts
    }
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}


def test_every_folder_of_tests_is_collected(pytestconfig: pytest.Config) -> None:
    skipped = pytestconfig.getini("norecursedirs")
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")}
    assert len(folders) >= 5
    assert [folder for folder in folders if any(fnmatch(part, name) for part in folder.parts for name in skipped)] == []


def test_the_template_needs_no_trust() -> None:
    """Except for migrations, which need it in the update that crosses their release: test_hooks.py."""
    assert not {"_tasks", "_jinja_extensions"} & set(config())


def test_the_questions_are_documented() -> None:
    assert documentation.PAGE.read_text("utf-8") == documentation.page(), "stale: run `make docs`"


def test_each_language_has_its_own_changelog_of_rules() -> None:
    """Both list the same versions and rules, each in one language: a shared file would reach every project."""
    changelogs = {path for path in NAMES if path.endswith("CHANGELOG.md")}
    assert changelogs == {path.removeprefix("template/") for path in releases.RULES.values()}
    english, chinese = ((ROOT / releases.RULES[language]).read_text("utf-8") for language in ("en", "zh"))
    frame = re.compile(r"^## .*|^- (?:\*\*\d+\.\d+\*\*)?", re.MULTILINE)
    assert frame.findall(english) == frame.findall(chinese)
    assert re.findall(r"[\u4e00-\u9fff].*", english) == []
    entries = [entry.replace("\n", " ") for entry in re.split(r"^- ", chinese, flags=re.MULTILINE)[1:]]
    assert [entry for entry in entries if not re.search(r"[\u4e00-\u9fff]", entry)] == []


def test_rule_3_1_knows_every_module_of_settings() -> None:
    modules = re.findall(r"^src/[^/]+/(?:\{%[^/]*%\})?(\w+_settings\.py)", "\n".join(NAMES), re.MULTILINE)
    assert len(modules) > 3
    rule = (FILES / "tests" / "rules" / "test_03_config.py.jinja").read_text("utf-8")
    assert [name for name in modules if f'"{name}"' not in rule] == []

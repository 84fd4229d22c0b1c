"""The rulebook is equal in both languages, and each check fails on its own violation only."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

from tests.rules import planted
from tests.rules.projects import TODAY, checks, copied, declared, granted, installed, run, seconds_of, seconds_used
from tests.support.template import FILES, config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

PARSE = """
import ast, pathlib
for folder in ("devtools", "migrations", "src", "tests"):
    for path in pathlib.Path(folder).rglob("*.py"):
        ast.parse(path.read_bytes())
"""
RULES = 14


def front_matter(document: Path) -> dict[str, Any]:
    matter: dict[str, Any] = yaml.safe_load(document.read_text("utf-8").split("---\n")[1])
    return matter


def documents(project: Path) -> list[Path]:
    return sorted((project / "rules").glob("**/[0-9]*.md"))


def outline(document: Path) -> list[str]:
    """Return the structure of a document: heading levels, list items, code spans and links."""
    body = document.read_text("utf-8").split("---\n", 2)[2]
    code = sorted(set(re.findall(r"`([^`]+)`", body)))
    return [*re.findall(r"^(#+|-) ", body, re.MULTILINE), *code, *re.findall(r"\]\(([^)]+)\)", body)]


@pytest.fixture(scope="module")
def project(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A separate rendering with its environment."""
    return installed(render(), tmp_path_factory.mktemp("rules") / "project")


@pytest.fixture(scope="module")
def broken(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with every violation and its own rules."""
    made = copied(project, tmp_path_factory.mktemp("broken") / "project")
    planted.plant_all(made)
    return made


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return copied(project, tmp_path / "project")


pytestmark = pytest.mark.xdist_group("rules")


def test_both_languages_are_equivalent(render: Render) -> None:
    english, chinese = render(), render(rules_language="zh")
    assert [path.relative_to(english) for path in documents(english)] == [
        path.relative_to(chinese) for path in documents(chinese)
    ]
    for one, other in zip(documents(english), documents(chinese), strict=True):
        ours, theirs = front_matter(one), front_matter(other)
        assert ours.pop("title") != theirs.pop("title")
        assert ours == theirs, one.name
        assert outline(one) == outline(other), one.name
    for name in ("README.md", "AGENTS.md", "rules/README.md"):
        ours_, theirs_ = (
            re.findall(r"`[^`\n]+`|\([\w./-]+\)", (at / name).read_text("utf-8")) for at in (english, chinese)
        )
        assert sorted(set(ours_)) == sorted(set(theirs_)), name


def test_fourteen_rules_have_two_checks_or_more(render: Render) -> None:
    project = render()
    numbered = [front_matter(path) for path in sorted((project / "rules").glob("[0-9]*.md"))]
    assert [matter["id"] for matter in numbered] == [f"{number}.1" for number in range(1, RULES + 1)]
    assert {matter["level"] for matter in numbered} <= {"mandatory", "forbidden", "advised"}
    assert all(len(matter["checks"]) >= 2 for matter in numbered)


def test_references_of_rules_exist(render: Render) -> None:
    for project in (render(), render(rules_language="zh", layers=[], ci="none", assistants=[])):
        for document in [*documents(project), project / "AGENTS.md", project / "rules/README.md"]:
            text = document.read_text("utf-8")
            for link in re.findall(r"\]\(([^)#]+)\)", text):
                assert (document.parent / link).exists(), f"{document.name}: {link}"
            for path in re.findall(r"`((?:src|tests|docs|migrations)/[\w./-]+)`", text):
                assert (project / path).exists() or "NN" in path, f"{document.name}: {path}"


def test_every_check_has_a_planted_violation(render: Render) -> None:
    """Other tests plant those of whole folders and of exceptions."""
    static = {name for name, running in declared(render()).items() if not running}
    assert (
        static - {"tests-have-three-levels", "what-you-add-is-tested", "exceptions-are-in-order"}
        == planted.STATIC.keys()
    )


def test_a_fresh_project_keeps_every_rule(project: Path) -> None:
    done = run(project, "--fast", "--json")
    assert {name: check["violations"] for name, check in checks(done).items() if check["violations"]} == {}
    assert done.returncode == 0
    assert checks(done).keys() >= planted.STATIC.keys()


def test_each_check_finds_only_its_violation(broken: Path) -> None:
    done = run(broken, "--fast", "--json")
    assert done.returncode == 1
    found = {name: check["violations"] for name, check in checks(done).items() if check["violations"]}
    assert found.keys() == planted.STATIC.keys()
    for name, violations in found.items():
        [violation] = violations
        plant = planted.STATIC[name]
        assert violation["path"] == plant.at, name
        line = (broken / plant.at).read_text("utf-8").splitlines()[violation["line"] - 1]
        assert plant.line.strip() in line, f"{name}: {violation}"


@pytest.mark.agent
def test_a_violation_has_a_place_a_rule_and_a_remedy(broken: Path) -> None:
    done = run(broken, "--fast", "--rule", "7")
    assert done.returncode == 1
    assert re.search(
        r"^src/my_agent/processes/lifecycle\.py:\d+: rule 7\.1 \(no-port-in-code\): holds the number of a port\. Use ",
        done.stdout,
        re.MULTILINE,
    )
    assert "rules/07-port-binding.md explains why" in done.stdout
    assert "no-print" not in done.stdout


@pytest.mark.agent
def test_plain_pytest_reports_the_same(broken: Path) -> None:
    command = [".venv/bin/pytest", "--no-cov", "-n0", "-q", "tests/rules", "-k", "no_port_in_code"]
    done = subprocess.run(command, cwd=broken, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "lifecycle.py" in done.stdout
    assert "rule 7.1 (no-port-in-code): holds the number of a port. Use the setting PORT" in done.stdout


def test_sarif_is_valid_and_names_file_and_line(broken: Path) -> None:
    log = json.loads(run(broken, "--fast", "--sarif").stdout)
    Sarif.model_validate(log)
    [only] = log["runs"]
    rules = only["tool"]["driver"]["rules"]
    assert {result["ruleId"] for result in only["results"]} == planted.STATIC.keys()
    for result in only["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == planted.STATIC[result["ruleId"]].at
        assert place["region"]["startLine"] >= 1


@pytest.mark.agent
def test_the_static_checks_are_fast(project: Path) -> None:
    """They take at most twelve times the CPU seconds of parsing the code once: other load slows both."""
    parsing = min(seconds_of(project, ".venv/bin/python", "-c", PARSE) for _ in range(3))
    assert min(seconds_used(project) for _ in range(3)) < 12 * parsing


@pytest.mark.agent
def test_an_unused_dependency_fails_in_ci_only(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyproject = copy / "pyproject.toml"
    pyproject.write_text(pyproject.read_text("utf-8").replace("dependencies = [", 'dependencies = ["colorama",', 1))
    for ci, key in (("", "warnings"), ("true", "violations")):
        monkeypatch.setenv("CI", ci)
        check = checks(run(copy, "--fast", "--json", "--rule", "2"))["imports-are-declared"]
        assert [bool(check[name]) for name in ("warnings", "violations")] == [key == "warnings", key == "violations"]


@pytest.mark.agent
def test_an_exception_covers_its_violation_and_is_reported(copy: Path) -> None:
    planted.STATIC["no-port-in-code"].into(copy)
    pyproject = copy / "pyproject.toml"
    before = pyproject.read_text("utf-8")
    pyproject.write_text(before + granted(TODAY), "utf-8")
    done = run(copy, "--fast", "--json", "--rule", "7")
    assert done.returncode == 0, done.stdout
    check = checks(done)["no-port-in-code"]
    assert check["outcome"] == "excepted"
    assert check["excepted"][0]["exception"] == f"planted (ada, until {TODAY})"
    [result] = json.loads(run(copy, "--fast", "--sarif", "--rule", "7").stdout)["runs"][0]["results"]
    assert result["suppressions"][0]["kind"] == "external"
    pyproject.write_text(before + granted(TODAY) + 'paths = ["src/my_agent/chat/*"]\n', "utf-8")
    assert run(copy, "--fast", "--rule", "7").returncode == 1


@pytest.mark.agent
@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (granted(TODAY - timedelta(days=1)), "expired on"),
        (granted(TODAY + timedelta(days=400)), "a year at most"),
        (granted(TODAY, check="no-such-check"), "there is no check 'no-such-check'"),
        (granted(TODAY, reason=""), "needs `reason`"),
        (granted(TODAY, owner=" "), "needs `owner`"),
        (granted(TODAY, until="tomorrow"), "has no until"),
    ],
)
def test_an_invalid_exception_fails(copy: Path, entry: str, words: str) -> None:
    planted.STATIC["no-port-in-code"].into(copy)
    with (copy / "pyproject.toml").open("a", encoding="utf-8") as pyproject:
        pyproject.write(entry)
    done = run(copy, "--fast", "--rule", "7", "--json")
    assert done.returncode == 1
    [violation] = checks(done)["exceptions-are-in-order"]["violations"]
    assert words in violation["message"]
    line = (copy / violation["path"]).read_text("utf-8").splitlines()[violation["line"] - 1]
    assert line == "[[tool.rules.exceptions]]"
    assert checks(done)["no-port-in-code"]["outcome"] == "failed", "it must cover nothing"


@pytest.mark.agent
def test_a_missing_level_of_tests_is_reported(copy: Path) -> None:
    shutil.rmtree(copy / "tests/e2e")
    found = checks(run(copy, "--fast", "--json", "--rule", "14"))["tests-have-three-levels"]["violations"]
    assert [violation["path"] for violation in found] == ["tests/e2e"]


@pytest.mark.agent
@pytest.mark.parametrize(
    ("package", "lock", "words"),
    [
        ({}, None, "which Node.js"),
        ({"engines": {"node": ">=22"}}, None, "which package manager"),
        ({"dependencies": {"zod": "3.22.4"}}, None, "has no lock file"),
        ({"dependencies": {"zod": "3.22.4"}}, {"zod": "3.22.3"}, "out of step: zod is 3.22.3"),
        ({"devDependencies": {"zod": "latest"}}, {"zod": "latest"}, "may be any version"),
        ({}, {"zod": "3.22.4"}, "out of step: zod"),
    ],
)
def test_a_node_package_is_checked_by_rule_2(
    copy: Path, package: dict[str, Any], lock: dict[str, str] | None, words: str
) -> None:
    engines = {} if words.startswith("which") else {"engines": {"node": ">=22", "npm": ">=10"}}
    (copy / "browser").mkdir()
    (copy / "browser/package.json").write_text(json.dumps(engines | package, indent=2), "utf-8")
    if lock is not None:
        kind = "devDependencies" if "devDependencies" in package else "dependencies"
        (copy / "browser/package-lock.json").write_text(json.dumps({"packages": {"": {kind: lock}}}), "utf-8")
    found = checks(run(copy, "--fast", "--json", "--rule", "2"))["node-packages-are-pinned"]["violations"]
    assert any(words in violation["message"] for violation in found), found


@pytest.mark.agent
@pytest.mark.parametrize(
    ("command", "deploys"),
    [
        ("deploy/release staging --render | uvx kubernetes-validate --strict -", False),
        ('deploy/release production --image "$IMAGE" --dry-run', False),
        ("kubectl apply --dry-run=server -f manifests.yaml", False),
        ("kubectl apply --dry-run=none -f manifests.yaml", True),
        ("deploy/release production && deploy/release staging --render", True),
        ("deploy/release staging --render | kubectl apply -f -", True),
    ],
)
def test_a_step_that_only_shows_a_release_may_precede_the_build(copy: Path, command: str, *, deploys: bool) -> None:
    pipeline = {
        "stages": ["check", "build"],
        "manifests": {"stage": "check", "script": [command]},
        "image": {"stage": "build", "script": ["docker buildx build ."]},
    }
    (copy / ".gitlab-ci.yml").write_text(json.dumps(pipeline), "utf-8")
    found = checks(run(copy, "--fast", "--json", "--rule", "5"))["deployment-follows-the-build"]["violations"]
    assert [violation["path"] for violation in found] == [".gitlab-ci.yml"] * deploys


@pytest.mark.agent
def test_an_own_rule_is_checked_and_listed(copy: Path) -> None:
    (copy / "rules/local/02-planted.md").write_text(
        (copy / "rules/local/01-tools.md")
        .read_text("utf-8")
        .replace("id: local-1", "id: local-2")
        .replace("tools-have-docstrings", "nothing-is-planted"),
        "utf-8",
    )
    (copy / "tests/rules/local/test_02_planted.py").write_text(
        "from agent_devtools.rules.check import check\n\n\n"
        '@check("Take it out.")\n'
        "def test_nothing_is_planted(project):\n"
        '    yield project.file("Procfile").at(2, "is planted")\n',
        "utf-8",
    )
    done = run(copy, "--fast", "--rule", "local-2")
    assert "Procfile:2: rule local-2 (nothing-is-planted): is planted. Take it out." in done.stdout
    assert done.returncode == 1


@pytest.mark.agent
def test_an_unknown_rule_is_rejected(project: Path) -> None:
    done = run(project, "--rule", "15")
    assert done.returncode == 2
    assert done.stderr.startswith("There is no rule 15")


@pytest.mark.agent
def test_code_that_cannot_be_parsed_is_reported(copy: Path) -> None:
    (copy / "src/my_agent/agent/broken.py").write_text("def it(:\n", "utf-8")
    done = run(copy, "--fast", "--rule", "3")
    assert done.returncode == 1
    [line] = [line for line in done.stdout.splitlines() if "agent/broken.py" in line]
    assert line.startswith(
        "src/my_agent/agent/broken.py:1: the rulebook (code-can-be-parsed): SyntaxError: invalid syntax"
    )


@pytest.mark.agent
def test_files_of_assistants_have_their_format_and_size(copy: Path) -> None:
    def sizes() -> dict[str, str]:
        found = checks(run(copy, "--fast", "--json", "--rule", "1"))["assistants-know-the-rules"]["violations"]
        return {violation["path"]: violation["message"] for violation in found}

    files = {
        "CLAUDE.md": ("@AGENTS.md", "See AGENTS.md."),
        "GEMINI.md": ("@./AGENTS.md", "See AGENTS.md."),
        ".cursor/rules/rules.mdc": ("alwaysApply: true", "alwaysApply: 'true'"),
        ".augment/rules/rules.md": ("type: always_apply", "type: manual"),
        ".devin/rules/rules.md": ("---\ntrigger: always_on\n---\n", "trigger: always_on\n"),
        ".github/copilot-instructions.md": ("# Instr", "x" * 4_000),
    }
    for name, (old, new) in files.items():
        text = (copy / name).read_text("utf-8")
        assert old in text
        (copy / name).write_text(text.replace(old, new), "utf-8")
    found = sizes()
    assert found.keys() == files.keys()
    assert "its front matter lacks `alwaysApply: true`" in found[".cursor/rules/rules.mdc"]
    assert "its reader sees 4000" in found[".github/copilot-instructions.md"]


def test_agents_md_lists_the_users_paths() -> None:
    """AGENTS.md names every path that copier.yml excludes from updates."""
    for name in ("en", "zh"):
        text = next(path for path in FILES.glob("*AGENTS.md*") if f"'{name}'" in path.name).read_text("utf-8")
        for path in [path for path in config()["_skip_if_exists"] if path.startswith("/")]:
            assert path.removeprefix("/").replace("*", "{{ package_name }}") in text, path

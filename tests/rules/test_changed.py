"""`rules --changed` checks the differences from a commit in a moment; `rules explain` prints a rule."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.rules import planted
from tests.rules.projects import checks, copied, installed, run, seconds_used

if TYPE_CHECKING:
    from tests.conftest import Render

pytestmark = [pytest.mark.agent, pytest.mark.xdist_group("rules")]
# Violations that need several faults, or the whole project.
LEFT_OUT = {
    "assistants-know-the-rules",
    "documents-list-their-checks",
    "every-route-asks-who-is-there",
    "every-route-is-tested",
    "imports-are-declared",
    "lock-is-in-step",
    "services-have-interfaces",
}


@pytest.fixture(scope="module")
def project(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return committed(installed(render(), tmp_path_factory.mktemp("changed") / "project"))


def add(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def committed(project: Path) -> Path:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["git", "init", "--quiet"], ["git", "add", "--all"], [*git, "commit", "--quiet", "-m", "One"]):
        subprocess.run(command, cwd=project, check=True)
    return project


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Path:
    return copied(project, tmp_path / "project")


def found(project: Path, *options: str) -> dict[str, list[dict[str, object]]]:
    done = run(project, "--changed", "--json", *options)
    assert done.stdout, done.stderr
    checks = [check for rule in json.loads(done.stdout)["rules"] for check in rule["checks"]]
    return {check["name"]: check["violations"] for check in checks if check["violations"]}


def test_without_differences_nothing_is_checked(project: Path) -> None:
    done = run(project, "--changed")
    assert done.returncode == 0
    assert re.search(r"\b0\b", done.stdout)


def test_only_violations_in_changed_files_are_found(copy: Path) -> None:
    add(copy / "src/my_agent/agent/notes.py", "\n\ndef it() -> None:\n    print(1)\n")
    (copy / "compose.yaml").write_text((copy / "compose.yaml").read_text().replace("valkey:9", "valkey:latest"))
    (copy / "src/my_agent/agent/new.py").write_text("import psycopg\n")  # untracked
    changed = found(copy)
    assert changed.keys() >= {"no-print", "images-have-versions", "drivers-stay-in-implementations"}
    paths = {str(violation["path"]) for violations in changed.values() for violation in violations}
    assert paths == {"src/my_agent/agent/notes.py", "compose.yaml", "src/my_agent/agent/new.py"}
    subprocess.run(["git", "checkout", "--quiet", "compose.yaml"], cwd=copy, check=True)
    assert "images-have-versions" not in found(copy)
    assert run(copy, "--changed").returncode == 1


def test_every_single_changed_file_keeps_the_rules(copy: Path) -> None:
    """A check that needs the rest of the project would report a false violation."""
    for path in ("src/my_agent/agent/tools.py", "src/my_agent/app.py", "openapi.json", "Procfile", "pyproject.toml"):
        text = (copy / path).read_text("utf-8")
        (copy / path).write_text(text + "\n", "utf-8")
        assert found(copy) == {}, path
        (copy / path).write_text(text, "utf-8")


def test_it_finds_the_same_as_all_checks(copy: Path) -> None:
    planted.plant_all(copy)
    missed = planted.STATIC.keys() - found(copy).keys()
    assert missed <= LEFT_OUT


def test_it_compares_with_a_given_commit(copy: Path) -> None:
    add(copy / "src/my_agent/agent/notes.py", "\n\nprint(1)\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "-am", "Two"]
    subprocess.run(git, cwd=copy, check=True)
    assert found(copy) == {}
    assert "no-print" in found(copy, "HEAD~1")
    done = run(copy, "--changed", "nowhere")
    assert done.returncode == 2
    assert "nowhere" in done.stderr


def test_it_is_faster_than_all_checks(copy: Path) -> None:
    """Compares the minimum CPU seconds of three runs with those of all static checks: other load slows both."""
    add(copy / "src/my_agent/agent/tools.py", "\n")
    assert min(seconds_used(copy, "--changed") for _ in range(3)) < seconds_used(copy, "--fast") / 2


def test_a_change_of_the_code_without_a_test_is_reported(copy: Path) -> None:
    add(copy / "src/my_agent/agent/tools.py", "\n")
    alone = run(copy, "--changed").stdout
    add(copy / "tests/agent/test_notes.py", "\n")
    assert len(run(copy, "--changed").stdout.splitlines()) < len(alone.splitlines())
    assert "14.1" in alone


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_rule_is_explained_with_the_form_of_its_exception(
    project: Path, render: Render, tmp_path: Path, language: str
) -> None:
    if language == "zh":
        shutil.copytree(render(rules_language="zh"), tmp_path / "project")
        (tmp_path / "project/.venv").symlink_to(project / ".venv")
        project = tmp_path / "project"
    for asked in ("6", "6.1", "no-file-written"):
        said = run(project, "explain", asked).stdout
        document = (project / "rules/06-processes.md").read_text("utf-8")
        for heading in re.findall(r"^## .+$", document, re.MULTILINE):
            assert heading in said
        form = tomllib.loads(said[said.index("[[tool.rules.exceptions]]") :])
        [exception] = form["tool"]["rules"]["exceptions"]
        assert exception.keys() == {"check", "paths", "reason", "owner", "expires"}
        assert exception["check"] == ("no-file-written" if "-" in asked else "no-state-in-modules")
    done = run(project, "explain", "15")
    assert done.returncode == 2
    assert "15" in done.stderr


def test_a_report_for_gitlab_names_file_and_line(copy: Path) -> None:
    """In GitLab's format of code-quality reports, with a unique fingerprint per violation."""
    planted.plant_all(copy)
    reported = json.loads(run(copy, "--fast", "--code-quality").stdout)
    assert {each["check_name"] for each in reported} == planted.STATIC.keys()
    assert len({each["fingerprint"] for each in reported}) == len(reported)
    for each in reported:
        assert each["location"]["path"] == planted.STATIC[each["check_name"]].at
        assert each["location"]["lines"]["begin"] >= 1
        assert each["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert each["description"]


def test_an_owners_code_without_tests_is_reported(copy: Path) -> None:
    shutil.rmtree(copy / "tests/agent")
    violations = checks(run(copy, "--fast", "--json", "--rule", "14"))["what-you-add-is-tested"]["violations"]
    assert [violation["message"] for violation in violations] == ["tests/agent has no test of what agent/ adds"]


# Runs the command, and prints the files that it parses, the programs that it starts, and whether it imports pytest.
WATCHED = """
import ast, io, json, sys
from contextlib import redirect_stdout
parse, parsed, started = ast.parse, [], []
ast.parse = lambda text, path="", *more, **options: parsed.append(path) or parse(text, path, *more, **options)
sys.addaudithook(lambda name, found: started.append(list(map(str, found[1]))) if name == "subprocess.Popen" else None)
sys.argv[0] = "my-agent"
from my_agent.management.__main__ import main
try:
    with redirect_stdout(io.StringIO()):
        main()
except SystemExit as ended:
    files = [path for path in parsed if path.endswith(".py")]
    print(json.dumps([ended.code, files, started, "pytest" in sys.modules]))
"""


def watched(project: Path, *options: str) -> tuple[int, list[str], list[list[str]], bool]:
    command = [".venv/bin/python", "-c", WATCHED, "rules", *options]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    code, parsed, started, pytest_runs = json.loads(done.stdout.splitlines()[-1])
    return code, parsed, started, pytest_runs


def test_it_starts_only_git_and_parses_changed_files_and_their_imports(copy: Path) -> None:
    add(copy / "src/my_agent/agent/tools.py", "\n")
    add(copy / "tests/agent/test_notes.py", "\n")
    code, parsed, started, pytest_runs = watched(copy, "--changed")
    assert code == 0
    assert not pytest_runs
    assert {command[0] for command in started} == {"git"}
    assert len(parsed) == len(set(parsed)), "a file is parsed twice"
    differ = {"src/my_agent/agent/tools.py", "tests/agent/test_notes.py"}
    assert differ <= set(parsed)
    imports = "\n".join((copy / path).read_text("utf-8") for path in differ)
    for path in set(parsed) - differ:
        is_imported = re.search(rf"import.*\b{Path(path).stem}\b|\.{Path(path).stem} import", imports)
        declares_settings = re.search(r"^class \w*Settings\b", (copy / path).read_text("utf-8"), re.MULTILINE)
        assert is_imported or declares_settings, path


def test_all_static_checks_parse_each_file_once_and_start_no_pytest(copy: Path) -> None:
    code, parsed, started, pytest_runs = watched(copy, "--fast")
    assert code == 0
    assert not pytest_runs
    assert len(parsed) == len(set(parsed)), "a file is parsed twice"
    assert sum("deptry" in command for command in started) == 2, "once for the project, once for its devtools"
    assert len(started) == 4, f"they need only Git, uv and deptry: {started}"


@pytest.mark.parametrize(
    ("imports", "parameters", "body", "said"),
    [
        (
            "import pytest\n",
            "project, tmp_path",
            "yield project.file('Procfile').at(2, str(tmp_path.is_dir()))",
            "True",
        ),
        ("import pytest\n", "project", "pytest.skip('later')\n    yield", "later"),
        ("", "project", "yield project.nothing", "AttributeError"),
        ("import nothing_at_all\n", "project", "yield", "nothing_at_all"),
    ],
)
def test_an_own_check_may_need_pytest_or_break(copy: Path, imports: str, parameters: str, body: str, said: str) -> None:
    (copy / "tests/rules/local/test_01_tools.py").write_text(
        f"{imports}from agent_devtools.rules.check import check\n\n\n"
        f"@check('Take it out.')\ndef test_tools_have_docstrings({parameters}):\n    {body}\n",
        "utf-8",
    )
    done = run(copy, "--fast", "--rule", "local-1")
    assert done.returncode in {1, 2}
    assert said in done.stdout + done.stderr

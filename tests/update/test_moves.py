"""The table of moves, and updates of a small template across releases with moves."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from copier.errors import TaskError

import moves
from imports import module
from project import UpdateError
from rename_package import rename
from tests.programs import releases
from tests.support.git import commit, git
from tests.support.template import ROOT, working_tree
from tests.support.template import render as render_template
from tests.support.updating import release, unresolved, update

if TYPE_CHECKING:
    from pathlib import Path

RELEASES = [found.version for found in releases.releases()]


def rendered(path: str) -> str:
    """Return the path in a project of a file of the template."""
    name = re.sub(r"{%.*?%}", "", path.removeprefix("template/")).removesuffix(".jinja")
    return re.sub("/+", "/", name.replace("{{ package_name }}", "{package}"))


def paths(version: str = "") -> set[str]:
    """The paths of a release, or of the working tree, in projects of every variant."""
    commits = {found.version: found.commit for found in releases.releases()}
    if version:
        names = git(ROOT, "ls-tree", "-r", "-z", "--name-only", commits[version], "template").split("\0")
    else:
        names = [path.as_posix() for path in working_tree()]
    return {rendered(name) for name in names if name.startswith("template/")}


def test_the_table_fits_the_trees() -> None:
    """Sources were in a release, and targets are in this one."""
    releases.require_history()
    known = {version: paths(version) for version in RELEASES}
    now, before = paths(), set().union(*known.values())
    for version in moves.MOVES:
        table = moves.table(version, "{package}")
        sources = [source for listed in table.files.values() for source in listed]
        leaving = [*sources, *table.gone]
        folders = tuple(source for source in leaving if source.endswith("/"))
        assert [path for path in leaving if path not in before and path not in folders] == [], "of no release"
        before |= set(table.files)
        if version != list(moves.MOVES)[-1]:
            continue
        assert [path for path in table.files if not path.endswith("/") and path not in now] == [], "targets of no file"
        stay = set(table.files)
        assert [path for path in leaving if path in now and path not in stay] == [], "sources that are still there"
        earlier = RELEASES[: RELEASES.index(version)] if version in RELEASES else RELEASES
        taken = [path for path in stay if path in known[earlier[-1]] and path not in leaving]
        assert taken == [], "targets that were another file: name it as a source too"


def test_no_file_vanished_since_the_last_release_without_a_line() -> None:
    releases.require_history()
    coming = [moves.table(version, "{package}") for version in moves.MOVES if version not in RELEASES]
    listed = {
        path for table in coming for path in [*table.gone, *(each for found in table.files.values() for each in found)]
    }
    folders = tuple(path for path in listed if path.endswith("/"))
    vanished = paths(RELEASES[-1]) - paths() - listed
    assert [path for path in vanished if not path.startswith(folders)] == []


def test_a_name_that_moved_is_where_the_table_says() -> None:
    (version,) = list(moves.MOVES)[-1:]
    table = moves.table(version, "{package}")
    files = {module(rendered(path.as_posix())): ROOT / path for path in working_tree() if ".py" in path.suffixes}
    for new in {*table.names.values(), *table.facade.values()}:
        name, _, attribute = new.partition(":")
        assert name in files, f"{name} is no module"
        assert re.search(rf"\b{attribute}\b", files[name].read_text("utf-8")), new


@pytest.mark.parametrize(
    "line",
    ["a.py", "a.py -> ", " -> b.py", "a.py + -> b.py", "a.py -> b.py\na.py -> c.py", "a:B -> c:D\na:B -> c:E"],
)
def test_a_line_that_is_no_move_is_an_error(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(moves.MOVES, "9.0.0", line)
    with pytest.raises(ValueError, match=r"9\.0\.0"):
        moves.table("9.0.0", "desk")


# --- A small template, for all that needs an update and no large one ------------------------------------------------

PACKAGE = "src/{{ package_name }}"
TREE = {
    "__init__.py": "",
    "one.py": "X = 1\n\n\ndef a() -> int:\n    return X\n" + "".join(f"\n\n# {number}\n" for number in range(4)),
    "two.py": "from .one import X\n\nprint(X)\n",
}
USES = "from .one import MINE, X\nfrom my_agent import one\n\nprint(MINE, X, one.X)\n"
LATER = {
    "98.0.0": ("src/{package}/one.py -> src/{package}/sub/uno.py\n{package}.one:X -> {package}.sub.uno:Y", "uno"),
    "99.0.0": ("src/{package}/sub/uno.py -> src/{package}/eins.py", "eins"),
}


@pytest.fixture
def small(questionnaire: Path, tmp_path: Path) -> Path:
    """Three releases: a module moves in the second, and again in the third."""
    template = shutil.copytree(questionnaire, tmp_path / "small")
    files = template / "template"

    def write(tree: dict[str, str]) -> None:
        for name, text in tree.items():
            (files / PACKAGE / name).parent.mkdir(parents=True, exist_ok=True)
            (files / PACKAGE / name).write_text(text, "utf-8")

    write(TREE)
    release(template, "97.0.0")
    settings = yaml.safe_load((template / "copier.yml").read_text("utf-8"))
    (newest,) = (found for found in settings["_migrations"] if found["version"] == "3.0.0")
    for version, (lines, _) in LATER.items():
        script = f"hooks/v{version.replace('.', '_')}.py"
        (template / script).write_text(f'from carry import main\n\nmain("{version}")\n', "utf-8")
        command = [part.replace("hooks/v3_0_0.py", script) for part in newest["command"]]
        settings["_migrations"].append({**newest, "version": version, "command": command})
        table = (template / "hooks" / "moves.py").read_text("utf-8")
        table = table.replace("MOVES = {\n", f'MOVES = {{\n    "{version}": """{lines}""",\n', 1)
        (template / "hooks" / "moves.py").write_text(table, "utf-8")
    (template / "copier.yml").write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
    renamed = TREE["one.py"].replace("X", "Y")
    (files / PACKAGE / "one.py").unlink()
    write({"sub/__init__.py": "", "sub/uno.py": renamed, "two.py": "from .sub.uno import Y\n\nprint(Y)\n"})
    release(template, "98.0.0")
    shutil.rmtree(files / PACKAGE / "sub")
    write({"eins.py": renamed, "two.py": "from .eins import Y\n\nprint(Y)\n"})
    release(template, "99.0.0")
    return template


def owner_of(small: Path, folder: Path, **options: Any) -> Path:  # noqa: ANN401
    """A project of the first release, with edits and imports of the owner's."""
    project = render_template(small, folder, vcs_ref="97.0.0", **options)
    source = project / "src" / "my_agent"
    (source / "one.py").write_text((source / "one.py").read_text("utf-8") + "\n\nMINE = 2\n", "utf-8")
    (source / "mine.py").write_text(
        "from .one import MINE, X\nfrom my_agent import one\n\nprint(MINE, X, one.X)\n", "utf-8"
    )
    return project


def arrived(project: Path, leaf: str) -> None:
    """Check that the owner's work is at the module's new place."""
    source = project / "src" / "my_agent"
    (place,) = source.rglob(f"{leaf}.py")
    text = place.read_text("utf-8")
    assert "return Y" in text
    assert text.endswith("MINE = 2\n")
    assert not (source / "one.py").exists()
    mine = (source / "mine.py").read_text("utf-8")
    dotted = module(place.relative_to(project).as_posix())
    assert f"from .{dotted.removeprefix('my_agent.')} import" in mine
    assert mine.endswith("print(MINE, X, one.Y)\n")
    assert "<<<<<<<" not in text + mine
    assert unresolved(project, "my_agent") == []


def test_two_releases_with_moves_in_one_update(small: Path, tmp_path: Path) -> None:
    project = owner_of(small, tmp_path / "project")
    commit(project, "Mine")
    update(project, unsafe=True)
    arrived(project, "eins")


def test_one_release_after_the_other(small: Path, tmp_path: Path) -> None:
    project = owner_of(small, tmp_path / "project")
    commit(project, "Mine")
    for version, (_, leaf) in LATER.items():
        update(project, unsafe=True, vcs_ref=version)
        arrived(project, leaf)
        commit(project, version)


@pytest.mark.parametrize("answers_file", [".copier-answers.yml", ".agent.yml"])
def test_a_project_in_a_folder_of_a_repository(small: Path, tmp_path: Path, answers_file: str) -> None:
    project = owner_of(small, tmp_path / "all" / "of" / "it", answers_file=answers_file)
    (tmp_path / "all" / "README.md").write_text("# All\n", "utf-8")
    commit(tmp_path / "all", "Mine")
    update(project, unsafe=True, answers_file=answers_file)
    arrived(project, "eins")


def test_a_working_tree_with_the_line_ends_of_windows(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text("[core]\n  autocrlf = true\n[user]\n  name = Me\n  email = me@example.com\n", "utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    project = owner_of(small, tmp_path / "project")
    commit(project, "Mine")
    git(project, "rm", "-r", "--quiet", "--cached", ".")
    git(project, "reset", "--hard", "--quiet")
    assert b"\r\n" in (project / "src" / "my_agent" / "one.py").read_bytes()
    update(project, unsafe=True)
    arrived(project, "eins")
    git(project, "add", "--all")
    assert "\r" not in git(project, "cat-file", "blob", ":src/my_agent/eins.py")


def test_a_file_in_the_way_stops_the_update_before_it_changes_anything(small: Path, tmp_path: Path) -> None:
    project = owner_of(small, tmp_path / "project")
    (project / "src" / "my_agent" / "sub").mkdir()
    (project / "src" / "my_agent" / "sub" / "uno.py").write_text("mine\n", "utf-8")
    commit(project, "Mine")
    with pytest.raises(TaskError):
        update(project, unsafe=True)
    assert git(project, "status", "--porcelain") == ""


def test_a_package_gets_another_name(small: Path, tmp_path: Path) -> None:
    """With the owner's edits, and so that later updates find what they expect."""
    text = "[project]\nname = '{{ package_name }}'\n\n\n# End\n"
    (small / "template" / "pyproject.toml.jinja").write_text(text, "utf-8")
    release(small, "99.1.0")
    project = render_template(small, tmp_path / "project", vcs_ref="99.1.0")

    def append(name: str, text: str) -> None:
        with (project / name).open("a", encoding="utf-8") as file:
            file.write(text)

    append("src/my_agent/eins.py", "MINE = 2\n")
    append("src/my_agent/own.py", "import my_agent.eins\nfrom .eins import MINE\n\nprint(my_agent, MINE)\n")
    append("pyproject.toml", "# my_agent, mine\n")
    commit(project, "Scaffold")
    append("pyproject.toml", "# uncommitted\n")
    with pytest.raises(UpdateError, match="Commit"):
        rename(project, "desk")
    git(project, "checkout", "--quiet", "pyproject.toml")
    with pytest.raises(UpdateError, match="lower-case"):
        rename(project, "Desk")
    assert git(project, "status", "--porcelain") == ""

    report = rename(project, "desk")
    assert not (project / "src" / "my_agent").exists()
    assert (project / "src/desk/eins.py").read_text("utf-8").endswith("MINE = 2\n")
    own = (project / "src/desk/own.py").read_text("utf-8")
    assert own == "import desk.eins\nfrom .eins import MINE\n\nprint(desk, MINE)\n"
    expected = text.replace("{{ package_name }}", "desk") + "# my_agent, mine\n"
    assert (project / "pyproject.toml").read_text("utf-8") == expected
    assert "pyproject.toml:6 still says my_agent, which is now desk" in report
    assert git(project, "diff") == ""
    commit(project, "Renamed")
    assert rename(project, "desk") == []

    (small / "template" / "new.txt").write_text("new\n", "utf-8")
    release(small, "99.2.0")
    update(project)
    assert git(project, "status", "--porcelain").splitlines() == ["M .copier-answers.yml", "?? new.txt"]


def test_an_update_with_moves_and_another_package_name_is_refused(small: Path, tmp_path: Path) -> None:
    project = owner_of(small, tmp_path / "project")
    commit(project, "Mine")
    with pytest.raises(TaskError):
        update(project, {"package_name": "desk"}, unsafe=True)
    assert git(project, "status", "--porcelain") == ""

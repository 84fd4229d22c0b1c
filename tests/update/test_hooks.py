"""Each hook has one migration, is idempotent, and does nothing in a project that does not need it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import copier
import pytest
import yaml
from copier.errors import UnsafeTemplateError
from packaging.version import Version

from tests.programs import releases
from tests.support.git import git
from tests.support.template import ROOT, asking, config, export
from tests.support.template import render as render_template

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

SCRIPTS = sorted((ROOT / "hooks").glob("v*.py"))
BEFORE = "{{ _stage == 'before' }}"
EARLY = {releases.hook(migration["version"]) for migration in config()["_migrations"] if "when" in migration}
HOOKS = [path for path in SCRIPTS if path.relative_to(ROOT).as_posix() not in EARLY]  # of the project alone
OUTSIDE = {"asyncio", "http", "multiprocessing", "socket", "subprocess", "urllib"}  # of the project
HOOK = '''
"""Renames notes.txt."""

from pathlib import Path


def migrate(project: Path) -> list[str]:
    """Move the file, unless that is done."""
    old, new = project / "notes.txt", project / "NOTES.md"
    if new.exists() or not old.exists():
        return []
    old.rename(new)
    return ["notes.txt is now NOTES.md."]


if __name__ == "__main__":
    print(*migrate(Path.cwd()), sep="\\n")
'''


def command(script: str, early: bool = False) -> list[str]:
    """Return the command of a migration. One that runs before the merge gets two answers."""
    given = ["{{ _copier_conf.answers_file }}", "{{ _copier_conf.data.package_name | default('') }}"] if early else []
    return ["{{ _copier_python }}", "{{ _copier_conf.src_path }}/" + script, *given]


def problems_of_migrations(migrations: list[dict[str, Any]], scripts: list[str]) -> list[str]:
    """Return the problems of `_migrations`, given the existing scripts."""
    named = [migration.get("version", "") for migration in migrations]
    found = [
        f"{migration}: has to be a version and a command"
        for migration in migrations
        if set(migration) != {"version", "command"} | ({"when"} if migration.get("when") == BEFORE else set())
    ]
    found += [f"{version} is not a version" for version in named if not releases.VERSION.fullmatch(version)]
    if found:
        return found
    found += [
        f"{version}: the command has to be {line}"
        for migration, version in zip(migrations, named, strict=True)
        if migration["command"] != (line := command(releases.hook(version), "when" in migration))
    ]
    found += [f"{version} occurs twice" for version in {version for version in named if named.count(version) > 1}]
    if named != sorted(named, key=Version):
        found.append("migrations are not in the order of versions")
    wanted = {releases.hook(version) for version in named}
    found += [f"{script} is named by no migration" for script in scripts if script not in wanted]
    found += [f"{script} is missing" for script in sorted(wanted - set(scripts))]
    return found


def problems_of_script(text: str) -> list[str]:
    """Return what a hook does that is not allowed."""
    tree = ast.parse(text)
    imported = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {(node.module or ".").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    found = [
        f"imports {name}, which is not of the standard library" for name in imported - set(sys.stdlib_module_names)
    ]
    found += [f"imports {name}: a hook stays in the project" for name in sorted(imported & OUTSIDE)]
    signatures = [ast.unparse(node).split(":\n")[0] for node in tree.body if isinstance(node, ast.FunctionDef)]
    if "def migrate(project: Path) -> list[str]" not in signatures:
        found.append("has no `migrate(project: Path) -> list[str]`")
    return found


def run(script: Path, project: Path) -> str:
    """Run a hook as a migration does, and return its output."""
    ran = subprocess.run([sys.executable, script], cwd=project, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_migrations_and_hooks_match() -> None:
    scripts = [path.relative_to(ROOT).as_posix() for path in SCRIPTS]
    assert problems_of_migrations(config().get("_migrations", []), scripts) == []


def test_a_hook_belongs_to_a_release_or_the_next() -> None:
    older = [release.version for release in releases.releases()]
    for migration in config().get("_migrations", []):
        version = migration["version"]
        assert version in older or not older or Version(version) > Version(older[-1]), version


@pytest.mark.parametrize(
    ("migrations", "scripts", "problem"),
    [
        ([], ["hooks/v2_0_0.py"], "hooks/v2_0_0.py is named by no migration"),
        ([{"version": "2.0.0", "command": command("hooks/v2_0_0.py")}], [], "hooks/v2_0_0.py is missing"),
        ([{"version": "2.0.0", "command": "rm -rf ."}], ["hooks/v2_0_0.py"], "the command has to be"),
        ([{"command": command("hooks/v2_0_0.py")}], ["hooks/v2_0_0.py"], "has to be a version and a command"),
        ([{"version": "2.0.0", "command": [], "when": "{{ true }}"}], [], "has to be a version and a command"),
        (
            [{"version": version, "command": command(releases.hook(version))} for version in ("2.10.0", "2.9.0")],
            ["hooks/v2_10_0.py", "hooks/v2_9_0.py"],
            "order",
        ),
    ],
)
def test_a_wrong_migration_is_found(migrations: list[dict[str, Any]], scripts: list[str], problem: str) -> None:
    assert problem in " ".join(problems_of_migrations(migrations, scripts))


def test_hooks_import_only_what_is_allowed() -> None:
    assert {path.name: found for path in HOOKS if (found := problems_of_script(path.read_text("utf-8")))} == {}
    assert problems_of_script(HOOK) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HOOK + "import yaml\n", "not of the standard library"),
        (HOOK + "from subprocess import run\n", "stays in the project"),
        (HOOK.replace("def migrate", "def main"), "has no `migrate"),
    ],
)
def test_a_wrong_hook_is_found(text: str, problem: str) -> None:
    assert problem in " ".join(problems_of_script(text))


@pytest.mark.slow
def test_hooks_change_nothing_in_a_project_of_this_version(render: Render, tmp_path: Path) -> None:
    """They are idempotent, and do nothing in a folder without their files."""
    empty = tmp_path / "empty"
    empty.mkdir()
    project = export_rendering(render(), tmp_path / "project")
    for script in HOOKS:
        assert run(script, project) == ""
        assert run(script, empty) == ""
        assert git(project, "status", "--porcelain") == ""
        assert list(empty.iterdir()) == []


@pytest.mark.slow
def test_hooks_change_nothing_the_second_time(tmp_path: Path) -> None:
    """In a project of each earlier release."""
    releases.require_history()
    for script in HOOKS:
        own = Version(re.sub(r"v(\d+)_(\d+)_(\d+)", r"\1.\2.\3", script.stem))
        for release in (release for release in releases.releases() if release.order < own):
            source = tmp_path / f"template-{release.version}"
            if not source.exists():
                git(tmp_path, "clone", "--quiet", str(ROOT), str(source))
                releases.tag(source)
            project = tmp_path / f"{script.stem}-from-{release.version}"
            render_template(source, project, vcs_ref=release.version)
            commit_all(project)
            run(script, project)
            commit_all(project)
            assert run(script, project) == "", f"{script.name} changed something in the second run"
            assert git(project, "status", "--porcelain") == ""


@pytest.mark.slow
def test_an_update_runs_a_hook_only_with_trust(tmp_path: Path) -> None:
    """The release of this test has a hook that renames a file of the user."""
    source = export(asking(), tmp_path / "template")
    commit_all(source, "76.0.0")
    project = render_template(source, tmp_path / "project", vcs_ref="76.0.0")
    (project / "notes.txt").write_text("mine\n", "utf-8")
    commit_all(project)

    settings = yaml.safe_load((source / "copier.yml").read_text("utf-8"))
    settings["_migrations"] = [
        *settings.get("_migrations", []),
        {"version": "77.0.0", "command": command(releases.hook("77.0.0"))},
    ]
    (source / "copier.yml").write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
    script = source / releases.hook("77.0.0")
    script.parent.mkdir()
    script.write_text(HOOK, "utf-8")
    commit_all(source, "77.0.0")
    update: dict[str, Any] = {"defaults": True, "skip_answered": True, "overwrite": True, "quiet": True}

    with pytest.raises(UnsafeTemplateError, match="migrations"):
        copier.run_update(project, unsafe=False, **update)
    assert git(project, "status", "--porcelain") == ""

    copier.run_update(project, unsafe=True, **update)
    assert not (project / "notes.txt").exists()
    assert (project / "NOTES.md").read_text("utf-8") == "mine\n"
    commit_all(project)

    (source / "template" / "new.txt").write_text("new\n", "utf-8")
    commit_all(source, "77.1.0")
    copier.run_update(project, unsafe=False, **update)  # crosses no hook, so needs no trust
    assert (project / "new.txt").exists()


def commit_all(folder: Path, tag: str = "") -> None:
    """Commit everything; create the repository if there is none."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", tag or "All")
    if tag:
        git(folder, "tag", tag)


def export_rendering(project: Path, target: Path) -> Path:
    """Copy a rendering into a new repository."""
    subprocess.run(["cp", "-a", str(project), str(target)], check=True)
    commit_all(target)
    return target

"""The list of releases matches the history, and the release script rejects what is not ready."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest
import yaml
from packaging.version import Version

from tests.programs import releases
from tests.support.git import git
from tests.support.template import FILES, ROOT, export, working_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UPDATING = ROOT / releases.UPDATING


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of the working tree, with a release 1.0.0 and a later change."""
    root = export(working_tree(), tmp_path / "template")
    git(root, "init", "--quiet")
    (root / releases.LIST).write_text("# The list.\n\nrelease = []\n", "utf-8")
    changelog = f"# Changelog\n\n## {releases.UNRELEASED}\n\n- Something.\n\n## 0.1.0 (2020-01-01)\n\n- Older.\n"
    (root / releases.CHANGELOG).write_text(changelog, "utf-8")
    for path in releases.RULES.values():
        (root / path).write_text(f"# Changes\n\n## {releases.UNRELEASED}\n\n- **9.1** stops.\n", "utf-8")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Before")
    return root


def release_again(root: Path, version: str) -> releases.Release:
    changelog = root / releases.CHANGELOG
    text = changelog.read_text("utf-8")
    changelog.write_text(text.replace(f"## {releases.UNRELEASED}\n", f"## {releases.UNRELEASED}\n\n- More.\n"), "utf-8")
    git(root, "commit", "--quiet", "--all", "--message", "More")
    return releases.make(root, version)


@pytest.mark.slow
def test_a_release_writes_its_version_everywhere_and_is_listed(repository: Path) -> None:
    made = releases.make(repository, "1.0.0")
    assert releases.releases(repository) == [made]
    assert git(repository, "rev-parse", "1.0.0^{commit}") == made.commit
    assert git(repository, "status", "--porcelain") == ""
    at_release = tomllib.loads(git(repository, "show", "1.0.0:pyproject.toml"))
    assert at_release["project"]["version"] == "1.0.0"
    changelog = (repository / releases.CHANGELOG).read_text("utf-8")
    assert releases.section(changelog, "1.0.0") == "- Something."
    assert releases.section(changelog, releases.UNRELEASED) == ""
    for path in releases.RULES.values():
        rules = (repository / path).read_text("utf-8")
        assert releases.section(rules, "1.0.0") == "- **9.1** stops."
        assert releases.section(rules, releases.UNRELEASED) is None
    subprocess.run(["uv", "lock", "--check", "--quiet"], cwd=repository, check=True)


@pytest.mark.slow
def test_a_release_without_a_change_of_rules_says_so(repository: Path) -> None:
    first = releases.make(repository, "1.0.0")
    second = release_again(repository, "1.1.0")
    assert releases.releases(repository) == [first, second]
    for language, path in releases.RULES.items():
        rules = (repository / path).read_text("utf-8")
        assert releases.section(rules, "1.1.0") == releases.NO_RULE[language]
        assert rules.index("## 1.1.0") < rules.index("## 1.0.0")


def forget_to_commit(root: Path) -> None:
    (root / "new.txt").write_text("new\n", "utf-8")


def forget_the_changelog(root: Path) -> None:
    (root / releases.CHANGELOG).write_text("# Changelog\n\n## Unreleased\n", "utf-8")
    git(root, "commit", "--quiet", "--all", "--message", "Nothing")


def forget_the_rules(root: Path) -> None:
    (root / releases.RULES["zh"]).write_text("# Changes\n\n## Unreleased\n", "utf-8")
    git(root, "commit", "--quiet", "--all", "--message", "Nothing")


def forget_the_notes(root: Path) -> None:
    (root / releases.hook("1.0.0")).write_text("", "utf-8")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "A hook")


def release_newer(root: Path) -> None:
    releases.record(root, releases.Release("1.0.0", git(root, "rev-parse", "HEAD")))
    git(root, "commit", "--quiet", "--all", "--message", "Newer")


@pytest.mark.parametrize(
    ("forget", "version", "reason"),
    [
        (forget_to_commit, "1.0.0", "not committed"),
        (forget_the_changelog, "1.0.0", "CHANGELOG.md has nothing under"),
        (forget_the_rules, "1.0.0", "/CHANGELOG.md has nothing under"),
        (forget_the_notes, "1.0.0", "add `### 1.0.0`"),
        (release_newer, "1.0.0", "not newer than 1.0.0"),
        (lambda _: None, "v1.0.0", "is not a version"),
        (lambda _: None, "1.0", "is not a version"),
    ],
)
def test_an_unready_release_is_rejected(
    repository: Path, forget: Callable[[Path], None], version: str, reason: str
) -> None:
    forget(repository)
    before = git(repository, "rev-parse", "HEAD")
    with pytest.raises(releases.NotReadyError, match=re.escape(reason)):
        releases.make(repository, version)
    assert git(repository, "rev-parse", "HEAD") == before
    assert git(repository, "tag") == ""


@pytest.mark.slow
def test_a_major_release_needs_notes(repository: Path) -> None:
    releases.make(repository, "1.0.0")
    with pytest.raises(releases.NotReadyError, match=r"add `### 98\.0\.0`"):
        release_again(repository, "98.0.0")


@pytest.mark.slow
def test_clones_get_the_tags_of_the_list_and_no_other(repository: Path, tmp_path: Path) -> None:
    made = releases.make(repository, "1.0.0")
    git(repository, "tag", "--delete", "1.0.0")
    git(repository, "tag", "99.0.0")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    releases.tag(clone)
    assert git(clone, "tag") == "1.0.0"
    assert git(clone, "rev-parse", "1.0.0") == made.commit
    for script in (clone / "hooks").glob("v*.py"):
        script.unlink()
    assert releases.following(clone) == "1.1.0"
    (clone / "hooks" / "v2_0_0.py").touch()
    assert releases.following(clone) == "2.0.0"


@pytest.mark.slow
def test_a_shallow_clone_gets_advice(repository: Path, tmp_path: Path) -> None:
    releases.make(repository, "1.0.0")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", str(clone))
    with pytest.raises(releases.NotReadyError, match=r"lacks the commit of 1\.0\.0 .*git fetch --unshallow"):
        releases.require_history(clone)
    releases.tag(clone)  # works without the history
    assert git(clone, "tag") == ""


def test_the_list_agrees_with_the_history() -> None:
    releases.require_history()
    found = releases.releases()
    assert [release.order for release in found] == sorted({release.order for release in found})
    for release in found:
        git(ROOT, "merge-base", "--is-ancestor", release.commit, "HEAD")
        project = tomllib.loads(git(ROOT, "show", f"{release.commit}:pyproject.toml"))["project"]
        assert project["version"] == release.version
        changelogs = [(ROOT / path).read_text("utf-8") for path in (releases.CHANGELOG, *releases.RULES.values())]
        assert all(releases.section(text, release.version) for text in changelogs), release.version
    tags = {tag for tag in git(ROOT, "tag").split() if releases.VERSION.fullmatch(tag)}
    assert tags <= {release.version for release in found}, f"released but not on the list {releases.LIST}"


def test_this_version_is_the_newest_release() -> None:
    own = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    newest = max((release.order for release in releases.releases()), default=Version(own))
    assert Version(own) >= newest


def test_notes_have_versions_as_headings() -> None:
    text = UPDATING.read_text("utf-8")
    notes = re.findall(r"^### (\S+)$", text[text.index("## Notes by release") :], re.MULTILINE)
    assert all(releases.VERSION.fullmatch(version) for version in notes)


def changed_rules(changelog: str) -> dict[str, str]:
    """Return the newest version that names each rule of a changelog, such as `**9.1**`."""
    found: dict[str, str] = {}
    for part in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        for rule in re.findall(r"^- \*\*(\d+\.\d+)\*\*", part, re.MULTILINE):
            found.setdefault(rule, part.split()[0])
    return found


def problems_of_rules(changelog: str, changed: dict[str, str], newest: Version) -> list[str]:
    """Return the contradictions between a changelog and the front matter of rules, `changed` by `id`."""
    found = []
    for rule, version in changed_rules(changelog).items():
        own = changed.get(rule, "")
        right = own and (Version(own) > newest if version == releases.UNRELEASED else own == version)
        if not right:
            found.append(f"{rule}: the changelog says {version}, its front matter {own or 'nothing'}")
    return found


def test_the_front_matter_of_rules_agrees_with_the_changelog() -> None:
    newest = max((release.order for release in releases.releases()), default=Version("0.0.0"))
    documents = [path for path in FILES.glob("*rules*/[0-9][0-9]-*") if path.is_file()]
    assert len(documents) >= 28, "in two languages"
    for language, path in releases.RULES.items():
        changelog = (ROOT / path).read_text("utf-8")
        texts = [document.read_text("utf-8") for document in documents if f"'{language}'" in str(document)]
        fronts = [yaml.safe_load(text.split("---\n")[1]) for text in texts]
        changed = {str(front["id"]): str(front["changed"]) for front in fronts}
        assert problems_of_rules(changelog, changed, newest) == []


def test_a_contradicting_rule_is_found() -> None:
    changelog = "# It\n\n## Unreleased\n\n- **3.1** new.\n\n## 1.1.0 (2026-12-01)\n\n- **9.1** stops.\n- **3.1** old.\n"
    newest = Version("1.1.0")
    assert problems_of_rules(changelog, {"9.1": "1.1.0", "3.1": "1.2.0"}, newest) == []
    assert problems_of_rules(changelog, {"9.1": "1.0.0", "3.1": "1.1.0"}, newest) == [
        "3.1: the changelog says Unreleased, its front matter 1.1.0",
        "9.1: the changelog says 1.1.0, its front matter 1.0.0",
    ]

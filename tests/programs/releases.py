"""The list of releases, clones of the template with their tags, and the making of a release.

python -m tests.programs.releases 1.2.0    make a release (`make release VERSION=1.2.0`, docs/releasing.md)
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from packaging.version import Version

from tests.support.git import git
from tests.support.template import ROOT

LIST = "releases.toml"
CHANGELOG = "CHANGELOG.md"
RULES = {
    language: f"template/{{% if rules_language == '{language}' %}}rules{{% endif %}}/CHANGELOG.md"
    for language in ("en", "zh")
}
NO_RULE = {"en": "- No rule changed.", "zh": "- 规则没有变化。"}
UPDATING = "docs/updating.md"
UNRELEASED = "Unreleased"
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


@dataclass(frozen=True)
class Release:
    """A released version and the full hash of its commit."""

    version: str
    commit: str

    @property
    def order(self) -> Version:
        """The version as a sort key."""
        return Version(self.version)


class NotReadyError(Exception):
    """Raised if a release cannot be made or the history lacks one. The message explains what to do."""


def releases(root: Path = ROOT) -> list[Release]:
    """Return every release, oldest first."""
    document = tomllib.loads((root / LIST).read_text("utf-8"))
    return [Release(entry["version"], entry["commit"]) for entry in document["release"]]


def missing(root: Path = ROOT) -> list[Release]:
    """Return the releases whose commit this clone lacks."""

    def has(commit: str) -> bool:
        found = subprocess.run(
            ["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=root, capture_output=True, check=False
        )
        return found.returncode == 0

    return [release for release in releases(root) if not has(release.commit)]


def require_history(root: Path = ROOT) -> None:
    """Raise NotReadyError if the commit of a release is missing, as in a shallow clone."""
    if lacking := missing(root):
        names = ", ".join(f"{release.version} ({release.commit[:12]})" for release in lacking)
        shallow = git(root, "rev-parse", "--is-shallow-repository") == "true"
        reason = (
            "it is shallow: run `git fetch --unshallow` (in CI: `fetch-depth: 0`)" if shallow else f"correct {LIST}"
        )
        raise NotReadyError(f"This clone lacks the commit of {names}; {reason}.")


def tag(clone: Path) -> None:
    """Give a clone exactly the tags of the list."""
    if tags := git(clone, "tag").split():
        git(clone, "tag", "--delete", *tags)
    lacking = missing(clone)
    for release in releases(clone):
        if release not in lacking:
            git(clone, "tag", release.version, release.commit)


def following(root: Path = ROOT) -> str:
    """Return the version of the next release: that of the newest hook, or the next minor version."""
    newest = max((release.order for release in releases(root)), default=Version("0.0.0"))
    hooks = [path.stem[1:].replace("_", ".") for path in (root / "hooks").glob("v*.py")]
    coming = max([Version(f"{newest.major}.{newest.minor + 1}.0"), *map(Version, hooks)])
    return str(coming)


def hook(version: str) -> str:
    """Return the path of the script that an update to this release runs, if it has one."""
    return f"hooks/v{version.replace('.', '_')}.py"


def heading(version: str, date: str) -> str:
    """Return the heading of a version in a changelog."""
    return f"## {version} ({date})"


def section(text: str, version: str) -> str | None:
    """Return the text under a version's heading in a changelog, or None without such a heading."""
    found = re.search(rf"^## {re.escape(version)}(?: \([^\n]*\))?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found and found[1].strip()


def check(root: Path, version: str) -> None:
    """Raise NotReadyError if this version cannot be released from this working tree."""
    if not VERSION.fullmatch(version):
        raise NotReadyError(f'"{version}" is not a version: use three numbers, such as 1.2.0.')
    if git(root, "status", "--porcelain"):
        raise NotReadyError("The working tree has changes that are not committed: commit or stash them.")
    older = releases(root)
    if older and max(release.order for release in older) >= Version(version):
        raise NotReadyError(f"{version} is not newer than {older[-1].version}, the newest in {LIST}.")
    if not section((root / CHANGELOG).read_text("utf-8"), UNRELEASED):
        raise NotReadyError(f"{CHANGELOG} has nothing under `## {UNRELEASED}`: describe the changes.")
    for path in RULES.values():
        if section((root / path).read_text("utf-8"), UNRELEASED) == "":
            raise NotReadyError(
                f"{path} has nothing under `## {UNRELEASED}`: name the rules that changed, or remove the heading."
            )
    needs_work = (older and Version(version).major > older[-1].order.major) or (root / hook(version)).exists()
    if needs_work and f"### {version}\n" not in (root / UPDATING).read_text("utf-8"):
        raise NotReadyError(
            f"{UPDATING} has no notes on this release: add `### {version}` with the steps for owners of projects."
        )


def make(root: Path, version: str) -> Release:
    """Write the version into its files, commit, tag, and add the commit to the list."""
    check(root, version)
    date = datetime.now(UTC).date().isoformat()
    title = heading(version, date)

    changelog = root / CHANGELOG
    text = changelog.read_text("utf-8").replace(f"## {UNRELEASED}\n", f"## {UNRELEASED}\n\n{title}\n", 1)
    changelog.write_text(text, "utf-8")

    for language, path in RULES.items():
        text = (root / path).read_text("utf-8")
        if section(text, UNRELEASED) is not None:
            text = text.replace(f"## {UNRELEASED}\n", f"{title}\n", 1)
        elif section(text, version) is None:
            first = text.index("\n## ") + 1 if "\n## " in text else len(text)
            text = f"{text[:first]}{title}\n\n{NO_RULE[language]}\n\n{text[first:]}".rstrip() + "\n"
        (root / path).write_text(text, "utf-8")

    project = root / "pyproject.toml"
    text = re.sub(
        r'^version = ".*"$', f'version = "{version}"', project.read_text("utf-8"), count=1, flags=re.MULTILINE
    )
    project.write_text(text, "utf-8")
    subprocess.run(["uv", "lock", "--quiet"], cwd=root, check=True)

    git(root, "commit", "--quiet", "--all", "--message", f"Release {version}")
    made = Release(version, git(root, "rev-parse", "HEAD"))
    git(root, "tag", "--annotate", "--message", f"Release {version}", version)
    record(root, made)
    git(root, "commit", "--quiet", "--all", "--message", f"Put {version} on the list of releases")
    return made


def record(root: Path, release: Release) -> None:
    """Add a release to the list."""
    path = root / LIST
    text = path.read_text("utf-8").replace("\nrelease = []\n", "")
    entry = f'\n[[release]]\nversion = "{release.version}"\ncommit = "{release.commit}"\n'
    path.write_text(text + entry, "utf-8")


def main() -> int:
    """Make a release."""
    try:
        made = make(ROOT, sys.argv[1] if len(sys.argv) > 1 else "")
    except NotReadyError as reason:
        print(reason, file=sys.stderr)
        return 1
    print(f"{made.version} is {made.commit}. Next: git push origin main {made.version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

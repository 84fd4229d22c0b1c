"""Compares the project with its template for `template status`: the version in use, the newest, and changes of rules.

git reads all of it from the template's repository: releases are its tags, and rules/CHANGELOG.md, one file for each
language, lists the changes of rules by version.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .base import CommandFailed

ANSWERS_FILE = ".copier-answers.yml"
CHANGELOG = "rules/CHANGELOG.md"
NOTHING = {"No rule changed.", "规则没有变化。"}
GIT_SECONDS = 60
_RELEASE = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_DESCRIBED = re.compile(r"(?P<release>v?\d+\.\d+\.\d+)(?:-(?P<commits>\d+)-g[0-9a-f]+)?")

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """`in_use` is a release, a release and the commits since, or a commit before the first release."""

    source: str
    in_use: str
    newest: str | None
    is_current: bool
    changes: list[tuple[str, list[str]]]


def status(project: Path) -> Status:
    """Compare the project with its template. Raises `CommandFailed` where one of them cannot be read."""
    source, commit, language = _origin(project)
    releases = {version: tag for tag in _tags(source) if (version := _version(tag))}
    described = _DESCRIBED.fullmatch(commit)
    in_use = _version(described["release"]) if described else None
    commits = int(described["commits"] or 0) if described else 0
    used = commit if described is None else f"{described['release']}" + (f" and {commits} commits" if commits else "")
    if not releases:
        return Status(source, used, None, True, [])
    newest = max(releases)
    if in_use is not None and in_use >= newest:
        return Status(source, used, releases[newest], True, [])
    changelog = _changelog(source, releases[newest], language)
    return Status(source, used, releases[newest], False, _changes(changelog, in_use or ()))


def _origin(project: Path) -> tuple[str, str, str]:
    """Return the template's address, the commit of it that was used last, and the language of the rules."""
    try:
        text = (project / ANSWERS_FILE).read_text("utf-8")
    except FileNotFoundError:
        raise CommandFailed(f"There is no {ANSWERS_FILE} here: run this in the project's root.") from None
    found = dict(re.findall(r"^(_src_path|_commit|rules_language): *['\"]?(.*?)['\"]?$", text, re.MULTILINE))
    if found.keys() < {"_src_path", "_commit"}:
        raise CommandFailed(f"{ANSWERS_FILE} does not say which template this is: restore it from git.")
    source = found["_src_path"].removeprefix("git+")
    if source.startswith("~"):
        source = str(Path(source).expanduser())
    return source, found["_commit"], found.get("rules_language", "en")


def _version(text: str) -> Version:
    found = _RELEASE.fullmatch(text)
    return tuple(map(int, found.groups())) if found else ()


def _git(*arguments: str) -> str:
    try:
        command = ["git", *arguments]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=GIT_SECONDS
        )
    except FileNotFoundError:
        raise CommandFailed("git is missing: install it.") from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"The template's repository did not answer within {GIT_SECONDS} seconds.") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("warning:")]
        reason = lines[0] if lines else "no reason given"  # what follows it is advice
        raise CommandFailed(
            f"The template's repository cannot be read: {reason}. If it has moved or is private, see docs/updating.md"
            " of the template."
        )
    return done.stdout


def _tags(source: str) -> list[str]:
    lines = _git("ls-remote", "--tags", "--refs", "--", source).splitlines()
    return [line.rpartition("refs/tags/")[2] for line in lines]


def _changelog(source: str, tag: str, language: str) -> str:
    """Return the template's rules/CHANGELOG.md at that tag; the conditions in its path name the language."""
    with tempfile.TemporaryDirectory() as folder:
        _git("clone", "--quiet", "--bare", "--depth=1", f"--branch={tag}", "--", source, folder)
        paths = _git("-C", folder, "ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0")
        here = [path for path in paths if re.sub(r"[{]%.*?%[}]|\.jinja$", "", path).endswith(CHANGELOG)]
        here.sort(key=lambda path: f"'{language}'" not in path)
        return "\n".join(_git("-C", folder, "show", f"HEAD:{path}") for path in here[:1])


def _changes(changelog: str, since: Version) -> list[tuple[str, list[str]]]:
    """The entries of each version after `since`, the newest first as they stand there."""
    changes: list[tuple[str, list[str]]] = []
    for section in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        version = _RELEASE.search(title)
        if version and _version(version.group()) > since:
            entries = re.findall(r"^- (.*(?:\n  .*)*)", body, re.MULTILINE)
            changes.append((version.group(), [" ".join(entry.split()) for entry in entries if entry not in NOTHING]))
    return changes

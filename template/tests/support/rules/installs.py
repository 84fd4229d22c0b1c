"""Commands that install what no lock file knows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator

Fault = tuple[str, dict[str, object]]
# Tools that build or install a project, which a project cannot lock for itself; still in an exact version.
NEWEST = "installs {name} in whatever version is the newest"
BUILDERS = {"build", "hatch", "hatchling", "pdm", "pip", "pipx", "poetry", "setuptools", "uv", "wheel"}
FROM_FILES = {"-r", "--requirement", "-c", "--constraint", "--require-hashes", "-e", "--editable"}
TAKES_VALUE = {
    "--index-url",
    "-i",
    "--extra-index-url",
    "--target",
    "-t",
    "--prefix",
    "--python",
    "-p",
    "--find-links",
    "-f",
    "--root",
    "--src",
    "--platform",
}


def unsaid(text: str, declared: set[str], *, where: str) -> Iterator[Fault]:
    """What a command installs that is not declared. `where` is `image`, `builder` (a stage thrown away) or `ci`."""
    if re.search(
        r"\b(?:curl|wget)\b[^;&]*\|\s*(?:sudo\s+)?(?:\S*/)?(?:ba|z|da)?sh\b|\b(?:ba|z)?sh\s+(?:-c\s+)?[\"']?(?:<\(|\$\()\s*(?:curl|wget)",
        text,
    ):
        yield "runs a script from the network, which may be another tomorrow", {}
    elif (
        where != "ci"
        and re.search(r"\b(?:curl|wget)\s[^;&|]*https?://", text)
        and not re.search(r"sha\d+sum|shasum|--checksum|gpg\s+--verify|cosign", text)
    ):
        yield "fetches what may be another tomorrow, without a checksum", {}
    for part in re.split(r"&&|\|\||[;|\n]", text):
        try:
            words = shlex.split(part, comments=True)
        except ValueError:
            words = part.split()
        words = [word for word in words if not re.match(r"--mount=|--network=|sudo$|[A-Z_]+=", word)]
        yield from _of(words, declared, where)


def _of(words: list[str], declared: set[str], where: str) -> Iterator[Fault]:
    line = " ".join(words)
    for pattern, found_by in INSTALLERS:
        if found := pattern.search(line):
            yield from found_by(found[1].split())
            return
    if re.search(r"(?:^|/)uv sync\b(?!.*--(?:locked|frozen))", line):
        yield "`uv sync` without --locked changes the lock file instead of keeping to it", {}
    elif UNDECLARED.search(line):
        yield "installs what nothing declares", {}
    elif found := SYSTEM.search(line):
        for name in found[1].split():
            plain, pinned, _ = name.partition("=")
            if re.match(r"[a-z0-9]", name) and plain not in declared and where == "image":
                yield "installs the program {name}, which nothing declares", {"name": plain}
            elif re.match(r"[a-z0-9]", name) and plain not in declared and where == "builder" and not pinned:
                yield NEWEST, {"name": plain}


def _tool(words: list[str]) -> Iterator[Fault]:
    tool = next((word for word in words if not word.startswith("-")), "")
    if tool and not re.search(r"[=@][\w.]*\d|^[./$]", tool):
        yield NEWEST, {"name": tool}


def _node(words: list[str]) -> Iterator[Fault]:
    for name in words:
        if not name.startswith("-") and not re.search(r".@\d+\.\d+\.\d+", name):
            yield NEWEST, {"name": name}


def _pip(words: list[str]) -> Iterator[Fault]:
    if FROM_FILES.intersection(words) or any(word.startswith(("--requirement=", "-r")) for word in words):
        return
    skip = False
    for word in words:
        if skip or word in TAKES_VALUE:
            skip = not skip
            continue
        name = re.split(r"[\[=<>~!@]", word)[0].lower()
        if word.startswith(("-", ".", "/", "$")) or word.endswith((".whl", ".tar.gz")) or "*" in word:
            continue
        if "==" not in word or name not in BUILDERS:
            yield "installs {name} beside the lock file", {"name": name}


INSTALLERS: list[tuple[re.Pattern[str], Callable[[list[str]], Iterator[Fault]]]] = [
    (re.compile(r"(?:^|\s)(?:\S*/)?(?:pip3?(?:\.\d+)?|uv pip)\s+install\s(.*)$"), _pip),
    (re.compile(r"(?:^|\s)(?:uvx|uv tool (?:run|install)|pipx (?:run|install))\s(?:--from[ =])?(.*)$"), _tool),
    (re.compile(r"(?:^|\s)(?:npm (?:install|i|add)|yarn (?:global )?add|pnpm (?:add|install)|npx)\s(.*)$"), _node),
]
UNDECLARED = re.compile(r"(?:^|\s)(?:(?:conda|mamba|gem|cargo|brew) install\b|go install\b.*@latest)")
SYSTEM = re.compile(r"(?:^|\s)(?:apt-get|apt|apk|microdnf|dnf|yum)\s(?:.*\s)?(?:install|add)\s(.*)$")

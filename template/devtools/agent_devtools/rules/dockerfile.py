"""Reads Dockerfiles, and finds undeclared installations in commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile

from .project import File, Project

HEREDOC = re.compile(r"<<-?[\"']?(\w+)[\"']?")
Fault = tuple[str, dict[str, object]]
# Tools that build or install a project. A project cannot lock them, but needs an exact version of each.
NEWEST = "installs {name} in whatever version is the newest"
BUILDERS = {"build", "hatch", "hatchling", "pdm", "pip", "pipx", "poetry", "setuptools", "uv", "wheel"}
FROM_FILES = {"-r", "--requirement", "-c", "--constraint", "--require-hashes", "-e", "--editable"}
TAKES_VALUE = re.compile(r"-[itpf]|--(?:index-url|extra-index-url|target|prefix|python|find-links|root|src|platform)")


PIPED = re.compile(
    r"\b(?:curl|wget)\b[^;&]*\|\s*(?:sudo\s+)?(?:\S*/)?(?:ba|z|da)?sh\b"
    r"|\b(?:ba|z)?sh\s+(?:-c\s+)?[\"']?(?:<\(|\$\()\s*(?:curl|wget)"
)


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction; `text` has its arguments in one line."""

    line: int
    name: str
    text: str

    @property
    def command(self) -> str:
        """The command of CMD, ENTRYPOINT, HEALTHCHECK or RUN, as one line."""
        text = re.sub(r"^(?:--\S+\s+)*", "", self.text)
        return re.sub(r'[\[\],"]+', " ", text).strip() if text.startswith("[") else text


@dataclass
class Stage:
    name: str
    image: str
    steps: list[Step] = field(default_factory=list)

    def last(self, name: str) -> Step | None:
        return next((step for step in reversed(self.steps) if step.name == name), None)


class Dockerfile:
    def __init__(self, file: File) -> None:
        self.file = file

    @cached_property
    def steps(self) -> list[Step]:
        """The instructions in order."""
        found: list[Step] = []
        start, text, end = 0, "", ""
        for number, line in enumerate(self.file.lines, 1):
            if end:
                text += "\n" + line
                if line.strip() == end:
                    end = ""
                    found.append(_step(start, text))
                    start, text = 0, ""
                continue
            if line.lstrip().startswith("#") or not (line.strip() or text):
                continue
            start = start or number
            text += line.rstrip().removesuffix("\\") + " "
            if heredoc := HEREDOC.search(line):
                end = heredoc[1]
            elif not line.rstrip().endswith("\\"):
                found.append(_step(start, text))
                start, text = 0, ""
        return found

    @cached_property
    def arguments(self) -> dict[str, str]:
        """The defaults of the build arguments before the first stage."""
        before = takewhile(lambda step: step.name != "FROM", self.steps)
        return {name: value for step in before if step.name == "ARG" for name, value in assigned(step.text)}

    @cached_property
    def stages(self) -> list[Stage]:
        found: list[Stage] = []
        for step in self.steps:
            if step.name == "FROM":
                words = [word for word in step.text.split() if not word.startswith("--")] or [""]
                named = words[2].lower() if len(words) > 2 and words[1].upper() == "AS" else ""
                found.append(Stage(named, words[0]))
            if found:
                found[-1].steps.append(step)
        return found

    @property
    def final(self) -> list[Step]:
        """The instructions of the final stage and of the stages it is based on."""
        chain = self.stages[-1:]
        while chain and (base := next((s for s in self.stages if s.name and s.name == chain[0].image.lower()), None)):
            if base in chain:
                break
            chain.insert(0, base)
        return [step for stage in chain for step in stage.steps] or self.steps

    def image(self, name: str) -> str:
        """Return the name of an image with the defaults of the build arguments."""
        return re.sub(r"\$\{?(\w+)(?::?-([^}]*))?\}?", lambda found: self.arguments.get(found[1], found[2] or ""), name)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that ENV sets in the final stage."""
        return {name: value for step in self.final if step.name == "ENV" for name, value in assigned(step.text)}


def _step(line: int, text: str) -> Step:
    name, _, rest = text.strip().partition(" ")
    return Step(line, name.upper(), rest.strip())


def assigned(text: str) -> list[tuple[str, str]]:
    """Return the names and values of ARG, ENV or LABEL, in the form `ENV NAME value` too."""
    pairs = re.findall(r"([\w.-]+)=(\"(?:[^\"\\]|\\.)*\"|'[^']*'|\S*)", text)
    if pairs:
        return [(name, value.strip("\"'")) for name, value in pairs]
    name, _, value = text.strip().partition(" ")
    return [(name, value.strip())] if name else []


def dockerfiles(project: Project) -> list[Dockerfile]:
    """Return every Dockerfile of the project, under any name."""
    files = project.files("*Dockerfile", "*Dockerfile.*", "*.Dockerfile", "*Containerfile", "*Containerfile.*")
    return [Dockerfile(file) for file in files if not file.name.endswith((".dockerignore", ".md"))]


def unsaid(text: str, declared: set[str], *, where: str) -> Iterator[Fault]:
    """Yield undeclared installations of a command. `where` is `image`, `builder` (a discarded stage) or `ci`."""
    if PIPED.search(text):
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
        if skip or TAKES_VALUE.fullmatch(word):
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

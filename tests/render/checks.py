"""Checks of every rendering. Each returns problems as sentences that begin with the file.

For speed, they only read files, and parse equal texts once.
"""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from functools import cache
from pathlib import PurePosixPath
from symtable import symtable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import yaml

from tests.support import variants
from tests.support.template import ANSWERS_FILE, answers, marker, rendered_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MAY_BE_EMPTY = {"__init__.py", "py.typed"}
LOCK = "uv.lock"
# Words that must not occur in a project, by its choices.
FOREIGN = {
    ("llm_provider", "openai"): "anthropic",
    ("llm_provider", "openai_compatible"): "anthropic",
    ("llm_provider", "anthropic"): "openai_compatible|openai:gpt",
    ("task_queue", "procrastinate"): "celery",
    ("task_queue", "celery"): "procrastinate",
    ("layers=kubernetes", "no"): "kubernetes|kubectl|kustomize|configmap",
    ("layers=monitoring", "no"): "grafana|alertmanager|promtool|with `monitoring`",
    ("layers=logging", "no"): "filebeat|elasticsearch|kibana",
    ("layers=tracing", "no"): "otel_|opentelemetry-sdk|opentelemetry\\.(?:sdk|trace)",
    ("layers=chat_page", "no"): "chat page|chat_page|dompurify|playwright",
    ("protocols=mcp", "no"): "mcp_api|oauth-protected-resource|mcp-server\\.md",
    ("protocols=ag_ui", "no"): "ag-ui|ag_ui",
    ("protocols=openai", "no"): "openai_api|openai's api|/v1/conversations|clients\\.md|client_instructions",
    ("layers=client", "no"): "typescript|clients/|\\bnpm\\b",
    ("ci", "github"): "gitlab",
    ("ci", "gitlab"): "github actions|\\.github/workflows|dependencies, actions",
    ("ci", "none"): "github actions|\\.github/workflows|gitlab|renovate",
    ("assistants=claude", "no"): "claude\\.md|claude code",
    ("assistants=cursor", "no"): "\\.cursor/",
    ("assistants=copilot", "no"): "copilot",
    ("assistants=augment", "no"): "augment code|\\.augment/",
    ("assistants=devin", "no"): "\\bdevin\\b",
    ("assistants=gemini", "no"): "gemini\\.md|gemini cli",
}
# Words that must not occur in a project that makes all of these choices.
FOREIGN_TO_ALL = {
    (("llm_provider", "anthropic"), ("protocols=openai", "no")): "openai",
}
QUOTED = "bytes already at the provider, named by a handle"  # AG-UI's own schemas name every provider
# Names that are invalid on Windows: https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file.
HOSTILE = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)', re.IGNORECASE)
LONGEST_PATH = 180  # Windows allows 260; the rest is for the parent folder
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")


class Loader(yaml.CSafeLoader):
    """A YAML loader that ignores GitLab's tags."""


Loader.add_multi_constructor("!", lambda _, __, node: node.value)


def load_yaml(text: str) -> None:
    """Parse every document of a YAML file."""
    list(yaml.load_all(text, Loader=Loader))


def load_python(text: str) -> None:
    """Parse a Python module. The symbol table is cheaper than a syntax tree of Python objects."""
    symtable(text, "", "exec")


def load_json_lines(text: str) -> None:
    """Parse each line of a JSON-Lines file."""
    for line in text.splitlines():
        json.loads(line)


def load_front_matter(text: str) -> None:
    """Parse the YAML front matter of a Markdown file, if it has any."""
    if text.startswith("---\n"):
        load_yaml(text.split("---\n", 2)[1])


def load_shell(text: str) -> None:
    """Parse a shell script without running it."""
    shell = "bash" if "bash" in text.split("\n", 1)[0] else "sh"
    ran = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ValueError(ran.stderr.strip())


def load_dockerfile(text: str) -> None:
    """Check that a Dockerfile has known instructions and starts with FROM, after any ARG. hadolint checks more."""
    known = (
        "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR"
    )
    whole = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    names = [line.split()[0] for line in whole.splitlines() if line.strip()]
    for name in names:
        if name not in known.split():
            raise ValueError(f"{name} is not an instruction")
    if [name for name in names if name != "ARG"][:1] != ["FROM"]:
        raise ValueError("does not begin with FROM")


PARSERS: dict[str, Callable[[str], Any]] = {
    ".py": load_python,
    ".toml": tomllib.loads,
    ".lock": tomllib.loads,
    ".json": json.loads,
    ".jsonl": load_json_lines,
    ".yml": load_yaml,
    ".yaml": load_yaml,
    ".md": load_front_matter,
    ".mdc": load_front_matter,
    ".sh": load_shell,
    "Dockerfile": load_dockerfile,
}


@cache
def parse(kind: str, text: str) -> str:
    """Return the parser's error on a text, if any."""
    try:
        PARSERS[kind](text)
    except (ValueError, SyntaxError, yaml.YAMLError) as error:
        return str(error).replace("\n", " ") or type(error).__name__
    return ""


def kind(path: str, text: str) -> str:
    """Return the parser of a file, by its name or first line."""
    name = PurePosixPath(path)
    if name.name.startswith("Dockerfile"):
        return "Dockerfile"
    if re.match(r"#!.*\b(?:ba)?sh\b", text):
        return ".sh"
    if re.match(r"#!.*\bpython", text):
        return ".py"
    return name.suffix if name.suffix in PARSERS else ""


class Rendering:
    """The texts of a fresh project, and its answers."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.answers = answers(project)
        self.texts = {
            path.relative_to(project).as_posix(): path.read_bytes().decode() for path in rendered_files(project)
        }

    @property
    def own(self) -> Iterable[tuple[str, str]]:
        """Files about this project, without the checks of rules, which mention every choice."""
        return (
            (path, text)
            for path, text in self.written
            if not path.startswith(("tests/rules/", "devtools/agent_devtools/rules/", "rules/messages.yaml"))
        )

    @property
    def written(self) -> Iterable[tuple[str, str]]:
        """Files that people write and read: all but the answers, the lock, and files of other projects."""
        return (
            (path, text)
            for path, text in self.texts.items()
            if path not in {ANSWERS_FILE, LOCK} and "/vendor/" not in path
        )


def unparsed(rendering: Rendering) -> list[str]:
    """Return files that do not parse as what their name says."""
    found = ((path, parse(form, text)) for path, text in rendering.texts.items() if (form := kind(path, text)))
    return [f"{path}: {reason}" for path, reason in found if reason]


def lines_with(pattern: re.Pattern[str], texts: Iterable[tuple[str, str]]) -> list[str]:
    """Return the lines that match a pattern."""
    return [
        f"{path}:{number}: {line.strip()}"
        for path, text in texts
        if pattern.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def markers(rendering: Rendering) -> list[str]:
    """Return lines with traces of the template."""
    pattern = re.compile(f"{marker().pattern}|copier-twelve-factor")
    return lines_with(pattern, rendering.written)


def foreign(rendering: Rendering) -> list[str]:
    """Return lines and file names that mention options that were not chosen."""
    row = variants.row_of(rendering.answers)
    words = [FOREIGN[choice] for choice in row.items() if choice in FOREIGN]
    words += [word for choices, word in FOREIGN_TO_ALL.items() if set(choices) <= row.items()]
    pattern = re.compile("|".join(words) or r"(?!)")  # on lower-case text: faster than IGNORECASE
    names = [f"{path}: its name" for path in rendering.texts if pattern.search(path.lower())]
    found = lines_with(pattern, ((path, text.lower()) for path, text in rendering.own))
    return names + [line for line in found if QUOTED not in line]


def untidy(rendering: Rendering) -> list[str]:
    """Return misplaced white space, and empty files or folders."""
    found = []
    for path, text in rendering.texts.items():
        if "/vendor/" in path:
            continue  # the bytes that its project publishes
        if not text:
            found += [f"{path}: is empty"] if path.rsplit("/", 1)[-1] not in MAY_BE_EMPTY else []
            continue
        if not text.endswith("\n") or text.endswith("\n\n"):
            found.append(f"{path}: does not end with one newline")
        if "\n\n\n\n" in text or text.startswith("\n"):
            found.append(f"{path}: empty lines too many")
        if "\r" in text or "\t\n" in text or " \n" in text:
            found += [
                f"{path}:{n}: trailing space" for n, line in enumerate(text.split("\n"), 1) if line != line.rstrip()
            ]
    folders = (path for path in rendering.project.rglob("*") if path.is_dir())
    return found + [
        f"{path.relative_to(rendering.project)}: is an empty folder" for path in folders if not any(path.iterdir())
    ]


def modes(rendering: Rendering) -> list[str]:
    """Return executable files that are not scripts, and scripts that are not executable."""
    found = ((path, (rendering.project / path).stat().st_mode & 0o111, text) for path, text in rendering.texts.items())
    return [
        f"{path}: {'is executable and has' if mode else 'has'} {'a' if text.startswith('#!') else 'no'} `#!`"
        for path, mode, text in found
        if bool(mode) != text.startswith("#!")
    ]


def hostile(paths: Iterable[str]) -> list[str]:
    """Return paths that are invalid on Windows, or that differ only in case."""
    paths = list(paths)
    found = [f"{path}: an invalid name on Windows" for path in paths if any(map(HOSTILE.search, path.split("/")))]
    found += [f"{path}: longer than {LONGEST_PATH} characters" for path in paths if len(path) > LONGEST_PATH]
    lower = [path.lower() for path in paths]
    return found + [
        f"{path}: differs from another path only in case" for path in paths if lower.count(path.lower()) > 1
    ]


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub generates from the headings of a Markdown file."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).strip().lower() for title in titles)
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain}


def dead_links(texts: dict[str, str]) -> list[str]:
    """Return broken links between the files of a tree."""
    folders = {str(parent) for path in texts for parent in PurePosixPath(path).parents}
    found = []
    for path, text in texts.items():
        if not path.endswith((".md", ".mdc")):
            continue
        for link, image in LINK.findall(CODE.sub("", FENCE.sub("", text))):
            target, _, fragment = (link or image).partition("#")
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            parts: list[str] = []
            for part in (
                [*PurePosixPath(path).parent.parts, *PurePosixPath(unquote(target)).parts]
                if target
                else [*PurePosixPath(path).parts]
            ):
                if part == ".." and parts:
                    parts.pop()
                elif part != ".":
                    parts.append(part)
            whole = "/".join(parts) or "."
            if whole not in texts and whole not in folders:
                found.append(f"{path}: {link or image} leads nowhere")
            elif fragment and whole.endswith(".md") and fragment not in anchors(texts[whole]):
                found.append(f"{path}: {link or image} names no heading of {whole}")
    return found


def problems(rendering: Rendering) -> list[str]:
    """Return all problems of a rendering."""
    checks = (unparsed, markers, foreign, untidy, modes)
    found = [problem for check in checks for problem in check(rendering)]
    return found + hostile(rendering.texts) + dead_links(rendering.texts)

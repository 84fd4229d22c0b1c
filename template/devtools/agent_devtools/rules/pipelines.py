"""Reads the jobs of CI, GitHub's and GitLab's in one form, and finds weakened checks of changes (rule 14.1)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from .deployment import Table, documents
from .project import File, Project, Violation
from .suite import LEAST

WORKFLOWS = (".github/workflows/*.yml", ".github/workflows/*.yaml")
GITLAB = (".gitlab-ci.yml", ".gitlab/*.yml", ".gitlab-ci/*.yml")
# Keywords of GitLab that are not jobs.
NO_JOB = re.compile(r"default|include|image|services|stages|variables|workflow|cache|before_script|pages")
# Parts of a condition that few changes meet.
SOME_EVENTS = re.compile(
    r"&&\s*false|^false\s*&&|'schedule'|\"schedule\"|workflow_dispatch|commit_message|head_commit|\.actor\b"
)
# Events for changes. A called workflow runs when its caller does.
BEFORE_A_CHANGE = {"pull_request", "push", "merge_group", "workflow_call"}


@dataclass(frozen=True)
class Command:
    """A command of a job; `text` is one line."""

    job: Job
    line: int
    text: str
    step: Table

    def at(self, message: str, **values: object) -> Violation:
        return self.job.file.at(self.line, message, **values)


@dataclass(frozen=True, eq=False)
class Job:
    name: str
    file: File
    line: int
    body: Table
    document: Table

    @property
    def is_github(self) -> bool:
        return self.file.path.startswith(".github/")

    @property
    def steps(self) -> list[Table]:
        return [step for step in self.body.get("steps") or () if isinstance(step, Table)]

    @cached_property
    def commands(self) -> list[Command]:
        if self.is_github:
            return [
                Command(self, line, text, step)
                for step in self.steps
                if isinstance(step.get("run"), str)
                for line, text in _lines(self.file, step.lines.get("run", step.line), step["run"])
            ]
        found: list[Command] = []
        for key in ("before_script", "script", "after_script"):
            given = self.body.get(key) or ()
            for text in [given] if isinstance(given, str) else _flat(given):
                start = found[-1].line if found else self.body.lines.get(key, self.line)
                found += [Command(self, line, each, self.body) for line, each in _lines(self.file, start, text)]
        return found

    @property
    def uses(self) -> list[tuple[int, str]]:
        """Yield the actions and workflows that the job uses."""
        own = [(self.body.lines["uses"], str(self.body["uses"]))] if "uses" in self.body else []
        return own + [(step.lines["uses"], str(step["uses"])) for step in self.steps if "uses" in step]

    @property
    def runs_before_a_change(self) -> bool:
        """Whether the job runs for every change: not scheduled, manual or disabled."""
        if self.is_github:
            return bool(triggers(self.document) & BEFORE_A_CHANGE) and not is_narrow(self.body.get("if"))
        if self.name.startswith(".") or self.body.get("when") in {"manual", "never", "delayed"}:
            return False
        rules = [rule for rule in self.body.get("rules") or () if isinstance(rule, Table)]
        if rules and all(rule.get("when") in {"manual", "never"} or is_narrow(rule.get("if")) for rule in rules):
            return False
        only = self.body.get("only")
        return not only or "merge_requests" in str(only) or "branches" in str(only)


def _flat(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    elif value is not None:
        yield str(value)


def _lines(file: File, start: int, text: str) -> Iterator[tuple[int, str]]:
    """Yield the commands of a script, with the lines of the file where they begin."""
    number = start
    for raw in re.sub(r"\\\n\s*", " ", text).splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        first = line[:24]
        number = next((at for at in range(number, len(file.lines) + 1) if first in file.lines[at - 1]), number)
        yield number, line


def triggers(document: Table) -> set[str]:
    """Return the events that start a workflow. YAML parses the key `on` as true."""
    on: Any = document.get("on", document.get(True))
    if isinstance(on, str):
        return {on}
    return {str(name) for name in on or ()}


def is_narrow(condition: object) -> bool:
    """Whether a condition may skip a job or step for a change."""
    if condition is None:
        return False
    text = re.sub(r"^\$\{\{|\}\}$", "", str(condition).strip()).strip().lower()
    if "||" in text or text in {"always()", "!cancelled()", "success()", "true"}:
        return False
    if re.fullmatch(r"false|failure\(\)|cancelled\(\)|0|''", text):
        return True
    return "!=" not in text and SOME_EVENTS.search(text) is not None


@lru_cache(maxsize=2)
def jobs(project: Project) -> list[Job]:
    """Return every job of every pipeline."""
    found = []
    for file in project.files(*WORKFLOWS, *GITLAB):
        for document in (each for each in documents(file) if isinstance(each, Table)):
            named = document.get("jobs") if file.path.startswith(".github/") else document
            table = named if isinstance(named, Table) else Table()
            for name, body in table.items():
                if isinstance(body, Table) and not (table is document and NO_JOB.fullmatch(str(name))):
                    found.append(Job(str(name), file, table.lines.get(name, body.line), body, document))
    return found


def needs(job: Job) -> set[str]:
    """Return the names of the jobs that a job waits for."""
    given = job.body.get("needs")
    each = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    return {str(item.get("job")) if isinstance(item, Table) else str(item) for item in each}


def ancestors(job: Job, all_jobs: list[Job]) -> list[Job]:
    """Return the jobs of the same workflow that must succeed before a job."""
    beside = {other.name: other for other in all_jobs if other.file.path == job.file.path}
    before, queue = set[str](), [job]
    while queue:
        new = needs(queue.pop()) & beside.keys() - before
        before |= new
        queue += [beside[name] for name in new]
    return [beside[name] for name in before]


# Gates: the checks of a change

# The commands that CI must run before a change is merged.
REQUIRED = {
    "pytest": r"\bpytest\b",
    "ruff check": r"\bruff check\b",
    "ruff format --check": r"\bruff format\b.*--(?:check|diff)",
    "mypy": r"\bmypy\b",
    "lint-imports": r"\blint-imports\b",
    "deptry": r"\bdeptry\b",
    "uv audit": r"\b(?:uv audit|pip-audit)\b",
}
GATE = re.compile(
    r"\b(?:pytest|ruff|mypy|lint-imports|deptry|uv audit|pip-audit|rules|hadolint|zizmor|actionlint|check-jsonschema"
    r"|kubernetes-validate|promtool|grype|trivy|coverage (?:run|report)|tox|nox|pre-commit|make (?:check|test|lint)"
    r"|(?:npm|pnpm|yarn)(?: run)? (?:test|lint|audit))\b"
)
GATE_ACTION = re.compile(
    r"anchore/scan-action|zizmor|gitleaks|trivy|codeql-action/analyze|dependency-review|pre-commit"
)
# Files to which CI may delegate.
BUILD_FILES = ("Makefile", "justfile", "Justfile", "Taskfile.y*ml", "tox.ini", "noxfile.py", ".pre-commit-config.yaml")
DELEGATES = (*BUILD_FILES, "scripts/*", "bin/*", "ci/*")
DELEGATED = re.compile(r"\b(?:make|just|task|tox|nox|pre-commit|invoke)\b|(?:^|\s|/)(?:scripts|bin|ci)/")
FORGIVING = [
    (
        r"\|\|\s*(?:true|:|echo|exit 0|/bin/true|printf|cat|return 0)(?:\W|$)",
        "`||` makes a failure of `{gate}` a success",
    ),
    (r";\s*(?:true|:|exit 0|echo\b.*)\s*$", "what follows `{gate}` hides its failure"),
    (r"^(?:if\s+)?!\s", "`!` turns the result of `{gate}` around"),
    (r"[^&>|]&\s*$", "`{gate}` runs in the background, where its failure is lost"),
    (
        r"--exit-zero\b|--exit-code[ =]0\b|--no-fail\b|--suppress-no-test-exit-code|--soft-fail\b",
        "`{gate}` succeeds whatever it finds",
    ),
]
HOOKLESS = re.compile(r"\bgit (?:commit|push|merge)\b.*(?:--no-verify|\s-n\b)|\bSKIP=\w+.*\bgit commit")
# Options of pytest that skip tests or coverage: first those with an argument, then those without.
SELECTING = {"-k", "-m", "--ignore", "--ignore-glob", "--deselect"}
NO_RUN = {"--collect-only", "--co", "--setup-only"}
NARROWING = {*SELECTING, *NO_RUN, "--no-cov", "--lf", "--last-failed", "--stepwise", "--sw"}
# Its other options with an argument.
OTHERS = re.compile(r"-[npoWcr]|--(?:junitxml|maxfail|durations|dist|tb|cov-report|cov)")


def gate_of(text: str) -> str:
    """Return the gate that a command runs, if any."""
    if re.match(r"\s*(?:echo|printf|uv add|uv sync|pip install|#)", text):
        return ""
    found = GATE.search(text)
    return found[0] if found else ""


def forgiven(project: Project) -> Iterator[Violation]:
    """Yield places where CI continues after a failed check, or skips it."""
    found = jobs(project)
    always = {
        gate_of(command.text) for job in found for command in job.commands if not is_narrow(command.step.get("if"))
    }
    for job in found:
        checking = [command for command in job.commands if gate_of(command.text)]
        steps = [step for step in job.steps if GATE_ACTION.search(str(step.get("uses", "")))]
        if checking or steps:
            yield from _job(job)
            yield from _commands(job)
            steps += [command.step for command in checking if job.is_github]
            for step in {id(step): step for step in steps}.values():
                yield from _step(job, step, always)
    for file in project.files(".github/*.y*ml", ".gitlab-ci.yml", "Makefile", "justfile", "*.sh", "scripts/*"):
        for number, line in enumerate(file.lines, 1):
            if HOOKLESS.search(line):
                yield file.at(number, "the hooks of Git are left out")


def _job(job: Job) -> Iterator[Violation]:
    for key in ("continue-on-error", "allow_failure"):
        if job.body.get(key) and "matrix" not in str(job.body[key]):
            message = "the job {job} may fail, and the change lands all the same"
            yield job.file.at(job.body.lines[key], message, job=job.name)
    if job.is_github and _never(job.body.get("if")):
        yield job.file.at(job.body.lines["if"], "the job {job} never runs", job=job.name)


def _step(job: Job, step: Table, always: set[str]) -> Iterator[Violation]:
    """Yield a step that may fail, or is skipped although no step that always runs has its check."""
    if step.get("continue-on-error"):
        message = "the step may fail, and the job {job} passes all the same"
        yield job.file.at(step.lines["continue-on-error"], message, job=job.name)
    checks = {gate for command in job.commands if command.step is step and (gate := gate_of(command.text))}
    if is_narrow(step.get("if")) and not (checks and checks <= always):
        message = "the condition keeps a check of the job {job} from running"
        yield job.file.at(step.lines["if"], message, job=job.name)


def _commands(job: Job) -> Iterator[Violation]:
    loose = None  # the step in which the shell continues after a failure
    for command in job.commands:
        if re.search(r"\bset \+e\b|\bset \+o (?:errexit|pipefail)\b|\btrap\s.*exit 0", command.text):
            loose = command.step
        if gate := gate_of(command.text):
            in_step = [other for other in job.commands if other.step is command.step]
            if loose is command.step and command is not in_step[-1]:
                yield command.at("after `set +e` a failure of `{gate}` counts for nothing", gate=gate)
            found = (message for pattern, message in FORGIVING if re.search(pattern, command.text))
            yield from (command.at(message, gate=gate) for message in found)


def _never(condition: object) -> bool:
    """Whether the condition of a job is always false."""
    text = re.sub(r"^\$\{\{|\}\}$", "", str(condition).strip()).strip().lower()
    return bool(re.fullmatch(r"false|0|''", text) or re.search(r"&&\s*false|^false\s*&&", text))


def missing(project: Project) -> Iterator[Violation]:
    """Yield the checks that no job runs before a change is merged."""
    found = jobs(project)
    if not found:
        return
    running = [job for job in found if job.runs_before_a_change]
    texts = [command.text for job in running for command in job.commands if not is_narrow(command.step.get("if"))]
    if any(DELEGATED.search(text) for text in texts):
        lines = (line for file in project.files(*DELEGATES) for line in file.lines)
        texts += [line for line in lines if not line.lstrip().startswith("#")]
    slug = project.pyproject["project"]["name"]
    required = {**REQUIRED, f"{slug} rules": rf"\b{re.escape(slug)} rules\b|pytest\b"}
    first = next((job.file for job in found if job.file.path.endswith(("ci.yml", "ci.yaml"))), found[0].file)
    for name, pattern in required.items():
        if not any(re.search(pattern, text) for text in texts):
            yield first.at(1, "no job runs `{name}` before a change lands", name=name)
    whole = [text for text in texts if re.search(REQUIRED["pytest"], text)]
    if whole and all(narrowings(text) for text in whole) and not _together(project, whole):
        for command in (command for job in running for command in job.commands):
            if re.search(REQUIRED["pytest"], command.text) and (option := narrowings(command.text)):
                message = "pytest leaves tests or coverage out here (`{option}`), and no other job runs all"
                yield command.at(message, option=option[0])


def narrowings(text: str) -> list[str]:
    """Yield the options and paths that narrow a pytest command."""
    try:
        words = shlex.split(text.split("pytest", 1)[1], comments=True)
    except (ValueError, IndexError):
        return []
    found, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in {"|", "||", "&&", ";", ">", "2>&1"}:
            break
        elif word.partition("=")[0] in NARROWING or re.match(r"-[km]\S", word) or _is_weak(word):
            found.append(word)
            skip = word in SELECTING
        elif OTHERS.fullmatch(word):
            skip = True
        elif not word.startswith("-") and word.rstrip("/") not in {"tests", "."}:
            found.append(word)
    return found


def _is_weak(word: str) -> bool:
    """Whether an option demands less coverage than the rule."""
    found = re.fullmatch(r"--cov-fail-under=(\d+(?:\.\d+)?)", word)
    return found is not None and float(found[1]) < LEAST


def _together(project: Project, texts: list[str]) -> bool:
    """Whether several pytest commands together run all folders and measure coverage."""
    if any("--no-cov" in text or any(map(_is_weak, text.split())) for text in texts):
        return False
    paths = {word.rstrip("/").removeprefix("./") for text in texts for word in narrowings(text)}
    if any(word.startswith("-") for word in paths):
        return False
    folders = {"/".join(path.split("/")[:2]) for path in project.paths if re.match(r"tests/\w+/.*test_\w+\.py$", path)}
    return folders <= paths


def option_faults(file: File, options: list[str]) -> Iterator[Violation]:
    """Yield options of pytest in pyproject.toml that skip tests or coverage."""
    for number, option in enumerate(options):
        name, _, value = option.partition("=")
        following = options[number + 1] if number + 1 < len(options) else ""
        line = file.line_of(rf"[\"']{re.escape(option)}")
        if name == "--cov-fail-under" and float(value or following or 0) < LEAST:
            yield file.at(line, "`{option}` lowers the coverage that is demanded", option=option)
        elif re.match(r"--no-cov|--cov-config|-p[ =]?no:(?:pytest_)?cov|no:(?:pytest_)?cov", option):
            yield file.at(line, "`{option}` takes coverage away", option=option)
        elif name in NARROWING - {"-m"} or re.match(r"-k\s", option):
            yield file.at(line, "`{option}` leaves tests out", option=option)
        elif marked := re.match(r"-m[ =]?\s*[\"']?(?!not long\W*$)\S", f"-m {following}" if option == "-m" else option):
            yield file.at(line, "`{option}` leaves tests out", option=marked.string)


def options_of(pyproject: dict[str, Any]) -> list[str]:
    pytest = pyproject["tool"].get("pytest", {})
    given = pytest.get("addopts", pytest.get("ini_options", {}).get("addopts", []))
    return shlex.split(given) if isinstance(given, str) else list(map(str, given))


# Rights of workflows

INJECTED = re.compile(
    r"\$\{\{\s*github\.(?:event\.(?:issue|pull_request|comment|review|head_commit)"
    r"\.(?:title|body|message|head\.ref)|head_ref)"
)
RIGHTS = [
    (re.compile(r"^\s*permissions:\s*[\"']?write-all"), "the workflow may change everything: write-all"),
    (
        re.compile(r"^\s*(?:-\s*|on:.*)?[\"']?\bpull_request_target\b"),
        "pull_request_target gives the secrets of the repository to code that others sent",
    ),
    (
        re.compile(r"\$\{\{\s*(?:toJSON\(secrets\)|secrets\[)|^\s*secrets:\s*inherit\b"),
        "hands every secret of the repository over",
    ),
]


def of_workflows(project: Project) -> Iterator[Violation]:
    """Yield workflows with more rights than they need, or that run code from pull requests with rights."""
    for file in project.files(*WORKFLOWS):
        for number, line in enumerate(file.lines, 1):
            yield from (file.at(number, message) for pattern, message in RIGHTS if pattern.search(line))
    for job in jobs(project):
        if job.is_github and "permissions" not in job.document and "permissions" not in job.body:
            message = "the job {job} has whatever permissions the repository grants"
            yield job.file.at(job.line, message, job=job.name)
        for command in job.commands:
            if found := INJECTED.search(command.text):
                yield command.at("what others wrote becomes a part of the command: {text}", text=found[0])

"""Finds weakened checks of changes: in CI, and in the configuration of pytest."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from .deployment import Table
from .pipelines import Command, Job, is_narrow, jobs
from .project import File, Project, Violation

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
DELEGATES = (
    "Makefile",
    "justfile",
    "Justfile",
    "Taskfile.y*ml",
    "tox.ini",
    "noxfile.py",
    ".pre-commit-config.yaml",
    "scripts/*",
    "bin/*",
    "ci/*",
)
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
# Options of pytest that skip tests or coverage, and the number of their arguments.
NARROWING = {
    "-k",
    "--ignore",
    "--ignore-glob",
    "--deselect",
    "--collect-only",
    "--co",
    "--no-cov",
    "--setup-only",
    "--lf",
    "--last-failed",
    "-m",
    "--stepwise",
    "--sw",
}
MARK = "-m"


def commands(found: list[Job]) -> Iterator[Command]:
    for job in found:
        yield from job.commands


def gate_of(text: str) -> str:
    """Return the gate that a command runs, if any."""
    if re.match(r"\s*(?:echo|printf|uv add|uv sync|pip install|#)", text):
        return ""
    found = GATE.search(text)
    return found[0] if found else ""


def forgiven(project: Project) -> Iterator[Violation]:
    """Yield places where CI continues after a failed check, or skips it."""
    found = jobs(project)
    always = {gate_of(command.text) for command in commands(found) if not is_narrow(command.step.get("if"))}
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
            yield from (
                command.at(message, gate=gate) for pattern, message in FORGIVING if re.search(pattern, command.text)
            )


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
        texts += [
            line for file in project.files(*DELEGATES) for line in file.lines if not line.lstrip().startswith("#")
        ]
    slug = project.pyproject["project"]["name"]
    required = {**REQUIRED, f"{slug} rules": rf"\b{re.escape(slug)} rules\b|tests\.support\.rules\b|pytest\b"}
    first = next((job.file for job in found if job.file.path.endswith(("ci.yml", "ci.yaml"))), found[0].file)
    for name, pattern in required.items():
        if not any(re.search(pattern, text) for text in texts):
            yield first.at(1, "no job runs `{name}` before a change lands", name=name)
    whole = [text for text in texts if re.search(REQUIRED["pytest"], text)]
    if whole and all(narrowings(text) for text in whole) and not _together(project, whole):
        for command in commands(running):
            if re.search(REQUIRED["pytest"], command.text) and (option := narrowings(command.text)):
                yield command.at(
                    "pytest leaves tests or coverage out here (`{option}`), and no other job runs all", option=option[0]
                )


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
        elif (
            word.partition("=")[0] in NARROWING
            or re.match(r"-[km]\S", word)
            or ((threshold := _threshold(word)) is not None and threshold < 80)
        ):
            found.append(word)
            skip = word in {"-k", "-m", "--ignore", "--deselect", "--ignore-glob"}
        elif word in {
            "-n",
            "-p",
            "-o",
            "-W",
            "-c",
            "--junitxml",
            "--maxfail",
            "--durations",
            "--dist",
            "--tb",
            "-r",
            "--cov-report",
            "--cov",
        }:
            skip = True
        elif not word.startswith("-") and word.rstrip("/") not in {"tests", "."}:
            found.append(word)
    return found


def _threshold(word: str) -> float | None:
    found = re.fullmatch(r"--cov-fail-under=(\d+(?:\.\d+)?)", word)
    return float(found[1]) if found else None


def _together(project: Project, texts: list[str]) -> bool:
    """Whether several pytest commands together run all folders and measure coverage."""
    if any("--no-cov" in text or _weak(text) for text in texts):
        return False
    paths = {word.rstrip("/").removeprefix("./") for text in texts for word in narrowings(text)}
    if any(word.startswith("-") for word in paths):
        return False
    folders = {"/".join(path.split("/")[:2]) for path in project.paths if re.match(r"tests/\w+/.*test_\w+\.py$", path)}
    return folders <= paths


def _weak(text: str) -> bool:
    return any((threshold := _threshold(word)) is not None and threshold < 80 for word in text.split())


def option_faults(file: File, options: list[str]) -> Iterator[Violation]:
    """Yield options of pytest in pyproject.toml that skip tests or coverage."""
    for number, option in enumerate(options):
        name, _, value = option.partition("=")
        following = options[number + 1] if number + 1 < len(options) else ""
        line = file.line_of(rf"[\"']{re.escape(option)}")
        if name == "--cov-fail-under" and float(value or following or 0) < 80:
            yield file.at(line, "`{option}` lowers the coverage that is demanded", option=option)
        elif re.match(r"--no-cov|--cov-config|-p[ =]?no:(?:pytest_)?cov|no:(?:pytest_)?cov", option):
            yield file.at(line, "`{option}` takes coverage away", option=option)
        elif name in NARROWING - {MARK} or re.match(r"-k\s", option):
            yield file.at(line, "`{option}` leaves tests out", option=option)
        elif marked := re.match(r"-m[ =]?\s*[\"']?(?!not long\W*$)\S", f"-m {following}" if option == MARK else option):
            yield file.at(line, "`{option}` leaves tests out", option=marked.string)


def options_of(pyproject: dict[str, Any]) -> list[str]:
    pytest = pyproject["tool"].get("pytest", {})
    given = pytest.get("addopts", pytest.get("ini_options", {}).get("addopts", []))
    return shlex.split(given) if isinstance(given, str) else list(map(str, given))

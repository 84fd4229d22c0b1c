"""Rule 5.1: one image is built once, released with its configuration, and then run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tests.support.rules.check import check
from tests.support.rules.deployment import Table, documents
from tests.support.rules.project import File, Project, Violation

PINNED = re.compile(r"[.$]/|docker://.*@sha256:[0-9a-f]{64}|[^@]+@[0-9a-f]{40}\b")
# In the text of a job as JSON, where a command ends at a quote or a newline, which are escaped within it. One that only
# shows what it would do deploys nothing.
DEPLOYS = re.compile(
    r"(deploy/release|kubectl\s+(apply|set image|rollout)|helm\s+(upgrade|install))\b"
    r"(?!([^\"\\;&|]|\\\")*\s--(render|dry-run(?!=none))\b)"
)
WORKFLOWS = (".github/workflows/*.yml", ".github/workflows/*.yaml")
BUILDS = re.compile(r"docker/build-push-action|docker\s+(buildx\s+)?build\b")


def instructions(file: File) -> list[tuple[int, str, str]]:
    """The instructions of a Dockerfile: line, name, arguments, with continued lines joined."""
    found: list[tuple[int, str, str]] = []
    start, text = 0, ""
    for number, line in enumerate(file.lines, 1):
        if line.lstrip().startswith("#") or not (line.strip() or text):
            continue
        start = start or number
        text += line.rstrip().removesuffix("\\") + " "
        if not line.rstrip().endswith("\\"):
            name, _, rest = text.strip().partition(" ")
            found.append((start, name.upper(), rest.strip()))
            start, text = 0, ""
    return found


def is_latest(name: str, rest: str, stages: set[str]) -> bool:
    """Whether the instruction names an image by no version: by `latest`, or by no tag, which is the same."""
    if name == "ARG":
        return bool(re.search(r":latest$", rest))
    image = re.sub(r"^(--\S+\s+)*", "", rest).split(" ")[0]
    untagged = not re.search(r"[:$@]", image.rpartition("/")[2]) and image.lower() not in {"scratch", *stages}
    return name == "FROM" and (untagged or ":latest" in image)


@check("Build in a first stage, copy the result into a second, and run it there as a numbered user, without a shell.")
def test_image_is_built_in_stages(project: Project) -> Iterator[Violation]:
    for file in project.files("Dockerfile"):
        steps = instructions(file)
        stages = [line for line, name, _ in steps if name == "FROM"]
        if len(stages) < 2:
            yield file.at(stages[0] if stages else 1, "builds and runs in one stage")
        named_stages = {found[1].lower() for _, _, rest in steps if (found := re.search(r"(?i)\sAS\s+(\S+)$", rest))}
        last = [step for step in steps if step[0] >= stages[-1]] if stages else steps
        users = [(line, rest) for line, name, rest in last if name == "USER"]
        if not users or not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1][1]):
            yield file.at(users[-1][0] if users else last[0][0], "does not run as a user by number, other than root")
        for line, name, rest in last:
            if name in {"CMD", "ENTRYPOINT"} and not rest.startswith("["):
                yield file.at(line, f"{name} goes through a shell, which takes the signals that are for the process")
            if name == "HEALTHCHECK" and not re.search(r"CMD\s+\[|^NONE$", rest):
                yield file.at(line, "HEALTHCHECK goes through a shell, or through programs that the image lacks")
        for line, name, rest in steps:
            if is_latest(name, rest, named_stages):
                yield file.at(line, "builds on whatever image is the latest")


@check("Name .env in .dockerignore, and give secrets to the running container, never to the build.")
def test_image_holds_no_secret(project: Project) -> Iterator[Violation]:
    secrets = {name for name, (module, item) in project.settings.items() if is_secret(module.text, item.lineno)}
    for file in project.files("Dockerfile"):
        ignored = project.file(".dockerignore")
        patterns = [line.strip() for line in ignored.lines] if ignored else []
        if not ignored or not {"*", "**", ".*", ".env*", ".env", "**/.env", "**/.env*"}.intersection(patterns):
            yield (ignored or file).at(1, "lets .env into the build")
        if ignored:
            for number, text in enumerate(ignored.lines, 1):
                if re.match(r"!\s*\.env", text.strip()):
                    yield ignored.at(number, "lets .env into the build")
        for line, name, rest in instructions(file):
            given = set(re.findall(r"(?:^|\s)(\w+)(?==|\s*$)", rest)) if name in {"ARG", "ENV"} else set()
            yield from (file.at(line, f"writes {secret} into the image") for secret in sorted(secrets & given))


def is_secret(text: str, line: int) -> bool:
    return bool(re.search(r"SecretStr|PostgresUrl|RedisUrl", text.splitlines()[line - 1]))


def jobs(project: Project) -> Iterator[tuple[File, Table]]:
    """The jobs of each workflow of GitHub."""
    for file in project.files(*WORKFLOWS):
        for document in documents(file):
            if isinstance(document, Table) and document.get("jobs"):
                yield file, document["jobs"]


@check("Let the job that deploys need the one that builds (`needs`), and deploy by the digest that was built.")
def test_deployment_follows_the_build(project: Project) -> Iterator[Violation]:
    yield from _github(project)
    yield from _gitlab(project)


def _github(project: Project) -> Iterator[Violation]:
    for file, found in jobs(project):
        texts = {name: json.dumps(job, default=str) for name, job in found.items()}
        needs = {name: set(_listed(job.get("needs"))) for name, job in found.items()}
        for name, text in texts.items():
            if not DEPLOYS.search(text) or BUILDS.search(text):
                continue
            before, queue = set[str](), [name]
            while queue:
                new = needs.get(queue.pop(), set()) - before
                before |= new
                queue += new
            if not any(BUILDS.search(texts.get(other, "")) or "build" in other for other in before):
                yield file.at(found.lines[name], f"the job {name} deploys, and needs no job that builds")


def _gitlab(project: Project) -> Iterator[Violation]:
    for file in project.files(".gitlab-ci.yml"):
        for document in documents(file):
            stages = list(document.get("stages") or [])
            for name, job in document.items():
                if not isinstance(job, Table) or not DEPLOYS.search(json.dumps(job, default=str)):
                    continue
                stage = job.get("stage", "test")
                builds = [stages.index(other["stage"]) for other in document.values() if _builds(other, stages)]
                if stage in stages and not any(index < stages.index(stage) for index in builds):
                    yield file.at(document.lines[name], f"the job {name} deploys, and no stage before it builds")


def _builds(job: object, stages: list[str]) -> bool:
    text = json.dumps(job, default=str)
    return (
        isinstance(job, Table) and job.get("stage") in stages and bool(re.search(r"docker|buildx|kaniko|buildah", text))
    )


def _listed(needs: object) -> list[str]:
    return [needs] if isinstance(needs, str) else list(needs) if isinstance(needs, list) else []


@check("Pin the action to the commit of a release, with its version in a comment: owner/name@<40 digits> # v1.2.3")
def test_actions_are_pinned(project: Project) -> Iterator[Violation]:
    for file in project.files(*WORKFLOWS, ".github/actions/*/action.y*ml"):
        for number, line in enumerate(file.lines, 1):
            used = re.match(r"\s*(?:- )?uses:\s*[\"']?([^\s\"'#]+)", line)
            if used and not PINNED.match(used[1]):
                yield file.at(number, f"{used[1]} may be another tomorrow")

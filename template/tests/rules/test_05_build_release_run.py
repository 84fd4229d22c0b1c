"""Rule 5.1: one image is built once, released with its configuration, and then run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from agent_devtools.rules.check import check
from agent_devtools.rules.deployment import BUILT, Table, containers, documents
from agent_devtools.rules.dockerfile import Dockerfile, Step, assigned, dockerfiles
from agent_devtools.rules.pipelines import GITLAB, WORKFLOWS, Job, ancestors, jobs, triggers
from agent_devtools.rules.project import File, Project, Violation
from agent_devtools.rules.secrets import is_random

PINNED = re.compile(r"[.$]/|docker://.*@sha256:[0-9a-f]{64}|[^@]+@[0-9a-f]{40}\b")
# In the text of a job as JSON, where a command ends at a quote or a newline, which are escaped within it. One that only
# shows what it would do deploys nothing.
DEPLOYS = re.compile(
    r"(deploy/release|kubectl\s+(apply|set image|rollout)|helm\s+(upgrade|install))\b"
    r"(?!([^\"\\;&|]|\\\")*\s--(render|dry-run(?!=none))\b)"
)
# A machine that fetches the code, or builds it, and then runs it.
BY_HAND = re.compile(
    r"\bssh\b.*\b(?:git (?:pull|fetch|clone|checkout)|docker compose .*build|docker build|pip install|uv sync)"
    r"|\brsync\b.*\bsrc\b|\bscp\b.*\.py\b|\bkubectl (?:cp|exec)\b.*\.py\b|\bgit push\s+(?:heroku|dokku)\b"
)
SHELL = re.compile(r"(?:/\S*/)?(?:ba|da|z)?sh\b")
SECRET_NAME = re.compile(r"(?i)(?:secret|token|passw(?:or)?d|api_?key|private_?key|credentials?|_key)(?:_base64)?$")
SECRET_FILE = re.compile(r"(?:^|[\s/\"])(?:\.env(?:\.\w+)?|\.netrc|\.npmrc|id_rsa|\S+\.pem|secrets)(?=[\s\"/]|$)")
WRITTEN = re.compile(r"(?i)\b\w*(?:secret|token|passw(?:or)?d|api_key)=[^\s$\"'<]{6,}")
BUILDS = re.compile(r"docker/build-push-action|docker\s+(buildx\s+)?build\b")


@check("Build in a first stage, copy the result into a second, and run it there as a numbered user, without a shell.")
def test_image_is_built_in_stages(project: Project) -> Iterator[Violation]:
    for dockerfile in map(Dockerfile, project.files("Dockerfile")):
        file, last = dockerfile.file, dockerfile.final
        starts = [stage.steps[0].line for stage in dockerfile.stages]
        if len(starts) < 2:
            yield file.at(starts[0] if starts else 1, "builds and runs in one stage")
        users = [step for step in last if step.name == "USER"]
        if not users or not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", dockerfile.image(users[-1].text)):
            yield file.at((users or last)[-1].line, "does not run as a user by number, other than root")
        for step in last:
            yield from _started_or_copied(file, step)


def _started_or_copied(file: File, step: Step) -> Iterator[Violation]:
    if step.name in {"CMD", "ENTRYPOINT"} and is_shell(step):
        message = "{name} goes through a shell, which takes the signals that are for the process"
        yield file.at(step.line, message, name=step.name)
    elif step.name in {"COPY", "ADD"} and re.match(r"(?!.*--from)(--\S+\s+)*(\.|\./|/)\s", step.text):
        yield file.at(step.line, "copies the whole repository into the image")


def is_shell(step: Step) -> bool:
    """Whether a command is started by a shell that stays; `exec` leaves the process in its place."""
    return not step.text.startswith("[") or (
        bool(SHELL.match(step.command)) and " -c" in step.command and not re.search(r"\bexec\s", step.command)
    )


@check('Ask the process itself: HEALTHCHECK CMD ["python", "-m", "<package>.health"]')
def test_image_says_how_it_is(project: Project) -> Iterator[Violation]:
    for dockerfile in map(Dockerfile, project.files("Dockerfile")):
        checks = [step for step in dockerfile.final if step.name == "HEALTHCHECK"]
        if not checks:
            yield dockerfile.file.at(
                dockerfile.final[-1].line, "has no HEALTHCHECK, so that a process that hangs stays"
            )
        elif not re.search(r"CMD\s+\[", checks[-1].text):
            message = "HEALTHCHECK is taken away, or goes through a shell and programs that the image lacks"
            yield dockerfile.file.at(checks[-1].line, message)


@check("Name a version of the image, or its digest: python:3.13-slim, postgres:18, ghcr.io/acme/it@sha256:...")
def test_images_have_versions(project: Project) -> Iterator[Violation]:
    for file, line, image in images(project):
        if is_floating(image):
            yield file.at(line, "{image} is another image tomorrow", image=image)


def images(project: Project) -> Iterator[tuple[File, int, str]]:
    """Each image that the project builds on, runs or publishes."""
    for dockerfile in dockerfiles(project):
        yield from ((dockerfile.file, line, image) for line, image in _built_on(dockerfile))
    for container in containers(project):
        if container.image and container.image != BUILT:
            yield container.file, container.line_of("image"), container.image
    for file in project.files("deploy/*kustomization.y*ml"):
        for document in documents(file):
            for image in document.get("images") or ():
                if "newTag" in image:
                    yield file, image.lines["newTag"], f"{image.get('name')}:{image['newTag']}"
    for file in project.files(*WORKFLOWS, *GITLAB):
        for number, line in enumerate(file.lines, 1):
            yield from ((file, number, image) for image in re.findall(r"[\w./${}-]+:latest\b", line.split(" #")[0]))


def _built_on(dockerfile: Dockerfile) -> Iterator[tuple[int, str]]:
    """The images that a Dockerfile names, and those that its arguments do."""
    stages = {"scratch", *(stage.name for stage in dockerfile.stages)}
    for step in dockerfile.steps:
        names: list[str] = []
        if step.name == "ARG":
            names = [value for name, value in assigned(step.text) if "IMAGE" in name]
        elif step.name == "FROM":
            names = [word for word in step.text.split() if not word.startswith("--")][:1]
        elif step.name in {"COPY", "RUN"}:
            names = re.findall(r"--(?:mount=\S*)?from=([\w./:@${}-]+)", step.text)
        for image in names:
            if "$" not in image and not image.isdecimal() and image.lower() not in stages:
                yield step.line, image


def is_floating(image: str) -> bool:
    """Whether the image's name says no version, so that it is whatever was pushed last."""
    name, _, digest = image.partition("@")
    last = name.rpartition("/")[2]
    tag = last.partition(":")[2]
    if digest or tag == "local":  # what Compose builds here
        return False
    return bool(re.fullmatch(r"(?:[a-z-]*latest|[a-z-]+)?", tag) or re.fullmatch(r"python:3(-\w+)?", last))


@check("Name .env in .dockerignore, and give secrets to the running container, never to the build.")
def test_image_holds_no_secret(project: Project) -> Iterator[Violation]:
    ignored = project.file(".dockerignore")
    patterns = [line.strip() for line in ignored.lines] if ignored else []
    if not {"*", "**", ".*", ".env*", ".env", "**/.env", "**/.env*"}.intersection(patterns):
        yield (ignored or project.known("Dockerfile")).at(1, "lets .env into the build")
    for number, text in enumerate(ignored.lines if ignored else (), 1):
        if ignored and re.match(r"!\s*(?:\S*/)?\.env", text.strip()):
            yield ignored.at(number, "lets .env into the build")
    typed = {name for name, (module, item) in project.settings.items() if is_secret(module.text, item.lineno)}
    for dockerfile in dockerfiles(project):
        for step in dockerfile.steps:
            for name, value in assigned(step.text) if step.name in {"ARG", "ENV"} else ():
                if name in typed or SECRET_NAME.search(name) or (is_random(value) and not re.search(r"[:/]", value)):
                    yield dockerfile.file.at(step.line, "writes {name} into the image", name=name)
            if step.name in {"COPY", "ADD"} and SECRET_FILE.search(step.text):
                yield dockerfile.file.at(step.line, "copies a secret into the image")
            elif step.name == "RUN" and WRITTEN.search(step.text):
                yield dockerfile.file.at(step.line, "writes a secret into a layer of the image")


def is_secret(text: str, line: int) -> bool:
    return bool(re.search(r"SecretStr|PostgresUrl|RedisUrl", text.splitlines()[line - 1]))


@check("Let the job that deploys need the one that builds (`needs`), and deploy by the digest that was built.")
def test_deployment_follows_the_build(project: Project) -> Iterator[Violation]:
    yield from _github(project)
    yield from _gitlab(project)


def _github(project: Project) -> Iterator[Violation]:
    found = [job for job in jobs(project) if job.is_github]
    texts = {job: json.dumps(job.body, default=str) for job in found}
    for job in found:
        if not DEPLOYS.search(texts[job]) and not releases(job):
            continue
        before = ancestors(job, found)
        builds = [other for other in before if BUILDS.search(texts[other]) or "build" in other.name]
        if not builds and not BUILDS.search(texts[job]):
            yield job.file.at(job.line, "the job {job} deploys, and needs no job that builds", job=job.name)
        elif builds and BUILDS.search(texts[job]):
            yield job.file.at(job.line, "the job {job} builds once more what was built before", job=job.name)
        elif not any(map(checks, (job, *before))) and "workflow_run" not in triggers(job.document):
            yield job.file.at(job.line, "the job {job} deploys, and needs no job that checks", job=job.name)


def releases(job: Job) -> bool:
    """Whether a job has an environment that is released to; others hold a secret for it."""
    given = job.body.get("environment")
    name = str(given.get("name") if isinstance(given, Table) else given or "")
    return bool(re.search(r"(?i)stag|prod|live|uat|preview", name))


def checks(job: Job) -> bool:
    """Whether a job runs the tests, or a workflow that does."""
    called = (used for _, used in job.uses if used.endswith((".yml", ".yaml")))
    return any(re.search(r"ci|test|check", used) for used in called) or any(
        re.search(r"pytest|\bmake\b|\btox\b|\bnox\b", command.text) for command in job.commands
    )


@check("Build the image in CI, push it, and let the platform pull it by its digest: docs/deployment.md.")
def test_nothing_is_built_where_it_runs(project: Project) -> Iterator[Violation]:
    for job in jobs(project):
        for command in job.commands:
            if BY_HAND.search(command.text):
                yield command.at("the job {job} builds or changes the code where it runs", job=job.name)


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
                    yield file.at(
                        document.lines[name], "the job {job} deploys, and no stage before it builds", job=name
                    )


def _builds(job: object, stages: list[str]) -> bool:
    text = json.dumps(job, default=str)
    return (
        isinstance(job, Table) and job.get("stage") in stages and bool(re.search(r"docker|buildx|kaniko|buildah", text))
    )


@check("Pin the action to the commit of a release, with its version in a comment: owner/name@<40 digits> # v1.2.3")
def test_actions_are_pinned(project: Project) -> Iterator[Violation]:
    for file in project.files(*WORKFLOWS, ".github/actions/*/action.y*ml"):
        for number, line in enumerate(file.lines, 1):
            used = re.match(r"\s*(?:- )?uses:\s*[\"']?([^\s\"'#]+)", line)
            if used and not PINNED.match(used[1]):
                yield file.at(number, "{action} is another one tomorrow", action=used[1])

"""Checks of CI and deployment of rendered projects and of this template, by linters and beyond them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from itertools import chain, combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from _pytest.mark.expression import Expression, ExpressionMatcher

from tests.support.template import ROOT, answers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.conftest import Render

LAYERS: dict[str, dict[str, Any]] = {"whole": {}, "bare": {"layers": []}, "client": {"layers": ["client"]}}
GITHUB = {name: {"ci": "github", **chosen} for name, chosen in LAYERS.items()}
GITLAB = {name: {"ci": "gitlab", **chosen} for name, chosen in LAYERS.items()}
USES = re.compile(r"uses: (\S+?)(@\S+)?( # v\d+\.\d+\.\d+)?$", re.MULTILINE)
# Programs of runners. Everything else is a file of the project or part of its environment.
RUNNER = {
    "apt-get",
    "cd",
    "cut",
    "docker",
    "echo",
    "exit",
    "gh",
    "git",
    "grep",
    "make",
    "mkdir",
    "npm",
    "test",
    "tr",
    "uv",
    "uvx",
}
IMAGE_PROGRAMS = {"/grype"}
SHELL = {"[", "done", "else", "fi", "for", "if"}
MADE = {"build.json", "gl-code-quality-report.json"}  # written by the commands themselves
UV_COMMANDS = {"audit", "lock", "sync"}
# The package of each command that `uv run` runs.
BROUGHT_BY = {"lint-imports": "import-linter"}


@pytest.fixture(params=[*GITHUB, "template"])
def workflows(request: pytest.FixtureRequest, render: Render) -> Path:
    """The folder of workflows of a rendered project or of this template."""
    project = ROOT if request.param == "template" else render(**GITHUB[request.param])
    return project / ".github" / "workflows"


@pytest.fixture(params=GITLAB)
def pipeline(request: pytest.FixtureRequest, render: Render) -> Path:
    return render(**GITLAB[request.param]) / ".gitlab-ci.yml"


def ran(*command: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def passes(*command: str | Path, folder: Path = ROOT) -> None:
    done = ran(*command, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def schema(name: str, *files: Path) -> list[str]:
    extra = ["--data-transform", "gitlab-ci"] if name == "gitlab-ci" else []
    return ["check-jsonschema", "--builtin-schema", f"vendor.{name}", *extra, *map(str, files)]


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return loaded


def jobs(workflows: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in sorted(workflows.glob("*.yml")):
        yield from ((path.name, name, job) for name, job in load(path)["jobs"].items())


def commands(folder: Path) -> Iterator[str]:
    """Return every command line of a workflow or pipeline."""
    for _, _, job in jobs(folder / ".github" / "workflows"):
        for step in job.get("steps", []):
            yield from step.get("run", "").splitlines()
    if (folder / ".gitlab-ci.yml").exists():
        for job in load(folder / ".gitlab-ci.yml").values():
            if isinstance(job, dict):
                for text in chain(job.get("before_script", []), job.get("script", [])):
                    yield from text.splitlines()


def test_zizmor_finds_nothing(workflows: Path) -> None:
    passes("zizmor", "--offline", "--quiet", "--persona", "auditor", workflows)


def test_workflows_match_their_schema(workflows: Path) -> None:
    passes(*schema("github-workflows", *workflows.glob("*.yml")))


def test_actionlint_finds_nothing(workflows: Path) -> None:
    passes("actionlint", *workflows.glob("*.yml"), folder=workflows.parent.parent)


def test_a_pipeline_matches_its_schema(pipeline: Path) -> None:
    passes(*schema("gitlab-ci", pipeline))


def test_renovate_matches_its_schema_and_updates_the_tools_of_ci(render: Render) -> None:
    for chosen in (GITHUB["whole"], GITLAB["whole"]):
        project = render(**chosen)
        passes(*schema("renovate", project / "renovate.json"))
        manager = json.loads((project / "renovate.json").read_text("utf-8"))["customManagers"][0]
        pattern = re.compile(manager["matchStrings"][0].replace("(?<", "(?P<"))
        used = [line for line in commands(project) if "uvx" in line]
        assert used, "CI uses no tool"
        for line in used:
            assert pattern.search(line), f"Renovate does not see what is pinned in {line!r}"


@pytest.mark.parametrize(
    ("tool", "good", "bad"),
    [
        ("zizmor", "run: uv sync --locked", "run: echo ${{ github.event.pull_request.title }}"),
        ("zizmor", "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "actions/checkout@v7"),
        ("actionlint", "github.event_name", "github.event_nam"),
        ("schema", "timeout-minutes: 15", "timeout: 15"),
    ],
)
def test_each_tool_finds_a_planted_mistake(render: Render, tmp_path: Path, tool: str, good: str, bad: str) -> None:
    text = (render(**GITHUB["whole"]) / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    assert good in text
    planted = tmp_path / ".github" / "workflows" / "ci.yml"
    planted.parent.mkdir(parents=True)
    planted.write_text(text.replace(good, bad), "utf-8")
    tools = {
        "zizmor": ["zizmor", "--offline", "--quiet", "--persona", "auditor", str(planted.parent)],
        "actionlint": ["actionlint", str(planted)],
        "schema": schema("github-workflows", planted),
    }
    assert ran(*tools[tool], folder=tmp_path).returncode != 0


def test_ignored_findings_have_a_reason(workflows: Path) -> None:
    for path in workflows.glob("*.yml"):
        for line in path.read_text("utf-8").splitlines():
            if "ignore[" in line or "actionlint" in line or "shellcheck disable" in line:
                assert re.search(r"ignore\[[a-z-]+\] \S+", line), f"{path.name}: {line.strip()}"


def test_actions_are_pinned_by_commit_and_consistent(workflows: Path) -> None:
    versions: dict[str, set[str]] = {}
    for path in workflows.glob("*.yml"):
        for action, commit, comment in USES.findall(path.read_text("utf-8")):
            if action.startswith("$/"):
                assert (workflows.parent.parent / action.removeprefix("$/")).is_file(), action
                continue
            assert comment, f"{path.name}: {action} has no version"
            assert re.fullmatch(r"@[0-9a-f]{40}", commit), f"{path.name}: {action}{commit}"
            versions.setdefault(action, set()).add(commit)
    assert {action: found for action, found in versions.items() if len(found) > 1} == {}


def test_the_template_and_its_projects_use_the_same_actions(render: Render) -> None:
    def used(folder: Path) -> dict[str, str]:
        text = "".join(path.read_text("utf-8") for path in (folder / ".github" / "workflows").glob("*.yml"))
        return {action: commit for action, commit, _ in USES.findall(text)}

    mine, theirs = used(ROOT), used(render(**GITHUB["whole"]))
    assert {action: mine[action] for action in set(mine) & set(theirs)} == {
        action: theirs[action] for action in set(mine) & set(theirs)
    }


def test_jobs_have_only_the_permissions_that_they_need(workflows: Path) -> None:
    for path in workflows.glob("*.yml"):
        document = load(path)
        assert document["permissions"] == {}, path.name
        assert "concurrency" in document, path.name
        for name, job in document["jobs"].items():
            assert "permissions" in job, f"{path.name}: {name}"
            assert "uses" in job or job["timeout-minutes"] <= 60, f"{path.name}: {name}"


@pytest.mark.parametrize("chosen", [*GITHUB.values(), *GITLAB.values()])
def test_every_command_exists(render: Render, chosen: dict[str, Any]) -> None:
    project = render(**chosen)
    own, tools = (
        tomllib.loads((project / path).read_text("utf-8")) for path in ("pyproject.toml", "devtools/pyproject.toml")
    )
    declared = [*own["dependency-groups"]["dev"], *tools["project"]["dependencies"]]
    installed = {re.split(r"[^\w.-]", name)[0] for name in declared}
    slug, package = (answers(project)[name] for name in ("project_slug", "package_name"))
    seen = set()
    for line in commands(project):
        for command in re.split(r" && | \| ", line):
            words = shlex.split(re.sub(r"^\s*(case \S+ in \S+ |\w+=\$\(|\w+=\S+$)", "", command)) or ["echo"]
            seen.add(words[0])
            match words:
                case ["uv", "run", name, *rest]:
                    if name == slug:
                        folders = ("devtools/agent_devtools", f"src/{package}/management/commands")
                        assert [*chain(*((project / folder).glob(f"{rest[0]}*") for folder in folders))], command
                    else:
                        assert BROUGHT_BY.get(name, name) in installed, command
                case ["uv", name, *_]:
                    assert name in UV_COMMANDS, command
                case ["uvx", *rest]:
                    assert any(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", word) for word in rest), f"not pinned: {command}"
                case [name, *_] if name.startswith("deploy/"):
                    assert (project / name).stat().st_mode & 0o111, f"{name} is not executable"
                case _:
                    assert words[0] in RUNNER | IMAGE_PROGRAMS | SHELL, command
            for word in words[1:]:
                if word not in MADE and re.fullmatch(r"[\w.-]+\.(json|yml|toml)|Dockerfile|\.github/workflows", word):
                    assert (project / word).exists(), f"{command}: {word}"
    releases = "kubernetes" in answers(project)["layers"]
    assert ("deploy/release" in seen) == ("deploy/kubeconfig" in seen) == releases


@pytest.mark.parametrize("chosen", GITHUB.values())
def test_a_release_follows_checks_build_and_staging(render: Render, chosen: dict[str, Any]) -> None:
    document = load(render(**chosen) / ".github" / "workflows" / "deploy.yml")
    found = document["jobs"]
    assert found["build"]["needs"] == "ci"
    assert "staging" in found or "layers" in chosen
    if "staging" in found:
        assert found["image"]["needs"] == "build"
        assert found["staging"]["needs"] == "image"
        assert set(found["production"]["needs"]) == {"image", "staging"}
        for name in ("staging", "production"):
            steps = [step["run"] for step in found[name]["steps"] if "run" in step]
            assert found[name]["environment"] == name
            assert found[name]["concurrency"]["cancel-in-progress"] is False
            assert found[name]["env"]["IMAGE"] == "${{ needs.image.outputs.image }}"
            look = "echo" if name == "staging" else "newest=$(gh"
            assert [step.split()[0] for step in steps] == ["gh", "deploy/kubeconfig", look, "deploy/release"]
            assert steps[-1] == f'deploy/release {name} --image "$IMAGE"'
            uses = [step["uses"].partition("@")[0] for step in found[name]["steps"] if "uses" in step]
            assert "docker/login-action" in uses, "the image may be private, and its attestation is in the registry"
        # No commit waits for another, and none is released after a newer one.
        assert document["concurrency"]["group"] == "deploy-${{ github.sha }}"
        assert found["staging"]["outputs"]["main"] == "${{ steps.main.outputs.sha }}"
        assert found["staging"]["steps"][-1]["if"] == "steps.main.outputs.sha == github.sha"
        assert found["production"]["if"] == "needs.staging.outputs.main == github.sha"


@pytest.mark.parametrize(
    ("ci", "before"),
    [("github", "github:repo:acme/it"), ("gitlab", "gitlab:project_path:acme/it:ref_type:branch:ref:main")],
)
def test_only_the_job_of_an_environment_releases_to_it(render: Render, ci: str, before: str) -> None:
    project = render(ci=ci, repository_url=f"https://{ci}.com/acme/it")
    for environment in ("staging", "production"):
        text = (project / "deploy/kubernetes/overlays" / environment / "setup.yaml").read_text("utf-8")
        assert re.findall(r'name: "(git(?:hub|lab):.+)"', text) == [f"{before}:environment:{environment}"]
    if ci == "gitlab":  # its tokens do not name the environment by default
        said = "'gitlab:' + claims.sub + ':environment:' + claims.environment"
        assert said in (project / "docs" / "deployment.md").read_text("utf-8")


def test_commits_of_main_are_checked_concurrently_and_updates_may_change_workflows(render: Render) -> None:
    workflows = render(**GITHUB["whole"]) / ".github" / "workflows"
    group = load(workflows / "ci.yml")["concurrency"]["group"]
    assert "github.event_name == 'pull_request' && github.ref || github.sha" in group
    steps = load(workflows / "template-update.yml")["jobs"]["update"]["steps"]
    assert steps[-1]["env"]["GH_TOKEN"] == "${{ secrets.TEMPLATE_UPDATE_TOKEN || github.token }}"


def test_git_ignores_the_secrets_of_the_docs(render: Render) -> None:
    project = render()
    assert "/secrets/" in (project / ".gitignore").read_text("utf-8").splitlines()
    text = (project / "docs" / "kubernetes.md").read_text("utf-8").partition("Once for each environment")[2]
    blocks = [block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "--from-file" in block]
    assert len(blocks) == 2
    for block in blocks:
        assert "(cd secrets && " in block or set(re.findall(r"--from-file=(\w+)/", block)) == {"secrets"}, block


def test_a_pipeline_releases_in_the_order_of_its_stages(render: Render) -> None:
    found = load(render(**GITLAB["whole"]) / ".gitlab-ci.yml")
    assert found["stages"] == ["check", "build", "scan", "staging", "production"]
    for name in ("staging", "production"):
        job = found[f"release to {name}"]
        assert job["environment"] == job["resource_group"] == job["stage"] == name
        assert job["script"] == [f'deploy/release {name} --image "$IMAGE"']
    assert found["release to production"]["rules"][0]["when"] == "manual"


def test_violations_appear_in_the_pull_request(render: Render) -> None:
    """They are uploaded even if the checks failed, by the one job that may write them."""
    project = render(**GITHUB["whole"])
    for name, _, job in jobs(project / ".github" / "workflows"):
        uploads = [step for step in job.get("steps", []) if "upload-sarif" in step.get("uses", "")]
        assert bool(uploads) == (job["permissions"].get("security-events") == "write"), name
        for step in uploads:
            assert step["if"] == "always()"
            said = [other["run"] for other in job["steps"] if "--sarif" in other.get("run", "")]
            assert [line.rpartition("> ")[2] for line in said] == [step["with"]["sarif_file"]]
    text = (project / ".github" / "workflows" / "code-scanning.yml").read_text("utf-8")
    assert "  pull_request:\n  push:\n    branches: [main]\n" in text
    pipeline = load(render(**GITLAB["whole"]) / ".gitlab-ci.yml")
    [job] = [job for job in pipeline.values() if isinstance(job, dict) and "codequality" in str(job.get("artifacts"))]
    assert job["artifacts"]["when"] == "always"
    assert job["script"][-1].endswith(f"--code-quality > {job['artifacts']['reports']['codequality']}")
    assert job["stage"] == "check"
    assert "rules" not in job


def test_without_ci_there_are_no_ci_files(render: Render) -> None:
    project = render(ci="none")
    assert not (project / ".github" / "workflows").exists()
    assert not (project / ".gitlab-ci.yml").exists()
    assert not (project / "renovate.json").exists()
    assert not (project / "deploy" / "kubeconfig").exists()
    assert (project / "deploy" / "release").exists()


def test_the_matrix_comes_from_the_variants() -> None:
    """The template's workflow takes it from tests/support/variants.py, and its last job needs all others."""
    own = load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    assert own["agent"]["strategy"]["matrix"] == "${{ fromJSON(needs.check.outputs.matrix) }}"
    assert set(own["green"]["needs"]) == set(own) - {"green", "publish"}  # a site is published after
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for line in commands(ROOT):
        words = shlex.split(line)
        assert (words[0] == "make" and words[1] in targets) or words[0] == "echo" or (ROOT / words[0]).is_file(), line


def test_every_documented_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")):
        named = set(re.findall(r"`make ([a-z]+)", path.read_text("utf-8")))
        assert named <= targets, path.name


def marked(marks: tuple[str, ...]) -> ExpressionMatcher:
    """Return a matcher of a test with these marks, for expressions of `pytest -m`."""

    def has_mark(name: str, /, **_: str | int | bool | None) -> bool:
        return name in marks

    return has_mark


def targets(made: Iterable[str]) -> list[Expression]:
    """Return the selections of these targets of the Makefile."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    selections = re.findall(r'^([a-z]+):.*\n\t\$\(PYTEST\).* -m (?:"([^"]+)"|(\w+))', makefile, re.MULTILINE)
    texts = {name: re.sub(r"\$\(if .*\)$", "", several or one) for name, several, one in selections}
    texts["agent"] += " and variant"  # a machine for each
    return [Expression.compile(texts[name]) for name in made if name in texts]


def combined_marks() -> Iterator[tuple[str, ...]]:
    """Return every combination of marks that a test may have."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["markers"]
    marks = [line.partition(":")[0] for line in declared]
    for size in range(len(marks) + 1):
        yield from combinations(marks, size)


def test_every_test_is_part_of_a_job() -> None:
    """Some target of the template's workflow selects a test, whatever its marks."""
    jobs = targets({shlex.split(line)[1] for line in commands(ROOT) if line.startswith("make ")})
    for chosen in combined_marks():
        assert any(job.evaluate(marked(chosen)) for job in jobs), chosen


def test_one_machine_runs_every_test_once_but_those_of_a_matrix() -> None:
    """`.ci/run` begins with the README's command. Of the long tests, those that need Docker have their own machine."""
    made = re.findall(r"^make ([a-z]+)", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    assert made[0] == "test"
    assert "\nmake test " in (ROOT / "README.md").read_text("utf-8")
    jobs = targets(made)
    assert len(jobs) == len(made)
    for chosen in combined_marks():
        elsewhere = "matrix" in chosen or {"long", "container"} <= set(chosen)
        assert elsewhere or sum(job.evaluate(marked(chosen)) for job in jobs) == 1, chosen

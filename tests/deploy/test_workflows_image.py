"""CI builds one image and scans, attests and releases it by its digest: its steps run with fake programs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.test_workflows import GITHUB, GITLAB, commands, load, ran
from tests.support.git import git

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

AMD64, ARM64, BOTH = (f"sha256:{digit * 64}" for digit in "abc")
COMMIT, NEWER = "1" * 40, "2" * 40
each_layer = pytest.mark.parametrize("chosen", GITHUB)


def jobs(render: Render, chosen: str, name: str = "deploy") -> dict[str, Any]:
    found: dict[str, Any] = load(render(**GITHUB[chosen]) / ".github" / "workflows" / f"{name}.yml")["jobs"]
    return found


def using(job: dict[str, Any], action: str) -> dict[str, Any]:
    """Return the only step of a job that uses an action."""
    (step,) = (step for step in job["steps"] if step.get("uses", "").startswith(f"{action}@"))
    return dict(step)


def shell(script: str, folder: Path, programs: dict[str, str] | None = None, **variables: str) -> tuple[int, str]:
    """Run a step as a runner does, with fake programs; return its exit code and output."""
    (folder / "bin").mkdir(exist_ok=True)
    for name, text in (programs or {}).items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n", "utf-8")
        (folder / "bin" / name).chmod(0o755)
    environment = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder), **variables}
    command = ["bash", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@each_layer
def test_the_scanned_image_is_the_pushed_one_and_built_once(render: Render, chosen: str) -> None:
    found = jobs(render, chosen)
    assert found["ci"]["with"] == {"ships": True}
    assert jobs(render, chosen, "ci")["image"]["if"] == "${{ !inputs.ships }}"
    building = [name for name, job in found.items() if "docker/build-push-action" in json.dumps(job)]
    assert building == ["build"]
    build = found["build"]
    assert "push-by-digest=true" in using(build, "docker/build-push-action")["with"]["outputs"]
    pushed = "${{ steps.image.outputs.name }}@${{ steps.push.outputs.digest }}"
    for action in ("anchore/scan-action", "anchore/sbom-action"):
        assert using(build, action)["with"]["image"] == pushed
    assert using(build, "anchore/scan-action")["with"]["severity-cutoff"] == "high"
    order = [step.get("uses", step.get("id", "")).partition("@")[0] for step in build["steps"]]
    assert order.index("anchore/scan-action") < order.index("actions/attest") < order.index("digest")
    assert using(build, "actions/attest")["with"]["subject-digest"] == "${{ steps.push.outputs.digest }}"


@each_layer
def test_the_image_of_a_pull_request_is_scanned(render: Render, chosen: str) -> None:
    image = jobs(render, chosen, "ci")["image"]
    built = using(image, "docker/build-push-action")["with"]
    assert built["tags"] == using(image, "anchore/scan-action")["with"]["image"] == "agent:ci"
    assert "push" not in built


@each_layer
def test_each_architecture_is_built_on_its_own_machine(render: Render, chosen: str) -> None:
    build = jobs(render, chosen)["build"]
    machines = {row["architecture"]: row["runner"] for row in build["strategy"]["matrix"]["include"]}
    assert machines == {"amd64": "ubuntu-24.04", "arm64": "ubuntu-24.04-arm"}
    assert build["runs-on"] == "${{ matrix.runner }}"
    assert set(build["outputs"]) == set(machines)


@each_layer
def test_the_image_of_both_architectures_has_its_own_digest(render: Render, tmp_path: Path, chosen: str) -> None:
    image = jobs(render, chosen)["image"]
    (step,) = (step for step in image["steps"] if step.get("id") == "name")
    assert {name: value.split(".")[-1].rstrip("} ") for name, value in step["env"].items()} == {
        "AMD64": "amd64",
        "ARM64": "arm64",
    }
    docker = f'echo "$*" >>asked; case "$3" in inspect) echo {BOTH} ;; esac'
    variables = {"GITHUB_REPOSITORY": "Acme/Agent", "GITHUB_SHA": COMMIT, "AMD64": AMD64, "ARM64": ARM64}
    code, said = shell(step["run"], tmp_path, {"docker": docker}, GITHUB_OUTPUT="output", **variables)
    assert code == 0, said
    name = "ghcr.io/acme/agent"
    assert (tmp_path / "output").read_text("utf-8").split() == [f"name={name}", f"digest={BOTH}"]
    (created, _) = (tmp_path / "asked").read_text("utf-8").splitlines()
    assert created == f"buildx imagetools create --tag {name}:{COMMIT} {name}@{AMD64} {name}@{ARM64}"
    assert image["outputs"]["image"] == "${{ steps.name.outputs.name }}@${{ steps.name.outputs.digest }}"
    assert using(image, "actions/attest")["with"]["subject-digest"] == "${{ steps.name.outputs.digest }}"


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_an_attestation_names_this_workflow_and_commit(render: Render, tmp_path: Path, environment: str) -> None:
    (verify,) = (
        step["run"] for step in jobs(render, "whole")[environment]["steps"] if "attestation" in step.get("run", "")
    )
    variables = {"IMAGE": f"ghcr.io/acme/agent@{BOTH}", "GITHUB_REPOSITORY": "Acme/Agent", "GITHUB_SHA": COMMIT}
    code, said = shell(verify, tmp_path, {"gh": 'echo "$*"'}, **variables)
    assert code == 0, said
    options = dict(re.findall(r"(--[a-z-]+)(?: ([^-]\S*))?", said))
    assert options == {
        "--repo": "Acme/Agent",
        "--signer-workflow": "Acme/Agent/.github/workflows/deploy.yml",
        "--source-ref": "refs/heads/main",
        "--source-digest": COMMIT,
        "--deny-self-hosted-runners": "",
    }


@pytest.mark.parametrize(("newest", "expected"), [(COMMIT, 0), (NEWER, 1)])
def test_a_commit_is_released_after_approval_only_if_it_is_the_newest(
    render: Render, tmp_path: Path, newest: str, expected: int
) -> None:
    steps = jobs(render, "whole")["production"]["steps"]
    (look,) = (step["run"] for step in steps if "commits/main" in step.get("run", ""))
    assert steps[-1]["run"].startswith("deploy/release")
    assert look == steps[-2]["run"], "the release must follow the check at once"
    variables = {"GITHUB_REPOSITORY": "acme/agent", "GITHUB_SHA": COMMIT}
    code, said = shell(look, tmp_path, {"gh": f"echo {newest}"}, **variables)
    assert code == expected, said
    assert (f"::error::main is at {NEWER}" in said) == bool(expected)


def test_the_token_of_updates_is_in_an_environment(render: Render, tmp_path: Path) -> None:
    text = (render(**GITHUB["whole"]) / ".github" / "workflows" / "template-update.yml").read_text("utf-8")
    planted = tmp_path / "template-update.yml"
    planted.write_text(re.sub(r"\n    environment: .*", "", text), "utf-8")
    zizmor = ["zizmor", "--offline", "--quiet", "--persona", "auditor", str(planted)]
    assert "secrets-outside-env" in ran(*zizmor).stdout
    planted.write_text(text, "utf-8")
    assert ran(*zizmor).returncode == 0


def pipeline(render: Render) -> dict[str, Any]:
    return load(render(**GITLAB["whole"]) / ".gitlab-ci.yml")


def test_gitlab_builds_one_image_and_scans_it_for_every_platform(render: Render, tmp_path: Path) -> None:
    found = pipeline(render)
    build, scan = found["image build"], found["image scan"]
    main, request = build["rules"]
    assert main["variables"] == {"ATTESTATIONS": "--sbom=true --provenance=mode=max", "OUTPUT": "type=image,push=true"}
    assert build["variables"]["OUTPUT"] == "type=docker,dest=image.tar"
    assert request["variables"] == {"PLATFORMS": "linux/amd64"}
    assert found["variables"] == {"PLATFORMS": "linux/amd64,linux/arm64"}
    assert [name for name, job in found.items() if "buildx build" in json.dumps(job)] == ["image build"]
    assert scan["needs"] == ["image build"]
    assert "rules" not in scan, "an image is not scanned"
    assert scan["variables"]["GRYPE_FAIL_ON_SEVERITY"] == "high"
    script = "\n".join(scan["script"]).replace("/grype", "grype")
    noting = 'echo "$*" >>asked; case "$*" in *"$VULNERABLE"*) exit 2 ;; esac'
    image = f"registry.test/acme/agent@{BOTH}"
    variables = {"IMAGE": image, **found["variables"]}
    assert shell(script, tmp_path, {"grype": noting}, VULNERABLE="none", **variables)[0] == 0
    asked = [f"registry:{image} --platform {platform}" for platform in ("linux/amd64", "linux/arm64")]
    assert (tmp_path / "asked").read_text("utf-8").splitlines() == asked
    assert shell(script, tmp_path, {"grype": noting}, VULNERABLE="arm64", **variables)[0] != 0
    assert shell(script, tmp_path, {"grype": noting}, VULNERABLE="amd64", **variables)[0] != 0
    (tmp_path / "image.tar").touch()
    assert shell(script, tmp_path, {"grype": noting}, VULNERABLE="none", **variables)[0] == 0
    assert (tmp_path / "asked").read_text("utf-8").splitlines()[-1] == "docker-archive:image.tar"
    assert shell(script, tmp_path, {"grype": noting}, VULNERABLE="image.tar", **variables)[0] != 0


@pytest.mark.parametrize(("platforms", "emulated"), [("linux/amd64,linux/arm64", True), ("linux/amd64", False)])
def test_gitlab_reports_the_pushed_digest(render: Render, tmp_path: Path, platforms: str, emulated: bool) -> None:
    build = pipeline(render)["image build"]
    digest = json.dumps({"containerimage.digest": BOTH})
    docker = f"""cat >/dev/null; echo "$*" >>asked; case "$*" in "buildx build"*) echo '{digest}' >build.json ;; esac"""
    variables = build["variables"] | build["rules"][0]["variables"] | {"PLATFORMS": platforms}
    given = {"CI_REGISTRY_IMAGE": "registry.test/acme/agent", "CI_COMMIT_SHA": COMMIT}
    script = "\n".join(build["script"])
    code, said = shell(f"exec </dev/null\n{script}", tmp_path, {"docker": docker}, **variables, **given)
    assert code == 0, said
    assert (tmp_path / "image.env").read_text("utf-8") == f"IMAGE=registry.test/acme/agent@{BOTH}\n"
    asked = (tmp_path / "asked").read_text("utf-8")
    assert f"--platform {platforms} --sbom=true --provenance=mode=max" in asked
    assert "--output type=image,push=true" in asked
    assert ("tonistiigi/binfmt" in asked) == emulated


@pytest.mark.parametrize("moved", [False, True])
def test_gitlab_releases_only_the_newest_commit(render: Render, tmp_path: Path, moved: bool) -> None:
    found = pipeline(render)
    lines = [line for line in found[".release"]["before_script"] if "newest" in line]
    server = tmp_path / "server"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(server))
    git(server, "commit", "--quiet", "--allow-empty", "--message", "One")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(server), str(clone))
    commit = git(clone, "rev-parse", "HEAD").strip()
    if moved:
        git(server, "commit", "--quiet", "--allow-empty", "--message", "Two")
    code, said = shell("\n".join(lines), clone, CI_DEFAULT_BRANCH="main", CI_COMMIT_SHA=commit)
    assert code == (77 if moved else 0), said
    assert ("whose own pipeline releases it" in said) == moved
    assert found["release to staging"]["allow_failure"] == {"exit_codes": 77}
    assert "allow_failure" not in found["release to production"]
    assert "before_script" not in found["release to production"]


def test_renovate_pins_the_images_of_gitlab(render: Render) -> None:
    project = render(**GITLAB["whole"])
    renovate = json.loads((project / "renovate.json").read_text("utf-8"))
    (rule,) = (rule for rule in renovate["packageRules"] if rule.get("pinDigests"))
    assert rule["matchFileNames"] == [".gitlab-ci.yml"]
    assert rule["matchDatasources"] == ["docker"]
    (manager,) = (each for each in renovate["customManagers"] if each["datasourceTemplate"] == "docker")
    pattern = re.compile(manager["matchStrings"][0].replace("(?<", "(?P<"))
    (line,) = (line for line in commands(project) if "docker run" in line)
    seen = pattern.search(line)
    assert seen
    assert (seen["depName"], seen["currentDigest"]) == ("tonistiigi/binfmt", None)
    version = manager["versioningTemplate"].removeprefix("regex:").replace("(?<", "(?P<")
    assert re.fullmatch(version, seen["currentValue"])
    pinned = pattern.search(line.replace(seen["currentValue"], f"{seen['currentValue']}@{BOTH}"))
    assert pinned
    assert pinned["currentDigest"] == BOTH

"""Argo CD, Flux and kubectl can apply the output of `deploy/release --write` unchanged."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kubernetes_validate import validate

from tests.deploy import test_manifests as checks
from tests.deploy.test_manifests import CUSTOM, IMAGE, VERSIONS, loaded, of, workloads
from tests.support.external_programs import PATH, program
from tests.support.git import git

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deploy.test_manifests import Build, Manifest

build = checks.build  # the fixture

STEPS = ("prepare", "processes", "smoke")
COMPONENTS = tuple(name for name in checks.COMPONENTS if name not in {"gateway", "ingress"})  # these name example.com
ARGO = "argocd.argoproj.io"
PHASES = {"PreSync": 0, "Sync": 1, None: 1, "PostSync": 2}


class Written:
    """A project in git for which releases are written."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.folder = project / "deploy" / "gitops" / "staging"

    def write(self, image: str = IMAGE, expected: int = 0) -> str:
        release = [sys.executable, str(self.project / "deploy" / "release"), "staging", "--image", image]
        command = [*release, "--write", "deploy/gitops/staging"]
        environment = {**os.environ, "PATH": PATH}
        ran = subprocess.run(command, cwd=self.project, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == expected, ran.stderr
        return ran.stderr

    def commit(self) -> None:
        git(self.project, "add", "--all")
        git(self.project, "commit", "--quiet", "--message", "Release to staging")

    def step(self, name: str) -> list[Manifest]:
        return loaded((self.folder / name / "manifests.yaml").read_text("utf-8"))

    def all(self) -> list[Manifest]:
        """Build the folder as Argo CD does, with the defaults of kustomize."""
        command = ["kubectl", "kustomize", str(self.folder)]
        ran = subprocess.run(command, env={"PATH": PATH}, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return loaded(ran.stdout)


@pytest.fixture
def written(build: Build, tmp_path: Path) -> Written:
    program("kubectl", "run .ci/kubectl")
    project = tmp_path / "project"
    shutil.copytree(build.project / "deploy", project / "deploy")
    shutil.copy(build.project / ".env.staging", project)
    text = (project / ".env.staging").read_text("utf-8")
    (project / ".env.staging").write_text(text.replace("CHANGE_ME", "chosen"), "utf-8")
    checks.choose(project / "deploy" / "kubernetes" / "overlays" / "staging" / "kustomization.yaml", COMPONENTS)
    git(project, "init", "--quiet", "--initial-branch=main")
    done = Written(project)
    done.commit()
    done.write()
    return done


def names(manifests: list[Manifest]) -> set[tuple[str, str]]:
    return {(item["kind"], item["metadata"]["name"]) for item in manifests}


def place(item: Manifest) -> tuple[int, int]:
    """Return when Argo CD applies an object: the phase and the wave."""
    notes = item["metadata"].get("annotations", {})
    return PHASES[notes.get(f"{ARGO}/hook")], int(notes.get(f"{ARGO}/sync-wave", 0))


def needed(pod: Manifest) -> set[tuple[str, str]]:
    """Return the objects of the release that a pod needs to start."""
    spec = pod["spec"]
    (it,) = spec["containers"]
    return {("ServiceAccount", spec["serviceAccountName"])} | {
        ("ConfigMap", source["configMapRef"]["name"]) for source in it["envFrom"]
    }


def test_it_equals_a_release_and_every_manifest_matches_its_schema(written: Written) -> None:
    found = written.all()
    assert names(found) == {name for step in STEPS for name in names(written.step(step))}
    assert len(found) == sum(len(written.step(step)) for step in STEPS)
    assert {"Deployment", "Job", "ConfigMap", "NetworkPolicy", "Service", "ScaledObject"} <= {
        item["kind"] for item in found
    }
    assert not checks.SETUP & {item["kind"] for item in found}, "an administrator applies these"
    assert {it["image"] for pod in workloads(found).values() for it in pod["spec"]["containers"]} == {IMAGE}
    for item in found:
        if item["kind"] not in CUSTOM:
            validate(item, VERSIONS[-1], strict=True)


def test_argo_cd_migrates_between_the_settings_and_the_processes(written: Written) -> None:
    found = written.all()
    at = {(item["kind"], item["metadata"]["name"]): place(item) for item in found}
    jobs = {item["metadata"]["name"].partition("-")[0]: item for item in of("Job", found)}
    migrate, smoke = place(jobs["migrate"]), place(jobs["smoke"])
    for one in needed(jobs["migrate"]["spec"]["template"]):
        assert at[one] < migrate, f"{one} comes after the migration"
    policies = {item["metadata"]["name"]: place(item) for item in of("NetworkPolicy", found)}
    assert all(policies[name] < migrate for name in ("deny-all", "names", "database"))
    for item in of("Deployment", found):
        assert migrate < place(item) < smoke
        assert item["metadata"]["annotations"]["kubernetes.io/change-cause"].endswith(f"image {IMAGE}")
    for job in jobs.values():
        assert job["metadata"]["annotations"][f"{ARGO}/hook-delete-policy"] == "HookSucceeded,BeforeHookCreation"


def test_each_folder_is_complete_for_flux(written: Written) -> None:
    prepare, processes, smoke = (written.step(step) for step in STEPS)
    assert [len(of("Job", step)) for step in (prepare, processes, smoke)] == [1, 0, 1]
    assert {item["metadata"]["name"] for item in of("Deployment", processes)} == {"web", "worker", "scheduler"}
    assert names(smoke) == names(of("Job", smoke))
    for pod in workloads(written.all()).values():
        assert needed(pod) <= names(prepare)


def test_each_release_has_its_own_jobs_without_expiry(written: Written) -> None:
    before = names(of("Job", written.all()))
    assert not any("ttlSecondsAfterFinished" in item["spec"] for item in of("Job", written.all()))
    assert "Commit or discard these" in written.write(expected=2)
    written.commit()
    other = IMAGE[:-7] + "fffffff"
    said = written.write(image=other)
    assert "commit it for Argo CD or Flux" in said
    after = written.all()
    assert names(of("Job", after)).isdisjoint(before)
    assert {it["image"] for pod in workloads(after).values() for it in pod["spec"]["containers"]} == {other}


def test_a_rejected_release_writes_nothing(written: Written) -> None:
    with (written.project / ".env.staging").open("a", encoding="utf-8") as settings:
        settings.write("APP_NAME=CHANGE_ME\n")
    written.commit()
    shutil.rmtree(written.folder)
    written.commit()
    assert "still contains placeholders" in written.write(expected=2)
    assert not written.folder.exists()


def test_a_release_by_kubectl_has_no_ordering_annotations(build: Build) -> None:
    assert ARGO not in build.text("staging", *checks.COMPONENTS)
    assert all(item["spec"]["ttlSecondsAfterFinished"] for item in of("Job", build("staging")))


def documented(project: Path, kind: str) -> list[dict[str, Any]]:
    """Return the documented objects of a kind."""
    text = (project / "docs" / "kubernetes.md").read_text("utf-8").partition("## Argo CD and Flux")[2]
    blocks = re.findall(r"```yaml\n(.*?)```", text.partition("\n## ")[0], re.DOTALL)
    items = [item for block in blocks for item in yaml.safe_load_all(block)]
    return [item for item in items if item["kind"] == kind]


def test_the_documentation_names_the_written_folders(build: Build, written: Written) -> None:
    (application,) = documented(build.project, "Application")
    (space,) = of("Namespace", build("staging"))
    assert written.project / application["spec"]["source"]["path"] == written.folder
    assert application["spec"]["destination"]["namespace"] == space["metadata"]["name"]
    steps = documented(build.project, "Kustomization")
    assert [written.project / item["spec"]["path"] for item in steps] == [written.folder / step for step in STEPS]
    chain = [[on["name"] for on in item["spec"].get("dependsOn", [])] for item in steps]
    assert chain == [[], [steps[0]["metadata"]["name"]], [steps[1]["metadata"]["name"]]]
    assert all(item["spec"]["wait"] and item["spec"]["prune"] for item in steps)

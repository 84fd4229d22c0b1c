"""Checks of compose.yaml and compose.dev.yaml without an engine; test_containers.py runs them."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from itertools import pairwise
from shutil import copyfile
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.render.test_render import ROWS, each_variant
from tests.support.docker import ADVICE, until
from tests.support.external_programs import program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

PROCESSES = {"web", "worker", "scheduler"}
SERVERS = {"postgres", "valkey"}


@pytest.fixture
def project(render: Render, row: str) -> Path:
    return render(**ROWS[row])


def services(project: Path) -> dict[str, Any]:
    """Return the services of compose.yaml."""
    loaded: dict[str, Any] = yaml.safe_load((project / "compose.yaml").read_text("utf-8"))["services"]
    return loaded


@each_variant
def test_the_files_match_the_schema(project: Path) -> None:
    files = [path.name for path in sorted(project.glob("compose*.yaml"))]
    command = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", *files]
    ran = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@each_variant
def test_processes_and_replicas_match_the_procfile(project: Path) -> None:
    lines = (project / "Procfile").read_text("utf-8").splitlines()
    commands = {name: command.split() for name, _, command in (line.partition(": ") for line in lines)}
    found = services(project)
    assert {name: found[name]["command"] for name in PROCESSES} == commands
    assert {name: found[name]["deploy"]["replicas"] for name in PROCESSES} == {"web": 3, "worker": 2, "scheduler": 1}
    assert found.keys() == PROCESSES | SERVERS | {"migrate", "role", "credentials", "settings"}


@each_variant
def test_services_start_after_their_dependencies(project: Path) -> None:
    found = services(project)
    needs = {
        name: {on: how["condition"] for on, how in one.get("depends_on", {}).items()} for name, one in found.items()
    }
    ready = {
        "migrate": "service_completed_successfully",
        "settings": "service_completed_successfully",
        "postgres": "service_healthy",
        "valkey": "service_healthy",
    }
    assert all(needs[name] == ready for name in PROCESSES)
    assert needs["settings"] == {"migrate": "service_completed_successfully"}  # may fail without stopping anything
    assert needs["migrate"] == {"role": "service_completed_successfully"}
    assert needs["role"] == {"postgres": "service_healthy"}
    assert all(needs[name] == {"credentials": "service_completed_successfully"} for name in SERVERS)


@each_variant
def test_every_service_is_confined(project: Path) -> None:
    for name, one in services(project).items():
        assert one["read_only"], name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert one["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}, name
        published = one.get("ports", [])
        assert published == ([] if name != "web" else ["${WEB_PORTS:-127.0.0.1:8000-8002}:8000"]), name
        assert "env_file" not in one, name


@each_variant
def test_no_process_knows_the_owner_of_the_database(project: Path) -> None:
    found = services(project)
    knows = {name for name, one in found.items() if any(volume.startswith("owner:") for volume in one["volumes"])}
    assert knows == {"credentials", "postgres", "role", "migrate"}
    assert {name for name, one in found.items() if "DATABASE_APP_ROLE" in one.get("environment", {})} == {"migrate"}


def made(project: Path, folder: Path) -> dict[str, str]:
    """Run the script of the service `credentials` over the volumes in `folder`, and return the files."""
    script: str = services(project)["credentials"]["entrypoint"][-1].replace("$$", "$")
    for name in ("secrets", "owner"):
        (folder / name).mkdir(exist_ok=True)
        script = script.replace(f"/run/{name}", str(folder / name))
    subprocess.run(["sh", "-euc", script], check=True)
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.glob("*/*")}


def test_passwords_are_created_once_and_the_owners_is_separate(render: Render, tmp_path: Path) -> None:
    first = made(render(), tmp_path)
    assert {name for name in first if name.startswith("secrets/")} == {
        "secrets/DATABASE_URL",
        "secrets/REDIS_URL",
        "secrets/valkey.conf",
    }
    password = first["owner/POSTGRES_PASSWORD"]
    assert len(password) == 48
    assert f":{password}@postgres" in first["owner/DATABASE_URL"]
    assert all(password not in first[name] for name in first if name.startswith("secrets/"))
    app = first["secrets/DATABASE_URL"].partition("//app:")[2].partition("@")[0]
    assert f"PASSWORD '{app}'" in first["owner/role.sql"]
    assert made(render(), tmp_path) == first


@pytest.mark.parametrize("package", ["app", "default", "pg_agent", "public"])
def test_the_owner_of_the_data_has_a_valid_name(render: Render, tmp_path: Path, package: str) -> None:
    """`app` is the role of the processes, `default` a user of Valkey; PostgreSQL rejects the others."""
    project = render(package_name=package)
    owner = f"agent_{package}"
    after = made(project, tmp_path)
    assert services(project)["postgres"]["environment"] == {"POSTGRES_USER": owner, "POSTGRES_DB": package}
    assert f"--username={owner} " in services(project)["role"]["entrypoint"][-1]
    assert after["owner/DATABASE_URL"].startswith(f"postgresql://{owner}:")
    assert after["secrets/DATABASE_URL"].startswith("postgresql://app:")
    assert after["secrets/REDIS_URL"].startswith(f"redis://{owner}:")
    assert f"\nuser {owner} on >" in after["secrets/valkey.conf"]


def look(project: Path, folder: Path) -> subprocess.Popen[str]:
    """Run the script of the service `settings` over the files in `folder`."""
    script: str = services(project)["settings"]["entrypoint"][-1].replace("$$", "$").replace("/run/", f"{folder}/")
    return subprocess.Popen(["sh", "-euc", script], text=True, start_new_session=True)


def test_changed_settings_wait_for_every_process_with_the_old_ones(render: Render, tmp_path: Path) -> None:
    (tmp_path / "settings").mkdir()
    digest = tmp_path / "settings" / "digest"
    (tmp_path / ".env").write_text("A=1\n", "utf-8")
    assert look(render(), tmp_path).wait() == 0
    with digest.open() as process:
        fcntl.flock(process, fcntl.LOCK_SH)
        assert look(render(), tmp_path).wait() == 0, "nothing changed"
        former = digest.read_text("utf-8")
        (tmp_path / ".env").write_text("A=2\n", "utf-8")
        with look(render(), tmp_path) as interrupted:
            until("another digest", lambda: digest.read_text("utf-8") != former)
            os.killpg(interrupted.pid, signal.SIGKILL)
        with look(render(), tmp_path) as looking:
            with pytest.raises(subprocess.TimeoutExpired):
                looking.wait(0.5)
            fcntl.flock(process, fcntl.LOCK_UN)
            assert looking.wait() == 0
    assert look(render(), tmp_path).wait() == 0
    assert {path.name for path in digest.parent.iterdir()} <= {"digest", "new"}


def test_data_of_an_older_release_keep_their_password(render: Render, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "POSTGRES_PASSWORD").write_text("as-before", "utf-8")
    after = made(render(), tmp_path)
    assert after["owner/POSTGRES_PASSWORD"] == "as-before"
    assert "secrets/POSTGRES_PASSWORD" not in after
    assert ":as-before@postgres" in after["owner/DATABASE_URL"]


@each_variant
def test_only_our_containers_reach_a_server(project: Path) -> None:
    loaded = yaml.safe_load((project / "compose.yaml").read_text("utf-8"))
    assert loaded["networks"]["data"] == {"internal": True}
    assert {name: one.get("networks") for name, one in loaded["services"].items() if name in SERVERS} == {
        name: ["data"] for name in SERVERS
    }


@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "compose.dev.yaml"]])
def test_compose_accepts_them_with_one_copied_file(render: Render, tmp_path: Path, files: list[str]) -> None:
    for name in ("compose.yaml", "compose.dev.yaml", ".env.development"):
        copyfile(render() / name, tmp_path / name)
    command = [program("docker", ADVICE), "compose", *(word for name in files for word in ("--file", name)), "config"]
    before = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert before.returncode
    assert "copy .env.development" in before.stderr
    copyfile(tmp_path / ".env.development", tmp_path / ".env")
    after = subprocess.run([*command, "--quiet"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (after.returncode, after.stderr) == (0, "")


def test_the_environments_list_the_same_settings_in_the_same_order(render: Render) -> None:
    names = [
        [line.partition("=")[0] for line in (render() / f".env.{name}").read_text("utf-8").splitlines() if "=" in line]
        for name in ("development", "staging", "production")
    ]
    names = [[name for name in each if name.isupper()] for each in names]
    assert all(one == other for one, other in pairwise(names))

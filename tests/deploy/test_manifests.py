"""Checks of the Kubernetes manifests that `deploy/release` renders, in every environment with every component."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kubernetes_validate import SchemaNotFoundError, ValidationError, utils, validate
from packaging.version import Version

from tests.support.external_programs import PATH, program
from tests.support.template import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

IMAGE = "registry.example.org:5000/acme/agent@sha256:" + "0123456789abcdef" * 4
SETUP = {"Namespace", "Role", "RoleBinding"}
COMPONENTS = (
    "gateway",
    "ingress",
    "keda",
    "keda-token",
    "model",
    "monitoring",
    "monitoring-token",
    "stores",
    "tracing",
)
ENVIRONMENTS = ("staging", "production")
CHOICES: list[tuple[str, ...]] = [(), *((name,) for name in COMPONENTS), COMPONENTS]
OLDEST = Version("1.33")
VERSIONS = sorted({str(version) for version in utils.all_versions() if Version(str(version)) >= OLDEST})
CUSTOM = {
    "HTTPRoute": "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1",
    "PodMonitor": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
    "PrometheusRule": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
    "ScaledObject": "@kubernetes-models/keda/keda.sh/v1alpha1",
    "TriggerAuthentication": "@kubernetes-models/keda/keda.sh/v1alpha1",
}
MODELS = [
    "@kubernetes-models/gateway-api@2.0.0",
    "@kubernetes-models/keda@2.0.0",
    "@kubernetes-models/prometheus-operator@6.0.0",
]
CHECKOV = "checkov==3.3.30"
# Checkov's checks that these manifests do not follow, and why.
EXCEPTIONS = {
    "CKV_K8S_11": "a limit on CPU slows requests down while the node has time to spare; requests share it fairly",
}
Manifest = dict[str, Any]


@cache
def loaded(text: str) -> list[Manifest]:
    """Return the cached documents; do not modify them."""
    return [item for item in yaml.load_all(text, yaml.CSafeLoader) if item]


def choose(kustomization: Path, components: tuple[str, ...]) -> None:
    """Add components to an overlay: files to its resources, folders to its components."""
    document = yaml.safe_load(kustomization.read_text("utf-8"))
    for name in components:
        is_file = (kustomization.parents[2] / "components" / f"{name}.yaml").is_file()
        document["resources" if is_file else "components"].append(f"../../components/{name}{'.yaml' * is_file}")
    kustomization.write_text(yaml.safe_dump(document), "utf-8")


@cache
def built(project: Path, folder: Path, environment: str, components: tuple[str, ...]) -> str:
    """Return the manifests that a release of an environment with components applies."""
    program("kubectl", "run .ci/kubectl")
    copy = folder / f"{environment}-{'-'.join(components)}"
    shutil.copytree(project / "deploy", copy / "deploy")
    for path in project.glob(".env.*"):
        shutil.copy(path, copy)
    choose(copy / "deploy" / "kubernetes" / "overlays" / environment / "kustomization.yaml", components)
    command = [sys.executable, str(copy / "deploy" / "release"), environment, "--render", "--image", IMAGE]
    ran = subprocess.run(command, env={"PATH": PATH}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


class Build:
    """The builds of one project."""

    def __init__(self, project: Path, folder: Path) -> None:
        self.project = project
        self._folder = folder

    def text(self, environment: str, *components: str) -> str:
        return built(self.project, self._folder, environment, components)

    def __call__(self, environment: str, *components: str) -> list[Manifest]:
        return loaded(self.text(environment, *components))


@pytest.fixture(scope="session")
def build(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return Build(render(repository_url="https://github.com/acme/agent"), tmp_path_factory.mktemp("manifests"))


@pytest.fixture(params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=CHOICES, ids=lambda names: "+".join(names) or "none")
def manifests(request: pytest.FixtureRequest, build: Build, environment: str) -> list[Manifest]:
    return build(environment, *request.param)


def of(kind: str, manifests: list[Manifest]) -> list[Manifest]:
    return [item for item in manifests if item["kind"] == kind]


def workloads(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Return the pod templates by kind and name of their owners."""
    items = [item for item in manifests if item["kind"] in {"Deployment", "Job"}]
    return {f"{item['kind']}/{item['metadata']['name']}": item["spec"]["template"] for item in items}


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    expressions = selector.get("matchExpressions", [])
    assert all(item["operator"] == "In" for item in expressions)
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(item["key"]) in item["values"] for item in expressions
    )


def pods_of(selector: Manifest, manifests: list[Manifest]) -> list[Manifest]:
    return [pod for pod in workloads(manifests).values() if selects(selector, pod["metadata"]["labels"])]


def port_names(pods: list[Manifest]) -> set[str]:
    return {port["name"] for pod in pods for it in pod["spec"]["containers"] for port in it.get("ports", [])}


@pytest.mark.parametrize(
    "version", [*(pytest.param(version, marks=pytest.mark.slow) for version in VERSIONS[:-1]), VERSIONS[-1]]
)
def test_every_manifest_has_its_schema(build: Build, version: str) -> None:
    found = [item for environment in ENVIRONMENTS for chosen in CHOICES for item in build(environment, *chosen)]
    for item in {json.dumps(item): item for item in found}.values():
        try:
            validate(item, version, strict=True)
        except SchemaNotFoundError:
            assert item["kind"] in CUSTOM
        except ValidationError as error:
            pytest.fail(f"{item['kind']} {item['metadata']['name']}, {version}: {error.message}", pytrace=False)


def test_the_schema_of_each_version_rejects_an_unknown_field(build: Build) -> None:
    found = deepcopy(of("Deployment", build("staging")))
    (web,) = (item for item in found if item["metadata"]["name"] == "web")
    web["spec"]["template"]["spec"]["terminationGracePeriod"] = 1
    for version in VERSIONS:
        with pytest.raises(ValidationError):
            validate(web, version, strict=True)


@pytest.mark.agent
@pytest.mark.xdist_group("manifests")
def test_custom_resources_have_their_schemas(build: Build) -> None:
    npm, node = program("npm", "apt-get install npm"), program("node", "apt-get install nodejs")
    tools = ROOT / ".tools" / "models"
    tools.mkdir(parents=True, exist_ok=True)
    if not (tools / "node_modules" / "@kubernetes-models" / "keda").exists():
        install = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(tools), *MODELS]
        done = subprocess.run(install, cwd=tools, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    items = [item for item in build("production", *COMPONENTS) if item["kind"] in CUSTOM]
    assert {item["kind"] for item in items} == set(CUSTOM)
    for item in items:
        wrong = deepcopy(item)
        lists = {"HTTPRoute": "rules", "PrometheusRule": "groups", "TriggerAuthentication": "secretTargetRef"}
        wrong["spec"][lists.get(item["kind"], "selector")] = 1
        wrong["spec"]["scaleTargetRef"] = 1
        script = f"""
            import {{ {item["kind"]} as Model }} from "{CUSTOM[item["kind"]]}/{item["kind"]}";
            new Model({json.dumps(item)}).validate();
            try {{ new Model({json.dumps(wrong)}).validate(); }} catch {{ process.exit(0); }}
            throw new Error("the schema sees nothing");
        """
        (tools / "check.mjs").write_text(script, "utf-8")
        done = subprocess.run([node, "check.mjs"], cwd=tools, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{item['kind']} {item['metadata']['name']}: {done.stderr}"


@pytest.mark.agent
@pytest.mark.xdist_group("manifests")
def test_checkov_finds_only_exceptions_with_a_reason(build: Build, tmp_path: Path) -> None:
    (tmp_path / "manifests.yaml").write_text(build.text("production", *COMPONENTS), "utf-8")
    checkov = ["uvx", CHECKOV, "--skip-download", "--framework", "kubernetes", "--compact", "--output", "json"]
    command = [*checkov, "--file", "manifests.yaml"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    results = json.loads(ran.stdout)["results"]
    assert len(results["passed_checks"]) > 100
    failed = {check["check_id"]: check["resource"] for check in results["failed_checks"]}
    assert {check: resource for check, resource in failed.items() if check not in EXCEPTIONS} == {}
    assert set(EXCEPTIONS) <= set(failed), "an unneeded exception"


def test_a_cluster_accepts_the_names(manifests: list[Manifest]) -> None:
    names = [(item["kind"], item["metadata"]["name"]) for item in manifests]
    assert len(names) == len(set(names))
    for kind, name in names:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name), f"{kind} {name}"
    for item in manifests:
        for value in item["metadata"].get("labels", {}).values():
            assert isinstance(value, str)
            assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", value), value


def test_everything_but_the_namespace_is_in_the_namespace(manifests: list[Manifest], environment: str) -> None:
    (space,) = of("Namespace", manifests)
    assert space["metadata"]["name"].endswith(f"-{environment}")
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    spaces = {item["metadata"].get("namespace") for item in manifests if item is not space}
    assert spaces == {space["metadata"]["name"]}


def test_a_release_does_not_touch_the_administrators_part(manifests: list[Manifest]) -> None:
    setup = {item["kind"] for item in manifests if _component(item) == "setup"}
    assert setup == {item["kind"] for item in manifests if item["kind"] in SETUP} == SETUP
    kinds = {item["kind"].lower() + ("es" if item["kind"].endswith("s") else "s") for item in manifests}
    kinds = {kind.replace("policys", "policies") for kind in kinds} - {kind.lower() + "s" for kind in SETUP}
    (role,) = of("Role", manifests)
    allowed = {resource for rule in role["rules"] if "create" in rule["verbs"] for resource in rule["resources"]}
    assert kinds <= allowed, "the role may not create what a release applies"
    assert "secrets" not in {resource for rule in role["rules"] for resource in rule["resources"]}


def _component(item: Manifest) -> str | None:
    component: str | None = item["metadata"].get("labels", {}).get("app.kubernetes.io/component")
    return component


def test_the_parts_of_a_release_are_complete_and_separate(manifests: list[Manifest]) -> None:
    """The migration comes with what it needs; the serving objects come after it; nothing is left over."""
    assert {_component(item) for item in manifests} == {None, "setup", "migrate", "smoke", "web", "worker", "scheduler"}
    first = {item["kind"] for item in manifests if _component(item) in {None, "migrate"}}
    assert {"ConfigMap", "Job", "NetworkPolicy", "ServiceAccount"} <= first
    assert "Deployment" not in first


def test_selectors_select_existing_pods(manifests: list[Manifest]) -> None:
    for item in of("Deployment", manifests):
        assert selects(item["spec"]["selector"], item["spec"]["template"]["metadata"]["labels"])
        assert len(pods_of(item["spec"]["selector"], manifests)) == 1
        for spread in item["spec"]["template"]["spec"].get("topologySpreadConstraints", []):
            assert len(pods_of(spread["labelSelector"], manifests)) == 1
    for item in of("PodDisruptionBudget", manifests):
        assert len(pods_of(item["spec"]["selector"], manifests)) == 1
    for item in of("PodMonitor", manifests):
        pods = pods_of(item["spec"]["selector"], manifests)
        assert len(pods) == 3
        assert {end["port"] for end in item["spec"]["podMetricsEndpoints"]} == port_names(pods)
    deployments = {item["metadata"]["name"] for item in of("Deployment", manifests)}
    for item in [*of("HorizontalPodAutoscaler", manifests), *of("ScaledObject", manifests)]:
        assert item["spec"]["scaleTargetRef"]["name"] in deployments


def test_services_and_routes_use_existing_ports(manifests: list[Manifest]) -> None:
    services = {item["metadata"]["name"]: item["spec"] for item in of("Service", manifests)}
    for name, service in services.items():
        pods = pods_of({"matchLabels": service["selector"]}, manifests)
        assert len(pods) == 1, name
        assert {port["targetPort"] for port in service["ports"]} <= port_names(pods)
    for item in of("HTTPRoute", manifests):
        for backend in (backend for rule in item["spec"]["rules"] for backend in rule["backendRefs"]):
            assert backend["port"] in {port["port"] for port in services[backend["name"]]["ports"]}
    for item in of("Ingress", manifests):
        for path in (path for rule in item["spec"]["rules"] for path in rule["http"]["paths"]):
            service = path["backend"]["service"]
            assert service["port"]["name"] in {port["name"] for port in services[service["name"]]["ports"]}


def test_network_policies_name_pods_and_ports(manifests: list[Manifest]) -> None:
    policies = {item["metadata"]["name"]: item["spec"] for item in of("NetworkPolicy", manifests)}
    assert policies.pop("deny-all") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, policy in policies.items():
        pods = pods_of(policy["podSelector"], manifests)
        assert pods, f"{name} selects no pod"
        assert {kind.lower() for kind in policy["policyTypes"]} == set(policy) & {"ingress", "egress"}
        for rule in policy.get("ingress", []):
            assert rule["from"], f"{name} allows all ingress"
            assert {port["port"] for port in rule["ports"]} <= port_names(pods), name
        for rule in policy.get("egress", []):
            assert rule["to"], f"{name} allows egress to every address"
            assert rule["ports"], f"{name} allows egress to every port"


def test_probes_use_existing_ports(manifests: list[Manifest]) -> None:
    for name, pod in workloads(manifests).items():
        (it,) = pod["spec"]["containers"]
        probes = [it[key] for key in it if key.endswith("Probe")]
        assert len(probes) == (3 if name.startswith("Deployment") else 0), name
        assert {probe["httpGet"]["port"] for probe in probes} <= port_names([pod])


def test_pods_are_restricted(manifests: list[Manifest], build: Build) -> None:
    """By the Pod Security Standard "restricted", and with a read-only root file system."""
    (user,) = re.findall(r"^USER (\d+):\1$", (build.project / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    accounts = {item["metadata"]["name"] for item in of("ServiceAccount", manifests)}
    for name, pod in workloads(manifests).items():
        spec = pod["spec"]
        context, (it,) = spec["securityContext"], spec["containers"]
        assert context["runAsNonRoot"] is True, name
        assert str(context["runAsUser"]) == str(context["runAsGroup"]) == user, "not the user of the image"
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert it["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["serviceAccountName"] in accounts, name
        assert {key for volume in spec["volumes"] for key in volume} <= {"name", "secret", "emptyDir"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert set(it["resources"]["limits"]) == {"memory"}, name
        assert set(it["resources"]["requests"]) == {"cpu", "ephemeral-storage", "memory"}, name
    assert not any(item["automountServiceAccountToken"] for item in of("ServiceAccount", manifests))


def test_every_pod_runs_the_image_by_its_digest(manifests: list[Manifest]) -> None:
    assert {it["image"] for pod in workloads(manifests).values() for it in pod["spec"]["containers"]} == {IMAGE}


def test_settings_match_the_environments_file_and_have_no_secret(
    manifests: list[Manifest], build: Build, environment: str
) -> None:
    (settings,) = of("ConfigMap", manifests)
    text = (build.project / f".env.{environment}").read_text("utf-8")
    expected = dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))
    left_out = set(expected) - set(settings["data"])
    assert left_out >= {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "LLM_API_KEY"}
    assert settings["data"] == {name: value for name, value in expected.items() if name not in left_out}
    assert of("Secret", manifests) == []
    used = {name["configMapRef"]["name"] for pod in workloads(manifests).values() for name in _sources(pod)}
    assert used == {settings["metadata"]["name"]}


def _sources(pod: Manifest) -> list[Manifest]:
    return [source for it in pod["spec"]["containers"] for source in it["envFrom"]]


def test_a_changed_setting_rolls_out(build: Build, tmp_path: Path) -> None:
    changed = tmp_path / "project"
    shutil.copytree(build.project, changed)
    file = changed / ".env.staging"
    file.write_text(file.read_text("utf-8").replace("LOG_LEVEL=INFO", "LOG_LEVEL=DEBUG"), "utf-8")
    names = [
        {source["configMapRef"]["name"] for pod in workloads(one("staging")).values() for source in _sources(pod)}
        for one in (build, Build(changed, tmp_path))
    ]
    assert names[0].isdisjoint(names[1])


def test_only_the_autoscaler_sets_the_number_of_pods(build: Build) -> None:
    for components, scaled in (((), {"web"}), (("keda",), {"web", "worker"})):
        deployments = of("Deployment", build("production", *components))
        without = {item["metadata"]["name"] for item in deployments if "replicas" not in item["spec"]}
        assert without == scaled


def test_keda_queries_the_scheduler_of_this_environment(build: Build, environment: str) -> None:
    found = build(environment, "keda")
    (trigger,) = of("ScaledObject", found)[0]["spec"]["triggers"]
    (space,) = of("Namespace", found)
    assert trigger["metadata"]["url"] == f"http://scheduler.{space['metadata']['name']}.svc:9000/metrics"


def test_the_operator_has_the_rules_of_prometheus(build: Build) -> None:
    (rule,) = of("PrometheusRule", build("staging", "monitoring"))
    rules = yaml.safe_load((build.project / "deploy/prometheus/rules/alerts.yml").read_text("utf-8"))
    assert rule["spec"]["groups"] == rules["groups"]


@pytest.mark.slow
@pytest.mark.parametrize("slug", ["null", "zzz-the-longest-name-that-a-project-gets"])
def test_manifests_build_for_any_slug(render: Render, tmp_path: Path, slug: str) -> None:
    found = Build(render(project_slug=slug, package_name="agent_of_tests"), tmp_path)("production", *COMPONENTS)
    (space,) = of("Namespace", found)
    assert space["metadata"]["name"] == f"{slug}-production"
    test_a_cluster_accepts_the_names(found)
    for item in found:
        if item["kind"] not in CUSTOM:
            validate(item, VERSIONS[-1], strict=True)

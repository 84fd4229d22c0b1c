"""Secrets, proxies, metrics tokens and trace endpoints in the Kubernetes manifests."""

from __future__ import annotations

import runpy
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.deploy import test_manifests as checks
from tests.deploy.test_manifests import loaded, of, pods_of, workloads

if TYPE_CHECKING:
    from tests.deploy.test_manifests import Build, Manifest

build, environment, manifests = checks.build, checks.environment, checks.manifests  # the fixtures


def test_only_the_migration_is_the_owner(manifests: list[Manifest]) -> None:
    for name, pod in workloads(manifests).items():
        (secret,) = (volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume)
        env = {item["name"]: item.get("value") for item in pod["spec"]["containers"][0].get("env", [])}
        owner = name.startswith("Job/migrate-")
        assert secret == ("owner" if owner else "secrets"), name
        assert env.get("DATABASE_APP_ROLE") == ("app" if owner else None), name


def test_readers_of_metrics_send_the_token_if_configured(build: Build, environment: str) -> None:
    chosen = build(environment, "keda", "keda-token", "monitoring", "monitoring-token")
    for found, token in ((chosen, True), (build(environment, "keda", "monitoring"), False)):
        (monitor,) = of("PodMonitor", found)
        sent = {"credentials": {"name": "secrets", "key": "METRICS_TOKEN"}} if token else None
        assert [each.get("authorization") for each in monitor["spec"]["podMetricsEndpoints"]] == [sent, sent]
        (trigger,) = of("ScaledObject", found)[0]["spec"]["triggers"]
        assert trigger["metadata"].get("authMode") == ("bearer" if token else None)
        names = [item["metadata"]["name"] for item in of("TriggerAuthentication", found)]
        assert names == ([trigger["authenticationRef"]["name"]] if token else [])
        for item in of("TriggerAuthentication", found):
            wanted = [{"parameter": "token", "name": "secrets", "key": "METRICS_TOKEN"}]
            assert item["spec"]["secretTargetRef"] == wanted


@pytest.mark.parametrize("component", ["gateway", "ingress"])
def test_an_entry_point_needs_a_trusted_proxy(build: Build, component: str) -> None:
    text = build.text("staging", component)
    script = runpy.run_path(str(build.project / "deploy" / "release"))
    with pytest.raises(script["Refused"], match=r"Set it in \.env\.staging"):
        script["check_proxies"](text, "staging")
    web = workloads(loaded(text))["Deployment/web"]["spec"]["containers"][0]
    (reference,) = (item["valueFrom"]["configMapKeyRef"] for item in web["env"] if item["name"] == "TRUSTED_PROXIES")
    # A pod does not start without the key.
    (settings,) = of("ConfigMap", loaded(text))
    assert reference == {"name": settings["metadata"]["name"], "key": "TRUSTED_PROXIES"}
    set_ = {**settings, "data": {**settings["data"], "TRUSTED_PROXIES": "10.244.0.0/16"}}
    script["check_proxies"](yaml.safe_dump_all([*loaded(text), set_]), "staging")
    script["check_proxies"](build.text("staging"), "staging")


def test_traces_leave_only_if_configured(build: Build, environment: str) -> None:
    assert [item for item in of("NetworkPolicy", build(environment)) if item["metadata"]["name"] == "traces"] == []
    (policy,) = (
        item["spec"]
        for item in of("NetworkPolicy", build(environment, "tracing"))
        if item["metadata"]["name"] == "traces"
    )
    assert {
        name["metadata"]["labels"]["app.kubernetes.io/component"]
        for name in pods_of(policy["podSelector"], build(environment))
    } == {
        "web",
        "worker",
        "scheduler",
    }
    (rule,) = policy["egress"]
    assert [port["port"] for port in rule["ports"]] == [4318]

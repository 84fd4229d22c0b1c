"""Each check of test_manifests.py finds a planted mistake."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy import test_manifests as checks

if TYPE_CHECKING:
    from collections.abc import Callable

build = checks.build  # the fixture

# A mistake and the check that has to find it: kind and name, path, and new value.
POD = "spec.template.spec"
WRONG: list[tuple[Callable[..., None], str, str, Any]] = [
    (checks.test_a_cluster_accepts_the_names, "Service web", "metadata.name", "Web_1"),
    (checks.test_a_cluster_accepts_the_names, "Deployment worker", "metadata.name", "web"),
    (checks.test_a_cluster_accepts_the_names, "Service web", "metadata.labels.app.kubernetes.io/name", 1),
    (checks.test_the_parts_of_a_release_are_complete_and_separate, "Job migrate", "metadata.labels", {}),
    (checks.test_selectors_select_existing_pods, "Deployment web", "spec.selector.matchLabels.tier", "web"),
    (
        checks.test_selectors_select_existing_pods,
        "PodDisruptionBudget web",
        "spec.selector.matchLabels.tier",
        "web",
    ),
    (
        checks.test_selectors_select_existing_pods,
        "PodMonitor agent",
        "spec.podMetricsEndpoints.0.port",
        "metric",
    ),
    (
        checks.test_selectors_select_existing_pods,
        "HorizontalPodAutoscaler web",
        "spec.scaleTargetRef.name",
        "wed",
    ),
    (
        checks.test_selectors_select_existing_pods,
        "ScaledObject worker",
        "spec.scaleTargetRef.name",
        "workers",
    ),
    (checks.test_services_and_routes_use_existing_ports, "Service web", "spec.selector.tier", "web"),
    (
        checks.test_services_and_routes_use_existing_ports,
        "Service web",
        "spec.ports.0.targetPort",
        "https",
    ),
    (
        checks.test_services_and_routes_use_existing_ports,
        "HTTPRoute web",
        "spec.rules.0.backendRefs.0.port",
        81,
    ),
    (
        checks.test_services_and_routes_use_existing_ports,
        "Ingress web",
        "spec.rules.0.http.paths.0.backend.service.port.name",
        "web",
    ),
    (
        checks.test_network_policies_name_pods_and_ports,
        "NetworkPolicy deny-all",
        "spec.ingress",
        [{}],
    ),
    (
        checks.test_network_policies_name_pods_and_ports,
        "NetworkPolicy metrics",
        "spec.ingress.0.ports.1.port",
        "metric",
    ),
    (
        checks.test_network_policies_name_pods_and_ports,
        "NetworkPolicy database",
        "spec.egress.0.to",
        [],
    ),
    (
        checks.test_probes_use_existing_ports,
        "Deployment web",
        f"{POD}.containers.0.livenessProbe.httpGet.port",
        "https",
    ),
    (checks.test_every_pod_runs_the_image_by_its_digest, "Job migrate", f"{POD}.containers.0.image", "agent:latest"),
    *(
        (checks.test_pods_are_restricted, "Deployment web", f"{POD}.{path}", value)
        for path, value in (
            ("securityContext.runAsNonRoot", False),
            ("securityContext.runAsUser", 1000),
            ("securityContext.seccompProfile.type", "Unconfined"),
            ("containers.0.securityContext.readOnlyRootFilesystem", False),
            ("containers.0.securityContext.capabilities.drop", []),
            ("automountServiceAccountToken", True),
            ("serviceAccountName", "default"),
            ("volumes.1", {"name": "tmp", "hostPath": {"path": "/"}}),
            ("hostNetwork", True),
            ("containers.0.resources.limits", {}),
        )
    ),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_each_check_finds_its_mistake(build: checks.Build, number: int) -> None:
    check, what, where, value = WRONG[number]
    found = deepcopy(build("production", *checks.COMPONENTS))
    kind, name = what.split()
    (item,) = (item for item in checks.of(kind, found) if item["metadata"]["name"].startswith(name))
    *path, last = re.split(r"\.(?!kubernetes|io/)", where)
    place: Any = item
    for key in path:
        place = place[int(key)] if isinstance(place, list) else place[key]
    place[int(last) if isinstance(place, list) else last] = value
    arguments: list[Any] = [found, build] if check is checks.test_pods_are_restricted else [found]
    with pytest.raises(AssertionError):
        check(*arguments)

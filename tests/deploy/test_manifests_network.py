"""Network policies of the Kubernetes manifests: which pods may reach which addresses."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.deploy import test_manifests as checks
from tests.deploy.test_manifests import of, selects, workloads

if TYPE_CHECKING:
    from tests.deploy.test_manifests import Build, Manifest

build = checks.build  # the fixture

PODS = ("web", "worker", "scheduler", "migrate", "smoke")
CACHED = ("web", "worker", "scheduler")
CALLERS = ("web", "worker")


class Place(NamedTuple):
    """A destination: an address, or any pod of a namespace."""

    address: str = ""
    namespace: str = ""


def labels_of(pod: str, manifests: list[Manifest]) -> dict[str, str]:
    """Return the labels of the pods of a process or a Job."""
    found = {name.partition("/")[2]: one["metadata"]["labels"] for name, one in workloads(manifests).items()}
    (labels,) = (labels for name, labels in found.items() if name.startswith(pod))
    return dict(labels)


def is_peer(peer: dict[str, Any], place: Place) -> bool:
    """Whether a policy's peer matches a place outside the service."""
    if block := peer.get("ipBlock"):
        networks = [ip_network(one) for one in (block["cidr"], *block.get("except", []))]
        inside = [bool(place.address) and ip_address(place.address) in one for one in networks]
        return inside[0] and not any(inside[1:])
    if "namespaceSelector" not in peer or "podSelector" in peer or not place.namespace:
        return False
    return selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": place.namespace})


def may_reach(manifests: list[Manifest], pod: str, place: Place, port: int, protocol: str = "TCP") -> bool:
    """Whether any policy that selects a pod allows egress to a port of a place."""
    labels = labels_of(pod, manifests)
    policies = [item["spec"] for item in of("NetworkPolicy", manifests) if selects(item["spec"]["podSelector"], labels)]
    limiting = [policy for policy in policies if "Egress" in policy["policyTypes"]]
    return not limiting or any(
        any(is_peer(peer, place) for peer in rule["to"])
        and any((item["port"], item["protocol"]) == (port, protocol) for item in rule["ports"])
        for policy in limiting
        for rule in policy.get("egress", [])
    )


NAMES = [
    ("the pods of CoreDNS", Place(namespace="kube-system"), 53),
    ("the address of the DNS Service", Place("10.96.0.10"), 53),
    ("the IPv6 address of the DNS Service", Place("fd00:10:96::a"), 53),
    ("NodeLocal DNSCache", Place("169.254.20.10"), 53),
    ("NodeLocal DNSCache of Kubespray", Place("169.254.25.10"), 53),
    ("Cloud DNS for GKE", Place("169.254.169.254"), 53),
    ("the DNS of OpenShift", Place(namespace="openshift-dns"), 5353),
]


@pytest.mark.parametrize("pod", PODS)
@pytest.mark.parametrize(("place", "port"), [row[1:] for row in NAMES], ids=[row[0] for row in NAMES])
def test_every_pod_reaches_dns(build: Build, pod: str, place: Place, port: int) -> None:
    for protocol in ("UDP", "TCP"):
        assert may_reach(build("staging"), pod, place, port, protocol)


# The pods that reach a place, and the component that allows it; without the component, none does.
REACHED = [
    ("PostgreSQL in the cluster", "", PODS, Place(namespace="postgres"), 5432),
    ("PgBouncer", "", PODS, Place("10.1.2.3"), 6432),
    ("Valkey in the cluster", "", CACHED, Place(namespace="valkey"), 6379),
    ("Valkey with TLS", "", CACHED, Place("172.16.3.4"), 6380),
    ("PostgreSQL at a public address", "stores", PODS, Place("52.1.2.3"), 5432),
    ("PostgreSQL at a public IPv6 address", "stores", PODS, Place("2600:1f18::1"), 5432),
    ("PgBouncer at a public address", "stores", PODS, Place("52.1.2.3"), 6432),
    ("Supabase's pooler", "stores", PODS, Place("52.1.2.3"), 6543),
    ("DigitalOcean's PostgreSQL", "stores", PODS, Place("10.1.2.3"), 25060),
    ("Valkey at a public address", "stores", CACHED, Place("52.1.2.3"), 6379),
    ("Valkey at a public IPv6 address", "stores", CACHED, Place("2600:1f18::1"), 6379),
    ("Azure's cache at a public address", "stores", CACHED, Place("52.1.2.3"), 6380),
    ("PostgreSQL in the cluster at another port", "stores", PODS, Place(namespace="postgres"), 25060),
    ("Valkey in the cluster at another port", "stores", CACHED, Place(namespace="valkey"), 6378),
    ("Memorystore with TLS", "stores", CACHED, Place("10.1.2.3"), 6378),
    ("Azure Managed Redis", "stores", CACHED, Place("10.1.2.3"), 10000),
    # One port for two services: a pool for the database, Valkey for its users.
    ("DigitalOcean's pooler and Valkey", "stores", PODS, Place("10.1.2.3"), 25061),
    ("a provider's model", "", CALLERS, Place("104.18.1.2"), 443),
    ("a provider's model by IPv6", "", CALLERS, Place("2606:4700::1"), 443),
    ("vLLM in the cluster", "model", CALLERS, Place(namespace="models"), 8000),
    ("Ollama in the cluster", "model", CALLERS, Place(namespace="models"), 11434),
    ("LiteLLM in the cluster", "model", CALLERS, Place(namespace="models"), 4000),
    ("a collector", "tracing", CACHED, Place(namespace="observability"), 4318),
]


@pytest.mark.parametrize(
    ("component", "pods", "place", "port"), [row[1:] for row in REACHED], ids=[row[0] for row in REACHED]
)
def test_only_the_pods_that_need_a_place_reach_it(
    build: Build, component: str, pods: tuple[str, ...], place: Place, port: int
) -> None:
    chosen = build("production", *([component] if component else []))
    assert {pod for pod in PODS if may_reach(chosen, pod, place, port)} == set(pods)
    if component:
        assert not any(may_reach(build("production"), pod, place, port) for pod in PODS), "the component adds nothing"


PRIVATE = ["10.1.2.3", "172.20.1.2", "192.168.1.2", "100.64.1.2", "fd12::3"]  # EKS uses 100.64.0.0/10 for pods


@pytest.mark.parametrize("address", PRIVATE)
def test_the_private_network_is_every_private_network(build: Build, address: str) -> None:
    for component, pods, port in (("", PODS, 53), ("", PODS, 5432), ("", CACHED, 6379), ("model", CALLERS, 443)):
        found = build("production", *([component] if component else []))
        assert {pod for pod in PODS if may_reach(found, pod, Place(address), port)} == set(pods), port
    assert not any(may_reach(build("production"), pod, Place(address), 443) for pod in PODS)


CLOSED = [
    ("the machine's metadata", Place("169.254.169.254"), 80),
    ("the machine's metadata by TLS", Place("169.254.169.254"), 443),
    ("the machine's metadata by a port of a store", Place("169.254.169.254"), 5432),
    ("any other port", Place("52.1.2.3"), 22),
    ("a service of the cluster", Place(namespace="other"), 80),
    ("the cluster's API", Place("10.96.0.1"), 6443),
    ("a name server in the world", Place("8.8.8.8"), 53),
]


@pytest.mark.parametrize("components", [(), checks.COMPONENTS], ids=["none", "all"])
@pytest.mark.parametrize(("place", "port"), [row[1:] for row in CLOSED], ids=[row[0] for row in CLOSED])
def test_other_destinations_stay_closed(build: Build, components: tuple[str, ...], place: Place, port: int) -> None:
    found = build("production", *components)
    for protocol in ("TCP", "UDP"):
        assert [pod for pod in PODS if may_reach(found, pod, place, port, protocol)] == []

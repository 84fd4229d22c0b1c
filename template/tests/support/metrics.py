"""Metrics as Prometheus reads them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
from prometheus_client.core import Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Scrape:
    """The samples and types of one scrape."""

    samples: dict[tuple[str, Labels], float]
    types: dict[str, str]

    def value(self, name: str, **labels: str) -> float | None:
        """The sample with exactly these labels, or `None`."""
        return self.samples.get((name, tuple(sorted(labels.items()))))

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples with these labels, and any others; 0 if there is none."""
        wanted = set(labels.items())
        return sum(value for (found, has), value in self.samples.items() if found == name and wanted <= set(has))

    def labels(self, name: str) -> list[dict[str, str]]:
        """The labels of each sample of this name."""
        return [dict(labels) for found, labels in self.samples if found == name]

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.samples}


def parse(text: str) -> Scrape:
    families = list(text_string_to_metric_families(text))
    return Scrape(
        {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples},
        {family.name: family.type for family in families},
    )


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric as code defines it. The name of a counter lacks `_total`."""

    name: str
    type: str
    labels: tuple[str, ...]
    documentation: str


def definition(metric: MetricWrapperBase | Metric) -> Definition:
    [family] = metric.describe() if isinstance(metric, MetricWrapperBase) else [metric]
    labels = getattr(metric, "_labelnames", ())  # prometheus-client has no public way to these
    return Definition(family.name, family.type, tuple(labels), family.documentation)


def definitions(package: str, without: str = "-") -> Iterator[Definition]:
    """The metrics that the imported modules of a package define, but those below `without`."""
    for name, module in list(sys.modules.items()):
        if f"{name}.".startswith(f"{package}.") and not f"{name}.".startswith(f"{without}."):
            yield from (definition(value) for value in vars(module).values() if isinstance(value, MetricWrapperBase))


def scrape(url: str, **headers: str) -> Scrape:
    """Read /metrics of the process at this address."""
    return parse(httpx2.get(f"{url}/metrics", headers=headers, timeout=10).raise_for_status().text)

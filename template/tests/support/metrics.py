"""Metrics as Prometheus reads them."""

from __future__ import annotations

from dataclasses import dataclass

import httpx2
from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Scrape:
    """What one scrape found."""

    samples: dict[tuple[str, Labels], float]
    types: dict[str, str]

    def value(self, name: str, **labels: str) -> float | None:
        """The sample with exactly these labels, or `None`."""
        return self.samples.get((name, tuple(sorted(labels.items()))))

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples that have these labels, whatever else they have; 0 when there is none."""
        wanted = set(labels.items())
        return sum(value for (found, has), value in self.samples.items() if found == name and wanted <= set(has))

    def labels(self, name: str) -> list[dict[str, str]]:
        """The labels of each sample of that name."""
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


def scrape(url: str, **headers: str) -> Scrape:
    """Read /metrics of the process at that address."""
    return parse(httpx2.get(f"{url}/metrics", headers=headers, timeout=10).raise_for_status().text)

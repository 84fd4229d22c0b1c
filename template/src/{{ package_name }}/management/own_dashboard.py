"""A dashboard for the metrics that the agent's own modules define: a panel for each (rule 13.1)."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from .. import agent

WIDTH, HEIGHT = 12, 8  # two panels stand in a row
CHOSEN = '{namespace=~"$namespace"}'
RATE = f"{CHOSEN}[$__rate_interval]"
# The expression for each type of metric, and what it shows.
EXPRESSIONS = {
    "counter": ("sum@(rate(#_total%))", "per second"),
    "gauge": ("sum@(#$)", "now"),
    "histogram": ("histogram_quantile(0.95, sum@(rate(#_bucket%)))", "95th percentile"),
    "summary": ("sum@(rate(#_sum%)) / sum@(rate(#_count%))", "mean"),
}


@dataclass(frozen=True, slots=True, order=True)
class OwnMetric:
    """A metric of the agent's own modules."""

    name: str
    type: str
    labels: tuple[str, ...]
    documentation: str


def own_metrics() -> list[OwnMetric]:
    """The metrics that modules of `agent` define, by name."""
    for module in pkgutil.walk_packages(agent.__path__, f"{agent.__name__}."):
        importlib.import_module(module.name)
    modules = [module for name, module in sys.modules.items() if f"{name}.".startswith(f"{agent.__name__}.")]
    found = {
        OwnMetric(family.name, family.type, tuple(value._labelnames), family.documentation)  # noqa: SLF001 - no other way
        for module in modules
        for value in vars(module).values()
        if isinstance(value, MetricWrapperBase)
        for family in value.describe()
    }
    return sorted(metric for metric in found if metric.type in EXPRESSIONS)


def own_dashboard(pattern: Path) -> str | None:
    """The dashboard in JSON, with the variables and links of the one at `pattern`; `None` without such metrics."""
    metrics = own_metrics()
    if not metrics:
        return None
    dashboard: dict[str, Any] = json.loads(pattern.read_text("utf-8"))
    dashboard |= {"uid": "agent-own", "title": "Own metrics", "description": "The metrics of the agent's own modules."}
    dashboard["panels"] = [_panel(number, metric) for number, metric in enumerate(metrics)]
    return json.dumps(dashboard, indent=2) + "\n"


def _panel(number: int, metric: OwnMetric) -> dict[str, Any]:
    expression, shown = EXPRESSIONS[metric.type]
    by = (*metric.labels, "le") if metric.type == "histogram" else metric.labels
    grouping = f" by ({', '.join(by)}) " if by else ""
    parts: dict[str, str | int | None] = {"@": grouping, "#": metric.name, "%": RATE, "$": CHOSEN}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": f"{metric.name}, {shown}",
        "description": metric.documentation,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"h": HEIGHT, "w": WIDTH, "x": WIDTH * (number % 2), "y": HEIGHT * (number // 2)},
        "fieldConfig": {
            "defaults": {"unit": "s" if metric.name.endswith("_seconds") else "short", "min": 0},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {
                "refId": "A",
                "expr": expression.translate(str.maketrans(parts)),
                "legendFormat": " ".join(f"{{{{{label}}}}}" for label in metric.labels) or metric.name,
            }
        ],
    }

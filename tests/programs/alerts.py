"""Generate the resource of the Prometheus Operator from the rules of Prometheus.

    python -m tests.programs.alerts    apply changes of deploy/prometheus/rules/alerts.yml (`make alerts`)

monitoring.yml is left out, because it is about the project's own Alertmanager.
"""

from __future__ import annotations

from tests.support.template import FILES

RULES = FILES / "deploy/{% if 'monitoring' in layers %}prometheus{% endif %}/rules/alerts.yml.jinja"
KUBERNETES = FILES / "deploy/{% if 'kubernetes' in layers %}kubernetes{% endif %}"
RESOURCE = KUBERNETES / "components/{% if 'monitoring' in layers %}monitoring.yaml{% endif %}.jinja"


def resource() -> str:
    """Return the resource as a Jinja template, with the current rules."""
    head, begin, _ = RESOURCE.read_text("utf-8").partition("  groups:\n")
    lines = RULES.read_text("utf-8").partition("groups:\n")[2].splitlines()
    return head + begin + "".join(f"  {line}".rstrip() + "\n" for line in lines)


if __name__ == "__main__":
    RESOURCE.write_text(resource(), "utf-8")

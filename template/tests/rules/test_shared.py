"""The checks of rules that come from packages: those named under [tool.rules] packages in pyproject.toml."""

from __future__ import annotations

from agent_devtools.rules.check import shared_checks
from agent_devtools.rules.project import ROOT

globals().update(shared_checks(ROOT))

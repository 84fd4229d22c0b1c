"""The checks of rules that come from packages: those named under [tool.rules] packages in pyproject.toml."""

from __future__ import annotations

from agent_devtools.rules.documents import ROOT, shared_checks

globals().update(shared_checks(ROOT))

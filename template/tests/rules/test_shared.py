"""The checks of rules that come from packages: those named under [tool.rules] packages in pyproject.toml."""

from __future__ import annotations

from tests.support.rules.check import ROOT
from tests.support.rules.documents import shared_checks

globals().update(shared_checks(ROOT))

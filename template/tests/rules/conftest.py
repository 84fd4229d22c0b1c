"""The project as the static checks see it, and what each check found, handed to `<slug> rules`."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.support.rules.check import OUTCOMES, ROOT, name_of
from tests.support.rules.project import Project
from tests.support.rules.run import properties


@pytest.fixture(scope="session")
def project() -> Project:
    return Project(ROOT)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" and isinstance(item, pytest.Function):
        outcome = OUTCOMES.get(name_of(item.originalname))
        report.user_properties += properties(outcome) if outcome else []
    return report

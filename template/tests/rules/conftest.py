"""The project as the static checks see it, and what each check found, handed to `<slug> rules`."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import asdict

import pytest

from agent_devtools.rules.check import OUTCOMES, name_of
from agent_devtools.rules.project import ROOT, Project
from agent_devtools.rules.run import LAST, PROPERTY, Beside, started


@pytest.fixture(scope="session")
def project() -> Project:
    return Project(ROOT)


@pytest.fixture(scope="session", autouse=True)
def programs(request: pytest.FixtureRequest, project: Project) -> Iterator[Beside | None]:
    """The programs that run beside all checks, where one of the checks needs them."""
    if any(LAST in getattr(item, "fixturenames", ()) for item in request.session.items):
        with started(project) as beside:
            yield beside
    else:
        yield None


@pytest.fixture
def beside(programs: Beside | None) -> Beside:
    assert programs
    return programs


def pytest_itemcollected(item: pytest.Item) -> None:
    if isinstance(item, pytest.Function) and getattr(item.function, "is_running", False):
        item.add_marker("running")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" and isinstance(item, pytest.Function):
        outcome = OUTCOMES.get(name_of(item.originalname))
        if outcome:
            report.user_properties.append((PROPERTY, json.dumps(asdict(outcome))))  # processes exchange it
    return report

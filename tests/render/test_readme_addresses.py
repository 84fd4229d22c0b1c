"""The README of a project lists the addresses of `dev`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Render


@pytest.mark.parametrize("answers", [{}, {"rules_language": "zh"}, {"development_port": 23456}])
def test_readme_has_the_addresses_of_dev(render: Render, answers: dict[str, object]) -> None:
    project = render(**answers)
    readme = (project / "README.md").read_text("utf-8")
    constants = next(project.glob("src/*/constants.py")).read_text("utf-8")
    servers = re.findall(r"^DEVELOPMENT_\w+_PORT = (\d+)", constants, re.MULTILINE)
    assert len(servers) == 2
    assert set(re.findall(r"127\.0\.0\.1:(\d+)", readme)) == {"8000", *servers}
    assert "localhost" not in readme

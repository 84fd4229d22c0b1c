"""The documentation shows every dashboard."""

from __future__ import annotations

from tests.support.template import FILES, ROOT

LARGEST = 200 * 1024


def test_every_dashboard_has_an_image_in_the_documentation() -> None:
    page = (ROOT / "docs" / "dashboards.md").read_text("utf-8")
    dashboards = [path.stem.removeprefix("agent-") for path in FILES.glob("deploy/*grafana*/dashboards/*.json")]
    assert dashboards
    for name in dashboards:
        image = ROOT / "docs" / "images" / f"dashboard-{name}.png"
        assert f"(images/{image.name})" in page
        assert image.stat().st_size < LARGEST

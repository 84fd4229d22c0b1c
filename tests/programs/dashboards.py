"""`make dashboards`: draw the dashboards of a rendered agent from a Prometheus that monitored a real run.

No Grafana takes part: this evaluates the panels' own queries and draws them with their titles, units and places. The
agent runs under load, with the offline model, so panels about prices and errors of a model stay without data.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import httpx2
import matplotlib as mpl
from matplotlib import dates
from matplotlib import pyplot as plt

from tests.deploy.test_monitoring import ADVICE
from tests.deploy.test_monitoring_live import Prometheus, free_port, hurried, wait_for
from tests.support.external_programs import program
from tests.support.projects import environment
from tests.support.stacks import running, running_stack
from tests.support.template import ROOT, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RUN_SECONDS = 150
STEP_SECONDS = 3
REQUESTS_PER_MINUTE = "400"  # more than the default, and few enough to be reached
RATE = "20s"  # Grafana would take four scrapes at least
IMAGES = ROOT / "docs" / "images"
MESSAGES = (
    "Hello!",
    "What time is it in Asia/Tokyo?",
    "Remember that the launch is on Friday.",
    "What do you remember?",
    "wait 0.5 seconds",
    'call current_time {"time_zone": "Nowhere"}',
)
WIDTH_INCHES, LINE_INCHES, COLUMNS, DPI = 15.0, 0.29, 24, 80
NARROW = 0.2  # of the figure: two times fit below such a panel
GAP = 0.2  # of a column, around a panel
COLORS = ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#96d98d"]
STYLE = {
    "font.size": 7.5,
    "axes.edgecolor": "#d0d4da",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e8eaed",
    "xtick.color": "#5a6066",
    "ytick.color": "#5a6066",
    "axes.prop_cycle": plt.cycler(color=COLORS),
    "svg.hashsalt": "dashboards",
}
LONG_SECONDS = 120
UNITS = {
    "s": ("{:.3g} s", 1),
    "bytes": ("{:.4g} MiB", 2**20),
    "reqps": ("{:.3g} req/s", 1),
    "opm": ("{:.3g} /min", 1),
    "currencyUSD": ("${:.2f}", 1),
}
Series = tuple[str, list[datetime], list[float]]


def shown(value: float, unit: str, decimals: int | None = None) -> str:
    """Return a value in a unit of Grafana."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %" if decimals is None else f"{value * 100:.{decimals}f} %"
    if unit == "s" and value and abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    if unit == "s" and abs(value) >= LONG_SECONDS:
        return f"{value / 60:.3g} min" if abs(value) < 60 * LONG_SECONDS else f"{value / 3600:.3g} h"
    if unit in UNITS:
        form, divisor = UNITS[unit]
        return form.format(value / divisor)
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2g}"


def load(started: dict[str, Any], over: Event, pause: float) -> None:
    """Hold conversations until `over`: whole, streamed and queued, with tools, and now and then a mistake."""
    headers = {"Authorization": f"Bearer {started['token']}"}
    with httpx2.Client(base_url=f"http://127.0.0.1:{started['ports']['web']}", headers=headers, timeout=60) as client:
        number = 0
        while not over.is_set():
            created = client.post("/chat/sessions")
            if created.is_error:  # too many requests
                over.wait(1)
                continue
            session = created.json()["session_id"]
            path = f"/chat/sessions/{session}"
            for text in MESSAGES:
                accept = "text/event-stream" if number % 3 else "*/*"
                prefer = {"Prefer": "respond-async"} if number % 7 == 0 else {}
                sent = client.post(f"{path}/messages", json={"text": text}, headers={"Accept": accept, **prefer})
                number += 1
                while (
                    prefer
                    and sent.is_success
                    and not over.is_set()
                    and not client.get(sent.headers["Location"]).json().get("finished_at")
                ):
                    over.wait(0.1)
                if over.wait(pause * (1 + number // 20 % 3)):
                    return
            client.get(f"{path}/history")
            client.get("/chat/sessions")
            client.get("/chat/sessions/00000000-0000-0000-0000-000000000000/history")
            client.delete(path)


def expression(target: dict[str, Any], elapsed: float) -> str:
    text: str = target["expr"].replace("$__rate_interval", RATE).replace("$__range", f"{elapsed:.0f}s")
    return text.replace("$namespace", ".*")


def legend(target: dict[str, Any], labels: dict[str, str]) -> str:
    """Return the name of a series."""
    given = target.get("legendFormat") or ""
    if given in ("", "__auto"):
        return ", ".join(f"{name}={value}" for name, value in labels.items() if name != "__name__")
    return re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found[1], ""), given).strip()


def instant(prometheus: Prometheus, panel: dict[str, Any], elapsed: float) -> list[tuple[dict[str, str], float]]:
    found = [item for target in panel["targets"] for item in prometheus.query(expression(target, elapsed))]
    return [(item["metric"], float(item["value"][1])) for item in found]


def series(prometheus: Prometheus, panel: dict[str, Any], began: float, now: float) -> list[Series]:
    found: list[Series] = []
    for target in panel["targets"]:
        text = expression(target, now - began)
        span = {"start": str(began), "end": str(now), "step": str(STEP_SECONDS)}
        for item in prometheus.get("query_range", query=text, **span)["result"]:
            times = [datetime.fromtimestamp(float(at), UTC) for at, _ in item["values"]]
            found.append((legend(target, item["metric"]), times, [float(value) for _, value in item["values"]]))
    return [each for each in found if any(value == value for value in each[2])]  # noqa: PLR0124 - not only NaN


def draw(dashboard: dict[str, Any], prometheus: Prometheus, began: float, now: float, path: Path) -> list[str]:
    """Draw a dashboard into a file; return the titles of the panels without data."""
    lines = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    height = (lines + 2) * LINE_INCHES
    figure = plt.figure(figsize=(WIDTH_INCHES, height), facecolor="#f4f5f7")
    figure.text(0.008, 1 - 0.3 / height, dashboard["title"], fontsize=13, weight="bold", va="center")
    figure.text(0.992, 1 - 0.3 / height, dashboard["description"], fontsize=8, color="#5a6066", va="center", ha="right")
    empty = []
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        left, width = place["x"] / COLUMNS, place["w"] / COLUMNS
        bottom = 1 - (place["y"] + place["h"] + 2) * LINE_INCHES / height
        tall = place["h"] * LINE_INCHES / height
        if panel["type"] == "row":
            figure.text(left + 0.008, bottom + tall / 2, panel["title"], weight="bold", va="center", fontsize=9)
            continue
        pad, pad_y = GAP / COLUMNS / 2, 0.05 / height
        box = (left + pad, bottom + pad_y, width - 2 * pad, tall - 2 * pad_y)
        figure.add_artist(
            plt.Rectangle(box[:2], box[2], box[3], facecolor="white", edgecolor="#d0d4da", lw=0.6, zorder=-1)
        )
        top = bottom + tall - 0.17 / height
        figure.text(left + pad + 0.005, top, panel["title"], va="center", weight="bold", fontsize=8)
        has_data = panel_of(figure, panel, prometheus, (began, now), (box, height))
        if not has_data:
            empty.append(panel["title"])
            figure.text(left + width / 2, bottom + tall / 2, "No data", color="#8a9097", ha="center", va="center")
    figure.savefig(path, dpi=DPI, pil_kwargs={"optimize": True})
    plt.close(figure)
    return empty


def panel_of(
    figure: Any,  # noqa: ANN401 - matplotlib's own type is not installed with the other tools
    panel: dict[str, Any],
    prometheus: Prometheus,
    span: tuple[float, float],
    room: tuple[tuple[float, float, float, float], float],
) -> bool:
    """Draw the content of a panel; return whether there was data."""
    (x, y, width, tall), height = room
    defaults = panel["fieldConfig"]["defaults"]
    unit, decimals = defaults["unit"], defaults.get("decimals")
    if panel["type"] == "timeseries":
        found = series(prometheus, panel, *span)
        area = (x + 0.043, y + 0.5 / height, width - 0.05, tall - 0.88 / height)
        if found:
            plot(figure.add_axes(area), found, unit, defaults)
        return bool(found)
    values = instant(prometheus, panel, span[1] - span[0])
    if panel["type"] == "stat":
        for _, value in values[:1]:
            text = shown(value, unit, decimals)
            figure.text(x + width / 2, y + tall * 0.4, text, fontsize=19, color="#1f60c4", ha="center", va="center")
        return bool(values)
    for number, (labels, value) in enumerate(sorted(values, key=str)):
        line = "   ".join([*labels.values(), shown(value, unit)])
        figure.text(x + 0.01, y + tall - (0.5 + 0.22 * number) / height, line, va="center")
    return bool(values)


def plot(axes: Axes, found: list[Series], unit: str, defaults: dict[str, Any]) -> None:
    """Draw lines with a legend below."""
    filled = len(found) == 1
    for name, moments, values in found:
        times: Any = dates.date2num(moments)
        [line] = axes.plot(times, values, lw=1.3, label=name or " ")
        if filled:
            axes.fill_between(times, values, alpha=0.12, color=line.get_color())
    low, high = axes.get_ylim()
    if not any(value for *_, values in found for value in values):
        high = 1.0  # only zeros
    axes.set_ylim(defaults.get("min", low), max(high, low + 1e-9) if defaults.get("max") is None else defaults["max"])
    axes.yaxis.set_major_formatter(lambda value, _: shown(value, unit))
    axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(5))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S"))
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(4 if axes.get_position().width > NARROW else 2))
    axes.tick_params(length=0)
    names = [re.sub(r"\{\w+\}", "{}", name)[:36] for name, *_ in found]  # the ends of paths tell them apart
    columns = 3 if max(map(len, names)) < 14 else 2
    names = names[: 2 * columns]  # more have no room
    axes.legend(
        axes.get_lines()[: len(names)], names, loc="upper left", bbox_to_anchor=(-0.05, -0.12), ncols=columns,
        frameon=False, fontsize=6.5, handlelength=1, columnspacing=1, borderpad=0, labelspacing=0.2,
    )  # fmt: skip


def main(seconds: float = RUN_SECONDS) -> int:
    """Run an agent under load and draw its dashboards into docs/images."""
    mpl.use("Agg")
    os.environ["RATE_LIMIT_PER_MINUTE"] = REQUESTS_PER_MINUTE
    mpl.rcParams.update(STYLE)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dashboards-")))
        project = render(ROOT, folder / "project")
        print("installing the agent", flush=True)
        subprocess.run(["uv", "sync", "--locked", "--quiet"], cwd=project, env=environment(), check=True)
        started = stack.enter_context(running_stack(project, folder / "stack.log"))
        port = free_port()
        hurried(project, started["ports"], port, folder / "configuration")
        command = [program("prometheus", ADVICE), f"--config.file={folder / 'configuration' / 'prometheus.yml'}"]
        command += [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'data'}"]
        stack.enter_context(running(command, folder, folder / "prometheus.log"))
        prometheus = Prometheus(port)
        wait_for("Prometheus is ready", prometheus.ready)
        over = Event()
        began = time.time()
        threads = [Thread(target=load, args=(started, over, pause)) for pause in (0.2, 0.5, 1.0)]
        for thread in threads:
            thread.start()
        print(f"running it for {seconds:.0f} s", flush=True)
        try:
            over.wait(seconds)
            for source in sorted((project / "deploy/grafana/dashboards").glob("*.json")):
                path = IMAGES / f"dashboard-{source.stem.removeprefix('agent-')}.png"
                empty = draw(json.loads(source.read_text("utf-8")), prometheus, began, time.time(), path)
                without = f"; no data: {', '.join(empty)}" if empty else ""
                print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KB{without}", flush=True)
        finally:
            over.set()
            for thread in threads:
                thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))

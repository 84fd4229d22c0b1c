"""The tool of `make bench`: its comparison of runs, page, profile and floors. No test asserts a duration."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks import __main__, load, parts, profiling
from benchmarks import page as page_of
from benchmarks.figures import FIGURES, Run, Spread, UnreadableRunError, read, worse
from benchmarks.page import JSON, PAGE, page, tables
from benchmarks.stack import BenchmarkError, running

if TYPE_CHECKING:
    from pathlib import Path

MADE = {"date": "2026-12-01", "revision": "abc", "machine": "2 processors", "load": "0.1", "versions": "Python 3.14"}
RUN = Run(
    MADE,
    {
        "turn": Spread(0.9, 1.0, 1.1),
        "turn_ms": Spread(7.0, 8.0, 9.0),
        "loaded_mib": Spread(100.0, 100.0, 100.0),
        "token_500_ms": Spread(10.0, 30.0, 40.0),
    },
    {"SQL": 60.0, "uvicorn": 40.0},
)


def changed(**figures: Spread) -> Run:
    """Return RUN with other figures."""
    return replace(RUN, figures={**RUN.figures, **figures})


def test_a_ratio_that_is_worse_in_every_sample_is_reported() -> None:
    assert worse(changed(turn=Spread(0.6, 0.7, 0.8)), RUN) == [
        f"{FIGURES['turn'].title}: 0.7 (0.6-0.8) times, was 1 (0.9-1.1) times"
    ]
    assert worse(changed(loaded_mib=Spread(110.0, 110.0, 110.0)), RUN)


def test_a_difference_within_the_spreads_is_noise() -> None:
    assert not worse(changed(turn=Spread(0.6, 0.7, 0.95)), RUN)
    assert not worse(changed(loaded_mib=Spread(104.0, 104.0, 104.0)), RUN), "single samples vary too"
    assert not worse(changed(turn=Spread(1.5, 1.6, 1.7), loaded_mib=Spread(80.0, 80.0, 80.0)), RUN), "better"


def test_times_which_depend_on_the_machine_are_not_compared() -> None:
    assert not worse(changed(turn_ms=Spread(70.0, 80.0, 90.0)), RUN)


def test_a_part_is_compared_in_the_figures_that_it_has() -> None:
    assert not worse(replace(RUN, figures={"loaded_mib": Spread(90.0, 90.0, 90.0)}), RUN)


def test_a_run_survives_its_file(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(RUN.to_json(), "utf-8")
    assert read(tmp_path / "run.json") == RUN


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"figures": {}}', '{"made": {}, "figures": {"turn": [1]}, "profile": {}}']
)
def test_a_file_that_is_no_run_gets_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text, "utf-8")
    with pytest.raises(UnreadableRunError, match=r"run\.json is not a run that `python -m benchmarks` wrote\.$"):
        read(path)
    with pytest.raises(UnreadableRunError, match=r"missing\.json cannot be read: No such file or directory\.$"):
        read(tmp_path / "missing.json")


def test_the_command_fails_for_a_worse_run_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = tmp_path / "earlier.json"
    earlier.write_text(RUN.to_json(), "utf-8")
    monkeypatch.setattr(__main__, "measure", lambda *_: changed(turn=Spread(0.6, 0.7, 0.8)))
    assert __main__.main(["turn", "--against", str(earlier)]) == 1
    assert "worse: a full turn" in capsys.readouterr().err
    monkeypatch.setattr(__main__, "measure", lambda *_: RUN)
    assert __main__.main(["turn", "--against", str(earlier), "--json", str(tmp_path / "now.json")]) == 0
    assert read(tmp_path / "now.json") == RUN
    earlier.write_text("{}", "utf-8")
    assert __main__.main(["turn", "--against", str(earlier)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_page_that_is_written_is_that_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_of, "PAGE", tmp_path / "benchmarks.md")
    monkeypatch.setattr(page_of, "JSON", tmp_path / "benchmarks.json")
    monkeypatch.setattr(__main__, "measure", lambda *_: changed(turn_ms=Spread(4.37496, 4.48, 5.21)))
    assert __main__.main(["--write"]) == 0
    text = page_of.PAGE.read_text("utf-8")
    assert text == page(read(page_of.JSON))
    assert "4.48 (4.38-5.21)" in text, "4.37496 is 4.375 in the file"


def test_a_part_that_fails_loses_its_own_figures_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> parts.Samples:
        raise BenchmarkError("a service answered HTTP/1.1 503")

    monkeypatch.setattr(__main__, "PARTS", {"turn": fail, "health": lambda _: {"health_ms": [2.0, 1.0, 4.0]}})
    monkeypatch.setattr(__main__, "running", nullcontext)
    monkeypatch.setattr(page_of, "circumstances", lambda _: MADE)
    assert __main__.main(["turn", "health"]) == 2
    said = capsys.readouterr()
    assert "turn failed: a service answered HTTP/1.1 503" in said.err
    assert f"| {FIGURES['health_ms'].title} | ms |  | 2 (1-4) |" in said.out
    assert FIGURES["turn"].title not in said.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["trun"], "no such part: trun; the parts are turn, "), (["turn", "--write"], "--write needs all parts")],
)
def test_wrong_arguments_are_refused(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        __main__.main(arguments)
    assert sentence in capsys.readouterr().err


def test_the_table_states_which_goals_are_missed() -> None:
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in tables(RUN).splitlines()}
    assert rows[FIGURES["turn"].title].endswith("| 0.47 (0.46-0.54) | 1 (0.9-1.1) | at least 1: met |")
    assert rows[FIGURES["token_500_ms"].title].endswith("| 51 | 30 (10-40) | at most 20: missed |")
    assert rows["SQL"] == "| SQL | 14 % | 60 % |"
    assert "`my-agent --help`" not in rows, "it was not measured"


def test_the_page_follows_from_its_run() -> None:
    assert PAGE.read_text("utf-8") == page(read(JSON)), "nobody edits it by hand: run `make bench`"


def test_every_figure_belongs_to_a_part() -> None:
    assert {figure.part for figure in FIGURES.values()} == set(parts.PARTS)


def test_a_sample_counts_for_its_innermost_known_frame() -> None:
    packages = "/venv/lib/python3.14/site-packages"
    turn = f"run ({packages}/uvicorn/server.py:70);step (/p/src/my_agent/chat/runner.py:10)"
    samples = [
        f"{turn};execute ({packages}/psycopg/cursor_async.py:5);_run (/usr/lib/python3.14/asyncio/events.py:8) 6",
        f"{turn};flush (/p/src/my_agent/chat/events.py:9);send ({packages}/redis/connection.py:1) 2",
        f"allow (/p/src/my_agent/security/rate_limit.py:3);send ({packages}/redis/connection.py:1) 1",
        "run (/usr/lib/python3.14/asyncio/runners.py:1) 1",
        "run (/lib/python3.14/threading.py:1);_worker (/lib/python3.14/concurrent/futures/thread.py:9) 90",
    ]
    assert profiling.shares(samples) == {"SQL": 60, "Valkey events": 20, "middleware": 10, profiling.OTHERS: 10}
    with pytest.raises(BenchmarkError, match="took no samples"):
        profiling.shares([])


@pytest.mark.slow
def test_the_floors_answer_as_the_agent_does() -> None:
    with running(None) as stack:
        answers = {}
        with stack.agent() as agent:
            answers["turn"] = parts.converse(stack, "turn", agent)
        for name in ("agent_run", "direct_stream"):
            with stack.floor(name) as floor:
                answers[name] = parts.converse(stack, name, floor)
        parts.check_answers(answers)
        assert "message 4 of our conversation" in answers["turn"][-1]
        with pytest.raises(BenchmarkError, match="do not answer as the agent does"):
            parts.check_answers({**answers, "planted": ["another"]})
        with stack.floor("sql") as floor:
            assert parts.converse(stack, "sql", floor)[-1] == "This is message 4."
        with stack.floor("health") as floor:
            bodies = load.run(load.converse(floor.port, [load.request("GET", "/health")]))
            assert [json.loads(body) for body in bodies] == [{"status": "alive"}]

"""The rewriter of imports: every form of an import, and nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from import_order import arrange, tidy
from imports import Alias, Modules, rewrite, statement

if TYPE_CHECKING:
    from pathlib import Path

OWN = "src/desk/agent/own.py"
MODULES = Modules(
    known={
        "desk.agent.own",
        "desk.app",
        "desk.chat.leases",
        "desk.chat.turns",
        "desk.guard",
        "desk.logs.redaction",
        "desk.logs.requests",
        "tests.support.speaker",
        "tests.support.rules.check",
    },
    moved={
        "desk.chat.turns": "desk.chat.supervisor",
        "desk.guard": "desk.security.settings",
        "desk.logs.redaction": "desk.observability.redaction",
        "tests.support.speaker": "tests.support.model_client",
        "tests.support.rules": "devtools.rules",
        "tests.support.rules.check": "devtools.rules.check",
    },
    names={
        "desk.chat.leases:Lease": "desk.chat.turn_store:TurnLease",
        "desk.chat.turns:Running": "desk.chat.supervisor:RunningTurn",
        "desk.guard:Owner": "desk.extensions:Owner",
    },
    gone={"desk.docs"},
)
LONG = ", ".join(f"a_rather_long_name_{number}" for number in range(4))
FORMS = [
    # absolute, relative, aliased, dotted
    ("import desk.guard", "import desk.security.settings"),
    ("import desk.guard as g, os", "import desk.security.settings as g, os"),
    ("import desk.guard\nx = desk.guard.MAX\n", "import desk.security.settings\nx = desk.security.settings.MAX\n"),
    ("import desk.chat.turns\ndesk.chat.turns.x", "import desk.chat.supervisor\ndesk.chat.supervisor.x"),
    ("import tests.support.rules.check as c, os\nc.x", "import devtools.rules.check as c, os\nc.x"),
    (
        "import tests.support.rules.check\ntests.support.rules.check.x",
        "import devtools.rules.check\ndevtools.rules.check.x",
    ),
    ("from desk.guard import MAX", "from desk.security.settings import MAX"),
    ("from ..guard import MAX as M", "from ..security.settings import MAX as M"),
    ("from .. import guard", "from ..security import settings as guard"),
    ("from .. import guard as g", "from ..security import settings as g"),
    ("from .. import app, guard", "from .. import app\nfrom ..security import settings as guard"),
    ("from ..chat import turns\nturns.Running", "from ..chat import supervisor as turns\nturns.RunningTurn"),
    ("import desk.chat.turns as t\nt.Running.x", "import desk.chat.supervisor as t\nt.RunningTurn.x"),
    ("from ..guard import *", "from ..security.settings import *"),
    ("from tests.support import speaker", "from tests.support import model_client as speaker"),
    ("from tests.support.rules.check import check", "from devtools.rules.check import check"),
    ("from desk import logs\nlogs.requests.x", "from desk import logs\nlogs.requests.x"),
    # names that moved
    ("from ..chat.leases import Lease", "from ..chat.turn_store import TurnLease as Lease"),
    ("from ..chat.leases import Lease as L", "from ..chat.turn_store import TurnLease as L"),
    ("from ..guard import Owner", "from ..extensions import Owner"),
    (
        "from ..chat.leases import Lease, other",
        "from ..chat.turn_store import TurnLease as Lease\nfrom ..chat.leases import other",
    ),
    (
        "from ..guard import MAX, Owner  # noqa: F401",
        "from ..security.settings import MAX  # noqa: F401\nfrom ..extensions import Owner  # noqa: F401",
    ),
    # layout and comments stay
    ("from ..guard import (\n    MAX,  # most\n)\n", "from ..security.settings import (\n    MAX,  # most\n)\n"),
    (
        "from ..guard import (\n    MAX,  # most\n    # w\n    Owner,\n)\n",
        "from ..security.settings import (\n    MAX,  # most\n)\nfrom ..extensions import (\n    # w\n    Owner,\n)\n",
    ),
    ("from ..guard \\\n    import MAX", "from ..security.settings import MAX"),
    ("if x: from .. import guard; y = 1", "if x: from ..security import settings as guard; y = 1"),
    (
        "if x: from ..guard import MAX, Owner",
        "if x: from ..security.settings import MAX; from ..extensions import Owner",
    ),
    ("def f():\n\tfrom ..guard import MAX, Owner", None),
    ("def f():\r\n    from .. import app, guard\r\n", None),
    (
        f"from ..guard import {LONG}, another\n",
        "from ..security.settings import (\n"
        + "".join(f"    {name},\n" for name in [*LONG.split(", "), "another"])
        + ")\n",
    ),
    ("é = 1; from ..guard import MAX; 'ü'", "é = 1; from ..security.settings import MAX; 'ü'"),
    ("\ufefffrom ..guard import MAX", "\ufefffrom ..security.settings import MAX"),
    ("x = 1\f\nfrom ..guard import MAX", "x = 1\f\nfrom ..security.settings import MAX"),
    # strings
    ("patch('desk.guard.MAX')", "patch('desk.security.settings.MAX')"),
    ('patch("desk.chat.turns.Running.stop")', 'patch("desk.chat.supervisor.RunningTurn.stop")'),
    ("load('desk.guard:MAX')", "load('desk.security.settings:MAX')"),
    ("load('desk.guard:Owner')", "load('desk.extensions:Owner')"),
    ("from ..chat import turns\nsetattr(turns, 'Running', 1)", None),
    # other things of the same names
    ("from .guard import MAX", "from .guard import MAX"),
    ("import guard\nguard.Owner", "import guard\nguard.Owner"),
    ("from other.guard import Owner", "from other.guard import Owner"),
    ("def f(guard): return guard.Owner\nfrom .. import guard", None),
    ("'my desk.guard'", "'my desk.guard'"),
    ("guard = 1; desk = guard; desk.guard", "guard = 1; desk = guard; desk.guard"),
    ("from desk.guards import x; desk.guardian", "from desk.guards import x; desk.guardian"),
    ("from __future__ import annotations", "from __future__ import annotations"),
]
GIVEN = {
    "def f():\n\tfrom ..guard import MAX, Owner": (
        "def f():\n\tfrom ..security.settings import MAX\n\tfrom ..extensions import Owner"
    ),
    "def f():\r\n    from .. import app, guard\r\n": (
        "def f():\r\n    from .. import app\r\n    from ..security import settings as guard\r\n"
    ),
    "from ..chat import turns\nsetattr(turns, 'Running', 1)": (
        "from ..chat import supervisor as turns\nsetattr(turns, 'RunningTurn', 1)"
    ),
    "def f(guard): return guard.Owner\nfrom .. import guard": (
        "def f(guard): return guard.Owner\nfrom ..security import settings as guard"
    ),
}


def rewritten(text: str, before: str = OWN, after: str = "") -> tuple[str, list[tuple[int, str]]]:
    data, notes = rewrite(text.encode(), before, after or before, MODULES)
    return data.decode(), notes


@pytest.mark.parametrize(("before", "after"), FORMS)
def test_an_import_is_rewritten_and_all_else_stays(before: str, after: str | None) -> None:
    assert rewritten(before) == (GIVEN[before] if after is None else after, [])


@pytest.mark.parametrize(("before", "after"), FORMS)
def test_a_second_time_changes_nothing(before: str, after: str | None) -> None:
    once = GIVEN[before] if after is None else after
    assert rewritten(once) == (once, [])


@pytest.mark.parametrize(
    ("text", "before", "after", "expected"),
    [
        (
            "from ..guard import x",
            "src/desk/chat/turns.py",
            "src/desk/chat/supervisor.py",
            "from ..security.settings import x",
        ),
        ("from . import leases", "src/desk/chat/turns.py", "src/desk/core/turns.py", "from ..chat import leases"),
        ("from .app import x", "src/desk/guard.py", "src/desk/security/settings.py", "from ..app import x"),
        ("from ..app import x", "src/desk/chat/turns.py", "src/desk/turns.py", "from .app import x"),
        ("from ..app import x", "src/desk/chat/turns.py", "devtools/tools/turns.py", "from desk.app import x"),
        ("from .leases import Lease", "src/desk/chat/__init__.py", "", "from .turn_store import TurnLease as Lease"),
        ("from desk.app import x", "tests/unit/test_a.py", "tests/unit/b/test_a.py", "from desk.app import x"),
        ("from .speaker import x", "tests/support/__init__.py", "", "from .model_client import x"),
    ],
)
def test_a_relative_import_stays_relative_where_it_can(text: str, before: str, after: str, expected: str) -> None:
    assert rewritten(text, before, after) == (expected, [])


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("import os\nfrom ..docs import add", 2, "imports desk.docs.add, which the template no longer has"),
        ("import desk.docs", 1, "imports desk.docs, which the template no longer has"),
        (
            "from ..chat import leases\nleases.Lease",
            2,
            "uses desk.chat.leases.Lease, which is now desk.chat.turn_store",
        ),
        ("from desk import logs\n\nlogs.redaction.x", 3, "uses desk.logs.redaction, which is now desk.observability"),
        ("import desk.app\ndesk.guard.Owner", 2, "uses desk.guard.Owner, which is now desk.extensions.Owner"),
        ("import desk.guard\n(desk  # it\n.guard).MAX", 2, "uses desk.guard, which is now desk.security.settings"),
        ("f'desk.guard.{x}'", None, ""),
        ("x = ('desk'\n'.guard')", 1, "names desk.guard, which is now desk.security.settings"),
        ("from ..chat import leases\npatch(leases, 'Lease')", 2, "names desk.chat.leases.Lease, which is now"),
        ("from ..guard import (", 1, "cannot be parsed"),
        ("# -*- coding: latin-1 -*-\nfrom ..guard import x", 1, "is encoded in iso-8859-1"),
    ],
)
def test_what_cannot_be_rewritten_is_left_and_named(text: str, line: int | None, words: str) -> None:
    data, notes = rewritten(text)
    assert data.splitlines()[-1] == text.splitlines()[-1]
    assert [number for number, _ in notes] == ([line] if line else [])
    assert all(words in note for _, note in notes)


def test_a_package_that_is_called_otherwise_is_called_so_everywhere() -> None:
    renamed = Modules(
        {"desk.app", "desk.guard"},
        {name: name.replace("desk", "help", 1) for name in ("desk", "desk.app", "desk.guard")},
    )
    text = "import desk\nimport desk.app\nfrom desk import guard\nprint(desk, desk.app.x, desk.y, 'desk.guard')\n"
    assert rewrite(text.encode(), "tests/test_a.py", "tests/test_a.py", renamed)[0].decode() == text.replace(
        "desk", "help"
    )


names = st.sampled_from(["alpha", "beta", "gamma_2", "Delta", "EPSILON"])
statements = st.one_of(
    st.tuples(
        st.sampled_from(["desk.guard", "desk.chat.turns", "desk.app", "os"]), st.lists(names, min_size=1, max_size=9)
    ).map(lambda drawn: f"from {drawn[0]} import {', '.join(drawn[1])}"),
    st.sampled_from(["desk.guard", "desk.app", "os.path"]).map("import {} as alias".format),
    st.sampled_from(["desk.guard", "desk.app", "tests.support.speaker"]).map("import {}".format),
    st.sampled_from(["x = 1", "", "# desk.guard", "'''\nfrom desk.guard import x\n'''", "pass  # é"]),
)


@given(st.lists(statements, max_size=8), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_any_file_says_the_same_in_other_words(lines: list[str], nested: bool, newline: str) -> None:
    text = "\n".join(lines)
    if nested:
        text = "def f():\n" + "\n".join(f"    {line}" for line in [*"\n".join(lines).split("\n"), "pass"])
    text = text.replace("\n", newline)
    data, notes = rewrite(text.encode(), OWN, OWN, MODULES)
    back = Modules({*MODULES.moved.values(), "desk.app"}, {new: old for old, new in MODULES.moved.items()})
    assert notes == []
    assert data.count(b"\n") == data.count(newline.encode())
    expected = ast.unparse(ast.parse(text))
    for old, new in MODULES.moved.items():
        expected = expected.replace(old, new)
    if "'''" not in text:  # a longer text that names a module stays
        assert ast.unparse(ast.parse(data)) == expected
    assert ast.dump(ast.parse(rewrite(data, OWN, OWN, back)[0])) == ast.dump(ast.parse(text))


def test_a_program_does_the_same_before_and_after(tmp_path: Path) -> None:
    """Run, since only Python knows what an import means."""
    program = """
import desk.guard
import desk.guard as g
from desk import guard
from desk.guard import MAX as M, Owner
from desk.chat import turns
print(desk.guard.MAX, g.MAX, guard.MAX, M, Owner, turns.Running, turns.__name__.count('.'))
"""
    old = {"guard.py": "MAX = 3\nOwner = 'o'\n", "chat/turns.py": "Running = 'r'\n"}
    new = {
        "security/settings.py": "MAX = 3\n",
        "extensions.py": "Owner = 'o'\n",
        "chat/supervisor.py": "RunningTurn = 'r'\n",
    }
    printed = []
    for folder, files, text in (("old", old, program), ("new", new, rewritten(program, "run.py")[0])):
        for name, content in {**files, "../run.py": text}.items():
            path = tmp_path / folder / "desk" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")
        command = [sys.executable, "-I", "-c", "import sys; sys.path[:0] = ['.']; import run"]
        printed.append(
            subprocess.run(command, cwd=tmp_path / folder, capture_output=True, text=True, check=True).stdout
        )
    assert printed == ["3 3 3 3 o r 2\n"] * 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from ..app import x\nfrom ..guard import Owner\n", "from ..app import x\nfrom ..extensions import Owner\n"),
        (
            "from ..extensions import Task\nfrom ..guard import MAX, Owner\n",
            "from ..extensions import Owner, Task\nfrom ..security.settings import MAX\n",
        ),
        (
            "from ..chat.leases import Lease\nfrom ..extensions import A\n",
            "from ..chat.turn_store import TurnLease as Lease\nfrom ..extensions import A\n",
        ),
        ("def f():\n    from ..guard import b, Z\n", "def f():\n    from ..security.settings import b, Z\n"),
        ("from ..guard import (\n    Z,\n    b,\n)\n", "from ..security.settings import (\n    Z,\n    b,\n)\n"),
        ("from ..z import a\nfrom ..guard import Owner\n", "from ..z import a\nfrom ..extensions import Owner\n"),
        (
            "from ..chat import x\nfrom ..guard import Owner  # why\n",
            "from ..chat import x\nfrom ..extensions import Owner  # why\n",
        ),
    ],
)
def test_imports_stay_in_order_where_they_were(before: str, after: str) -> None:
    assert tidy(before.encode(), rewritten(before)[0].encode()).decode() == after


def test_order_is_that_of_ruff(tmp_path: Path) -> None:
    """Of a block of every kind of import, as ruff sorts it."""
    lines = [
        "from . import z, Q, MAX, a10, a9",
        "from .. import q",
        "from ..b import c as d",
        "from ..b import e, A",
        "from ..a_b import x",
        "from ..a.b import x",
        "from ...far import x",
        "from ..b import B as C",
        f"from ..long import {LONG}, Another",
    ]
    path = tmp_path / "own.py"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    mine = arrange(path.read_bytes())
    command = [sys.executable, "-m", "ruff"]
    subprocess.run(
        [*command, "check", "-q", "--isolated", "--select=I", "--fix", "--line-length=120", path], check=True
    )
    assert mine.decode() == path.read_text("utf-8")


def test_a_statement_is_laid_out_as_a_formatter_does() -> None:
    assert statement("a", [Alias("b", "b"), Alias("c", "d")], "", "\n") == "from a import b, c as d"
    assert statement("a", [Alias("b" * 120, None)], "  ", "\n") == f"from a import (\n      {'b' * 120},\n  )"

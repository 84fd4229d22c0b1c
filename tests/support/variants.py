"""The variants of the project that are rendered, built and tested, derived from copier.yml.

Every combination of choices is supported. `rows()` samples them: the archetypes, and enough rows that every pair of
choices occurs. Each is rendered, built and tested, here and in CI; run as a script, this module prints their names as a
matrix. `flips()` differ from the default in one choice; they are rendered and linted.

A single-choice question is one option. A multiple-choice question is one option per choice, such as `layers=tracing`,
with the values `yes` and `no`.
"""

from __future__ import annotations

import json
import random
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.template import environment, questions

if TYPE_CHECKING:
    from collections.abc import Mapping

Answers = dict[str, Any]
Row = dict[str, str]
Pair = tuple[tuple[str, str], tuple[str, str]]
CANDIDATES = 50  # per row of the covering array
SEED = 1
FOUND = Path(__file__).with_name("covering.json")  # rows that `make covering` found

# Typical users. Together they make every choice except one of Python (tests/render/test_template.py).
ARCHETYPES: Mapping[str, Answers] = {
    "default": {},
    "minimal": {
        "project_name": "Zoë's “local” Agent",
        "llm_provider": "openai_compatible",
        "python_version": "3.11",
        "license": "apache-2.0",
        "ci": "none",
        "layers": [],
        "protocols": [],
        "assistants": [],
    },
    "company": {
        "project_name": "Order Desk",
        "author_name": "Acme & Söhne, Ltd",
        "repository_url": "https://gitlab.com/acme/order-desk",
        "llm_provider": "anthropic",
        "task_queue": "celery",
        "python_version": "3.12",
        "license": "proprietary",
        "layers": ["kubernetes", "monitoring", "logging", "tracing", "chat_page", "client"],
        "protocols": ["openai", "ag_ui"],
        "rules_language": "zh",
    },
}


def choices(question: Mapping[str, Any]) -> list[str]:
    """Return the values that a question offers; none for free text."""
    offered = question.get("choices") or []
    return list(offered.values() if isinstance(offered, dict) else offered)


def options() -> dict[str, list[str]]:
    """Return the options and their values."""
    found: dict[str, list[str]] = {}
    for name, question in questions().items():
        if question.get("multiselect"):
            found |= {f"{name}={choice}": ["yes", "no"] for choice in choices(question)}
        elif choices(question):
            found[name] = choices(question)
    return found


def answers_of(row: Row) -> Answers:
    """Return the answers that make a row's choices."""
    found: Answers = {}
    for option, value in row.items():
        question, several, choice = option.partition("=")
        if several:
            found.setdefault(question, [])
            found[question] += [choice] if value == "yes" else []
        else:
            found[option] = value
    return found


def row_of(answers: Answers) -> Row:
    """Return the choices that answers and defaults make."""
    whole = {"repository_url": "", **answers}
    for question, details in questions().items():
        if question not in whole and choices(details):
            default = details["default"]
            whole[question] = environment().from_string(default).render(whole) if isinstance(default, str) else default
    row = {}
    for option in options():
        question, several, choice = option.partition("=")
        row[option] = ("yes" if choice in whole[question] else "no") if several else whole[question]
    return row


def combine(space: Mapping[str, list[str]]) -> list[Row]:
    """Return every combination of the options' values."""
    return [dict(zip(space, values, strict=True)) for values in product(*space.values())]


def pairs(row: Row) -> set[Pair]:
    """Return the pairs of choices in a row."""
    return set(combinations(sorted(row.items()), 2))


def all_pairs(space: Mapping[str, list[str]]) -> set[Pair]:
    """Return all pairs of choices."""
    found: set[Pair] = set()
    for one, other in combinations(sorted(space), 2):
        found |= set(product(product([one], space[one]), product([other], space[other])))
    return found


def found() -> list[Row]:
    """Return the rows that `make covering` found, without choices that no longer exist."""
    space = options()
    rows: list[Row] = json.loads(FOUND.read_text("utf-8"))
    return [{option: row[option] for option in row if row[option] in space.get(option, [])} for row in rows]


@cache
def pairwise() -> list[Row]:
    """Return a covering array: few rows in which every pair of choices occurs, archetypes first, then found rows.

    For options added since, a deterministic greedy algorithm repeatedly appends the best of CANDIDATES rows.
    """
    space, chance = options(), random.Random(SEED)
    rows = [row_of(answers) for answers in ARCHETYPES.values()]
    missing = all_pairs(space).difference(*map(pairs, rows))
    for row in found():
        rows.append(_completed(row, space, missing, chance))
        missing -= pairs(rows[-1])
    while missing:
        starts = (dict(chance.choice(sorted(missing))) for _ in range(CANDIDATES))
        candidates = [_completed(start, space, missing, chance) for start in starts]
        rows.append(max(candidates, key=lambda row: _new(row, missing)))
        missing -= pairs(rows[-1])
    return rows


def rows() -> dict[str, Answers]:
    """Return the variants that are built and tested: the archetypes and the rest of the covering array."""
    others = pairwise()[len(ARCHETYPES) :]
    return dict(ARCHETYPES) | {f"array-{number}": answers_of(row) for number, row in enumerate(others, 1)}


def flips() -> dict[str, Answers]:
    """Return the default with one choice changed, for each choice."""
    default = row_of({})
    return {
        f"{option.replace('=', '-')}-{value}": {question: answers_of({**default, option: value})[question]}
        for option, values in options().items()
        for value in values
        if value != default[option]
        for question in [option.partition("=")[0]]
    }


def _new(row: Row, missing: set[Pair]) -> int:
    return len(pairs(row) & missing)


def _completed(start: Row, space: Mapping[str, list[str]], missing: set[Pair], chance: random.Random) -> Row:
    """Complete a row with the values that add the most missing pairs."""
    row = dict(start)
    others = [option for option in space if option not in row]
    chance.shuffle(others)
    for option in others:
        values = chance.sample(space[option], len(space[option]))
        row[option] = max(values, key=lambda value: _new({**row, option: value}, missing))
    return {option: row[option] for option in space}


def matrix() -> dict[str, list[str]]:
    """Return the matrix of GitHub Actions."""
    return {"variant": list(rows())}


if __name__ == "__main__":
    print(json.dumps(matrix()))

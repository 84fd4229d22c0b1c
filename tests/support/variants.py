"""The option space, read from copier.yml: which variants of the project are rendered, built and tested.

Every combination of choices is supported. `rows()` stands for them: the archetypes, whom we think of, and after them as
many rows as it takes until every pair of choices occurs. Each is rendered, built and tested, here and in CI: run as a
script, this prints their names as a matrix. `flips()`, rendered and linted, differ from the default in one choice.

A question that offers one of several choices is one option, with these values. A question that takes several choices is
an option for each of them, such as `layers=tracing`, with the values `yes` and `no`.
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
CANDIDATES = 50  # of each row of the covering array, of which the best is taken
SEED = 1
FOUND = Path(__file__).with_name("covering.json")  # rows that `make covering` found

# Who might copy the template. Together they make every choice but one of Python's (tests/render/test_template.py).
ARCHETYPES: Mapping[str, Answers] = {
    "default": {},
    "minimal": {
        "project_name": "Zoë's “local” Agent",
        "llm_provider": "openai_compatible",
        "python_version": "3.11",
        "license": "apache-2.0",
        "ci": "none",
        "layers": [],
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
        "rules_language": "zh",
    },
}


def choices(question: Mapping[str, Any]) -> list[str]:
    """The values that a question offers; none for free text."""
    offered = question.get("choices") or []
    return list(offered.values() if isinstance(offered, dict) else offered)


def options() -> dict[str, list[str]]:
    """The options and their values."""
    found: dict[str, list[str]] = {}
    for name, question in questions().items():
        if question.get("multiselect"):
            found |= {f"{name}={choice}": ["yes", "no"] for choice in choices(question)}
        elif choices(question):
            found[name] = choices(question)
    return found


def answers_of(row: Row) -> Answers:
    """The answers that make these choices, for each question of which an option is given."""
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
    """The choices that answers make, those that are not given by their defaults."""
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
    """Every combination."""
    return [dict(zip(space, values, strict=True)) for values in product(*space.values())]


def pairs(row: Row) -> set[Pair]:
    """The pairs of choices that a row makes."""
    return set(combinations(sorted(row.items()), 2))


def all_pairs(space: Mapping[str, list[str]]) -> set[Pair]:
    """The pairs of choices there are."""
    found: set[Pair] = set()
    for one, other in combinations(sorted(space), 2):
        found |= set(product(product([one], space[one]), product([other], space[other])))
    return found


def found() -> list[Row]:
    """The rows that a search found, as far as there still are such choices."""
    space = options()
    rows: list[Row] = json.loads(FOUND.read_text("utf-8"))
    return [{option: row[option] for option in row if row[option] in space.get(option, [])} for row in rows]


@cache
def pairwise() -> list[Row]:
    """A covering array: few rows in which every pair of choices occurs, the archetypes first, then what a search found.

    Where options were added since, a greedy does the rest, the same on every run: each row is the one of CANDIDATES
    that makes most of the pairs that are missing.
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
    """The variants that are built and tested: the archetypes, and the rest of the covering array."""
    others = pairwise()[len(ARCHETYPES) :]
    return dict(ARCHETYPES) | {f"array-{number}": answers_of(row) for number, row in enumerate(others, 1)}


def flips() -> dict[str, Answers]:
    """The default with one choice made otherwise, for each choice."""
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
    """The row that starts so, and takes for each other option the value that adds most of the missing pairs."""
    row = dict(start)
    others = [option for option in space if option not in row]
    chance.shuffle(others)
    for option in others:
        values = chance.sample(space[option], len(space[option]))
        row[option] = max(values, key=lambda value: _new({**row, option: value}, missing))
    return {option: row[option] for option in space}


def matrix() -> dict[str, list[str]]:
    """For GitHub Actions."""
    return {"variant": list(rows())}


if __name__ == "__main__":
    print(json.dumps(matrix()))

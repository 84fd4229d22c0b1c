"""Search for a covering array of few rows: `make covering`. Writes tests/support/covering.json.

A greedy algorithm is faster but needs more rows, and each row takes minutes to build and test. This is simulated
annealing (Cohen, Gibbons, Mugridge, Colbourn: Constructing test suites for interaction testing, ICSE 2003).
"""

from __future__ import annotations

import json
import math
import random
import sys
from itertools import count

from tests.support import variants

TEMPERATURE = 0.22  # constant; higher values wander, lower ones stay in the first local minimum
STEPS = 6_000_000  # a minute or two


def search(number: int, seed: int) -> list[variants.Row] | None:
    """Return rows that, with the archetypes, are `number` rows and cover every pair of choices; None without success.

    Each step changes one choice of one row, but rarely if that loses pairs.
    """
    space, chance = variants.options(), random.Random(seed)
    choices = [(option, value) for option in space for value in space[option]]
    size = len(choices)
    values = [[choices.index((option, value)) for value in space[option]] for option in space]
    fixed = [variants.row_of(answers) for answers in variants.ARCHETYPES.values()]
    rows = [[choices.index(choice) for choice in row.items()] for row in fixed]
    rows += [[chance.choice(column) for column in values] for _ in range(number - len(fixed))]
    made = [0] * size**2  # the number of rows with choices a and b, at a * size + b and b * size + a
    for row in rows:
        for one in row:
            for other in row:
                made[one * size + other] += 1
    lost = sum(not made[choices.index(one) * size + choices.index(other)] for one, other in variants.all_pairs(space))
    for _ in range(STEPS):
        if not lost:
            return [{choices[choice][0]: choices[choice][1] for choice in row} for row in rows[len(fixed) :]]
        row, column = rows[chance.randrange(len(fixed), number)], chance.randrange(len(values))
        old, new = row[column], chance.choice(values[column])
        others = [other for other in row if other != old]
        more = sum((made[old * size + other] == 1) - (not made[new * size + other]) for other in others)
        if new == old or (more > 0 and chance.random() >= math.exp(-more / TEMPERATURE)):
            continue
        for other in others:
            for choice, change in ((old, -1), (new, 1)):
                made[choice * size + other] += change
                made[other * size + choice] += change
        row[column], lost = new, lost + more
    return None


def main() -> None:
    """Search for one row less until the search fails."""
    for number in count(len(variants.pairwise()) - 1, -1):
        print(f"looking for {number} rows", file=sys.stderr)
        rows = search(number, variants.SEED)
        if rows is None:
            break
        variants.FOUND.write_text("[\n" + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n]\n", "utf-8")


if __name__ == "__main__":
    main()

"""Pages "The package", "The statement" and "The linear proof": commitments root, shapes, layout."""

from itertools import pairwise
from typing import Any

from tests.vectors.proofs.one_account.encoding import merkle_root, need, tagged, word, written

WIDTHS = {1: (8, 2**63), 2: (7, 0), 3: (5, 2**39), 4: (8, 0), 5: (8, 0), 6: (8, 2**63), 7: (8, 0)}
ROW_WIDTHS = {1: 8, 2: 0}
PUBLIC, CHOSEN, SIGNED, MAXIMUM = (1, 2, 3), (4, 5, 7), (6,), 4


def check_roots(header: list[Any], statement: list[Any], domain: int, commitments: list[list[Any]]) -> bytes:
    digest = tagged("crossclear/risk-snapshot/v1", written(statement))
    root = merkle_root([word(account) + c_w for account, c_w in commitments])
    root = tagged("crossclear/commitments-root/v1", digest, word(domain), root)
    need(root == header[6], "roots", "WRONG_ROOT")
    need(statement[1] == header[7] and statement[1] < header[2], "roots", "WRONG_ROOT")
    need(statement[0] == header[0], "roots", "WRONG_NETWORK")
    need(statement[2] == header[11], "roots", "EPOCH_DIFFERS")
    need(1 <= statement[2] <= statement[1], "roots", "EPOCH_IMPOSSIBLE")
    need(len({c_w for _, c_w in commitments}) == len(commitments), "roots", "COMMITMENTS_EQUAL")
    return root


def check_shapes(statement: list[Any]) -> None:
    """The rules 1 to 4 of "Shapes", without those of a credit."""

    def good(what: bool) -> None:
        need(what, "statement", "BAD_STATEMENT")

    scenarios, groups, slots, rows = statement[4:8]
    kinds = [slot[1] for slot in slots]
    good(len({name for name, *_ in rows}) == len(rows))
    good(all(j < len(slots) for row in rows for j, _ in row[2]))
    maxima = [j for j, kind in enumerate(kinds) if kind == MAXIMUM]
    numbers = {len(maxima), len({slots[j][2] for j in maxima}), len(groups), len(set(groups))}
    good(len(numbers) == 1)
    losses = dict.fromkeys(maxima, 0)
    for _, kind, coefficients, constant, shortfall in rows:
        chosen = {j: a for j, a in coefficients if kinds[j] in CHOSEN}
        signed = [j for j, _ in coefficients if kinds[j] in SIGNED]
        if shortfall:
            good(not signed and not any(a > 0 for a in chosen.values()))
        elif chosen or signed:
            positive = [j for j, a in chosen.items() if a > 0]
            good(kind == 1 and len(positive) == 1)
            if positive[0] in losses and len(chosen) == 1:
                good(chosen[positive[0]] == 1 and not signed and constant <= 0)
                losses[positive[0]] += 1
    good(scenarios >= 1 and all(count == scenarios for count in losses.values()))
    charging = [row for row in rows if row[4] and any(kinds[j] in CHOSEN for j, _ in row[2])]
    good(len(charging) == 1 and charging[0][1] == 1 and charging[0][3] <= 0)
    good(len({a for j, a in charging[0][2] if kinds[j] in CHOSEN}) == 1)


class Layout:
    """Slots and rows with their widths, and the places of their digits."""

    def __init__(self, statement: list[Any], n: int) -> None:
        def good(what: bool) -> None:
            need(what, "statement", "BAD_LAYOUT")

        self.n, self.slots = n, [WIDTHS[slot[1]] for slot in statement[6]]
        self.rows = [(ROW_WIDTHS[kind], a, b, shortfall) for _, kind, a, b, shortfall in statement[7]]
        good(n in (256, 512, 1024, 2048) and 1 <= len(self.slots) <= n)
        for _, coefficients, constant, _ in self.rows:
            at = [j for j, _ in coefficients]
            good(all(a < b for a, b in pairwise(at)) and all(j < len(self.slots) for j in at))
            good(all(0 < abs(a) < 2**62 for _, a in coefficients) and abs(constant) < 2**63)
        self.places, column, position = [], 0, 0
        for width in [*(width for width, _ in self.slots), *(row[0] for row in self.rows)]:
            if width and position + width > n:
                column, position = column + 1, 0
            self.places.append((width, column, position) if width else (0, 0, 0))
            position += width
        self.columns = column + 1
        good(self.columns <= 16)

    def digest(self) -> bytes:
        places = [[column, position] for _, column, position in self.places]
        rows = [[width, coefficients, constant, counts] for width, coefficients, constant, counts in self.rows]
        table = [self.n, [list(slot) for slot in self.slots], rows, places]
        return tagged("crossclear/proofs/layout/v1", written(table))

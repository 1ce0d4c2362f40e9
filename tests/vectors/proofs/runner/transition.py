"""Page "The transition between epochs": what several packages of one network must agree on."""

from collections.abc import Sequence
from typing import Any

from tests.vectors.proofs.runner.verify import failed_check, read

DELAYED = 4_096
Token = tuple[int, bytes, bytes]


class Entry:
    """A package that passes every check."""

    def __init__(self, data: bytes) -> None:
        parts = read(data)
        header, stated = parts["header"], parts["statement"]
        self.height, self.epoch = stated["height"], stated["epoch"]
        self.accounts = {account for account, _ in parts["commitments"]}
        self.withdrawals, self.flows = header["withdrawals_count"], {}
        self.deposits: dict[tuple[int, bytes], int] = {}
        for cursor in header["deposit_cursors"]:
            vault = cursor["chain_id"], cursor["vault"]
            self.deposits[vault] = self.deposits.get(vault, 0) + cursor["nonce"]
        for term in stated["custody"]:
            self.flows[term["chain_id"], term["vault"], term["token"]] = flow(term)


def flow(term: dict[str, Any]) -> dict[str, int]:
    """Section "Entries"."""
    names = ("deposited", "withdrawn", "released", "later", "strays", "dust")
    amounts = {name: int.from_bytes(term[name], "big") for name in names}
    return {
        "claims": term["held"] * term["unit"],
        "counted": amounts["deposited"] - amounts["later"],
        "given_out": amounts["withdrawn"] + amounts["released"],
        "unpaid": amounts["released"],
        "strays": amounts["strays"],
        "dust": amounts["dust"],
        "unit": term["unit"],
    }


def judged(packages: Sequence[bytes]) -> tuple[list[str], list[list[str]]]:
    """The codes that refuse a history, and the movements: epochs, token, claims before and after, and differences."""
    by_epoch: dict[int, Entry] = {}
    for entry in sorted(map(Entry, filter(lambda data: not failed_check(data)[0], packages)), key=lambda e: e.height):
        by_epoch.setdefault(entry.epoch, entry)
    codes: set[str] = set()
    movements: list[list[str]] = []
    last: dict[Token, tuple[Entry, dict[str, int]]] = {}
    for entry in by_epoch.values():
        for token, (_, before) in last.items():
            if token not in entry.flows and (before["counted"] or before["given_out"]):
                codes.add("TOKEN_LEFT_OUT")
        for token, after in entry.flows.items():
            events = entry.deposits.get(token[:2], 0) + entry.withdrawals + DELAYED + 1
            if after["dust"] > (after["unit"] - 1) * events:
                codes.add("CLAIMS_UNEXPLAINED")
            if token in last:
                earlier, before = last[token]
                difference = {name: after[name] - before[name] for name in after}
                codes |= bounds(difference, before)
                names = ("counted", "given_out", "strays", "dust")
                numbers = [before["claims"], after["claims"], *(difference[name] for name in names)]
                place = [str(earlier.epoch), str(entry.epoch), str(token[0]), token[1].hex(), token[2].hex()]
                movements.append([*place, *map(str, numbers)])
            last[token] = entry, after
    return sorted(codes | accounts([entry.accounts for entry in by_epoch.values()])), movements


def bounds(difference: dict[str, int], before: dict[str, int]) -> set[str]:
    """Section "Bounds of the flows", 1 to 4."""
    came = max(difference["counted"], 0) + before["unpaid"]
    grown = difference["strays"] > came
    grown = grown or (not difference["unit"] and difference["dust"] > came + before["strays"])
    return {"CLAIMS_UNEXPLAINED"} if grown or difference["counted"] < 0 or difference["dust"] < 0 else set()


def accounts(lists: Sequence[set[int]]) -> set[str]:
    """Section "Accounts"."""
    for at in range(1, len(lists) - 1):
        if (set().union(*lists[:at]) & set().union(*lists[at + 1 :])) - lists[at]:
            return {"ACCOUNT_RETURNED"}
    return set()

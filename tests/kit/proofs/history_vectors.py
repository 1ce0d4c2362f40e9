"""Frozen histories: packages of epochs in a row, honest and hiding, and what a verifier finds in each choice of them.

`python -m tests.kit.proofs.history_vectors` writes the files that are not there, and the list and the sums anew.
"""

import hashlib
import json
from typing import Any

import msgspec

from clearing.base.codec import u256
from proofs.history.package_history import PackageHistory
from proofs.history.transition import Movement
from tests.kit.proofs.counted import SUMS, VECTORS, counted_scalars
from tests.kit.proofs.hidden_claims import HIDDEN, holdings_of, package_of, shot_of
from tests.kit.proofs.write_vectors import write_missing

FOLDER = VECTORS.parent / "histories"
LIST = "vectors.json"
LABELS = ("later", "strays", "dust", "released")
CODES = ("CLAIMS_UNEXPLAINED", "TOKEN_LEFT_OUT", "ACCOUNT_RETURNED")
HISTORIES = {
    "honest": ("nothing", "epoch-4", "epoch-5", "epoch-6"),
    "with-a-gap": ("nothing; one epoch is missing", "epoch-4", "epoch-6"),
    "called-later": ("claims are deposits not counted yet in epoch 5", "epoch-4", "later-5", "epoch-6"),
    "called-strays": ("claims are strays in epoch 5", "epoch-4", "strays-5", "epoch-6"),
    "called-dust": ("claims are dust in epoch 5", "epoch-4", "dust-5", "epoch-6"),
    "called-withdrawals": ("claims are withdrawals in epoch 5 that come back", "epoch-4", "released-5", "epoch-6"),
    "account-closed": ("nothing; account 7 has withdrawn all and is closed", "epoch-4", "closed-5"),
    "account-left-out": ("account 7 is not listed in epoch 5", "epoch-4", "closed-5", "epoch-6"),
    "token-left-out": ("the second token of cash has no term in epoch 5", "epoch-4", "one-token-5", "epoch-6"),
}


def files() -> dict[str, bytes]:
    """Each package by its name."""

    def made(epoch: int, *said: Any, **changes: Any) -> bytes:
        return package_of(epoch, *said, scalars=counted_scalars(), **changes)

    poorer = holdings_of(cash=-HIDDEN)
    first, second, third = shot_of(5, holdings_of()).statement.custody
    # All cash is in one vault, which took in what the other had.
    more = second.held * second.unit
    counters = {name: u256(int.from_bytes(getattr(first, name), "big") + more) for name in ("deposited", "balance")}
    whole = msgspec.structs.replace(first, held=first.held + second.held, **counters)
    found = {f"epoch-{epoch}.ccp": made(epoch, holdings_of()) for epoch in (4, 5, 6)}
    found |= {f"{label}-5.ccp": made(5, poorer, label) for label in LABELS}
    found["closed-5.ccp"] = made(5, holdings_of(idle=False), "released")
    found["one-token-5.ccp"] = made(5, holdings_of(), custody=(whole, third))
    return found


def moved(movement: Movement) -> list[str]:
    """A movement as the list has it."""
    chain_id, vault, token = movement.place
    numbers = (movement.claims_before, movement.claims_after, movement.deposits, movement.withdrawals)
    place = (movement.from_epoch, movement.to_epoch, chain_id)
    return [*map(str, place), vault.hex(), token.hex(), *map(str, (*numbers, movement.strays, movement.dust))]


def found_in(names: tuple[str, ...]) -> tuple[list[str], list[list[str]]]:
    """The codes of the transition, and the movements, that the verifier finds in these files."""
    history = PackageHistory()
    for name in names:
        history.add(name, (FOLDER / f"{name}.ccp").read_bytes())
    verdict = history.finish()
    codes = sorted({finding.code.name for finding in verdict.findings} & set(CODES))
    return codes, [moved(each) for each in verdict.movements]


def write() -> None:
    """See above."""
    FOLDER.mkdir(exist_ok=True)
    write_missing(FOLDER, files())
    vectors = []
    for name, (changed, *packages) in HISTORIES.items():
        codes, movements = found_in(tuple(packages))
        listed = {"name": name, "changed": changed, "packages": packages, "codes": codes, "movements": movements}
        vectors.append(listed)
    content = {"format": "crossclear-proof-histories/1", "vectors": vectors}
    (FOLDER / LIST).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    paths = sorted(each for each in FOLDER.iterdir() if each.name != SUMS)
    sums = [f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in paths]
    (FOLDER / SUMS).write_text("".join(sums))


if __name__ == "__main__":
    write()

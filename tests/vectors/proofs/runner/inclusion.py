"""Page "Further proofs": commitment, inclusion, signed answer; page "The statement": auxiliary values."""

import hmac
from dataclasses import dataclass
from typing import Any

from tests.vectors.proofs.runner import ed25519
from tests.vectors.proofs.runner.encoding import P, Reader, Refused, need, packed, tagged, word
from tests.vectors.proofs.runner.prover import commit
from tests.vectors.proofs.runner.statement import PUBLIC, bounds_of, kinds_of, slots_of


def epoch_seed(root: bytes, account: int, epoch: int) -> bytes:
    return tagged("crossclear/epoch-seed/v1", root, word(account), word(epoch))


def blinder(seed: bytes, statement: dict[str, Any], account: int, owner: bytes, i: int) -> int:
    info = b"crossclear/proofs/blinder/v2" + statement["network"] + word(account) + bytes(12) + owner
    info += word(statement["epoch"]) + statement["state_root"] + word(0) + word(i)
    key = hmac.digest(bytes(32), seed, "sha256")
    first = hmac.digest(key, info + b"\x01", "sha256")
    return int.from_bytes(first + hmac.digest(key, first + info + b"\x02", "sha256"), "big") % P


def all_values(statement: dict[str, Any], public: dict[int, int]) -> dict[int, int]:
    """Values of all slots: those of public ones are given."""
    kinds, bounds, values = kinds_of(statement), bounds_of(statement), dict(public)
    behind = {tail: bound for own in bounds.values() for bound in own if bound.above for tail in bound.signed}
    left = [j for j in range(len(kinds)) if j not in values]

    def of_public(bound: Any) -> int:
        return -bound.constant - sum(a * values[slot] for slot, a in bound.public.items())

    while left:
        for j in left:
            if kinds[j] == "AUXILIARY_SIGNED":
                own, rest = behind[j], behind[j].whole
                losses = sorted(((of_public(bounds[u][0]), count) for u, count in own.above.items()), reverse=True)
                for loss, count in losses:
                    rest -= count
                    if rest <= 0:
                        values[j] = loss
                        break
            elif all(slot in values for bound in bounds[j] for slot in (*bound.above, *bound.signed)):
                found = [0]
                for bound in bounds[j]:
                    needed = of_public(bound) + sum(a * values[slot] for slot, a in bound.above.items())
                    needed -= sum(a * values[slot] for slot, a in bound.signed.items())
                    found.append(-(-needed // bound.whole))
                values[j] = max(found)
        before, left = len(left), [j for j in left if j not in values]
        need(len(left) < before, "BAD_STATEMENT", "a circle")
    return values


def opening(
    statement: dict[str, Any], account: int, owner: bytes, seed: bytes, holdings: dict[str, int]
) -> tuple[list[int], list[int]]:
    """Values of all slots and the two blinders, by holdings (names of slots; 0 where none is named), owner and the
    epoch's seed."""
    names = {slot["name"]: j for j, slot in enumerate(statement["slots"])}
    public = dict.fromkeys(slots_of(statement, *PUBLIC), 0)
    public |= {names[name]: value for name, value in holdings.items()}
    values = all_values(statement, public)
    hiding = [blinder(seed, statement, account, owner, i) for i in (0, 1)]
    return [values[j] for j in range(len(statement["slots"]))], hiding


@dataclass(frozen=True)
class Own:
    """What a member knows of its account; holdings by names of slots, 0 where none is named."""

    account: int
    owner: bytes
    seed: bytes
    holdings: dict[str, int]


def check(statement: dict[str, Any], commitments: list[tuple[int, bytes]], n: int, own: Own) -> None:
    """Check `inclusion`."""
    listed = dict(commitments)
    need(own.account in listed, "NOT_INCLUDED", "account")
    found = commit(*opening(statement, own.account, own.owner, own.seed, own.holdings), n)
    need(found == listed[own.account], "NOT_INCLUDED", "commitment")


def read_answer(data: bytes) -> dict[str, Any]:
    need(len(data) <= 2**20, "OVERSIZE", "answer")
    answer: dict[str, Any] = Reader(data).whole("`SignedInclusion`")
    need(packed(answer) == data, "NON_CANONICAL", "answer")
    names = [name for name, _ in answer["holdings"]]
    need(names == sorted(set(names)), "MALFORMED", "holdings in order, each slot once")
    return answer


def check_signature(answer: dict[str, Any]) -> None:
    digest = tagged("crossclear/inclusion-answer/v1", packed(answer | {"signature": bytes(64)}))
    need(ed25519.verify(answer["signer"], digest, answer["signature"]), "BAD_ANSWER", "signature")


def contradiction(
    answer: dict[str, Any], statement: dict[str, Any], commitments: list[tuple[int, bytes]], n: int
) -> str:
    """How an answer and a certified package contradict each other; empty where they do not."""
    same = (answer["network"], answer["epoch"]) == (statement["network"], statement["epoch"])
    need(same, "BAD_ANSWER", "epoch")
    if answer["height"] != statement["height"]:
        return "height"
    listed = dict(commitments)
    if answer["account"] not in listed:
        return "account"
    named = dict(map(tuple, answer["holdings"]))
    if not set(named) <= {statement["slots"][j]["name"] for j in slots_of(statement, *PUBLIC)}:
        return "holdings"
    try:
        found = commit(*opening(statement, answer["account"], answer["owner"], answer["seed"], named), n)
    except Refused:
        return "holdings"
    return "" if found == listed[answer["account"]] else "commitment"

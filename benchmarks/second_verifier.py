"""The verifier in TypeScript on a package of many accounts: time of the whole, and of the own leaf, wall and CPU.

Run `python -m benchmarks.second_verifier [accounts]` at the top of the repository; by default 100 accounts. The package
has rows of every kind over the domain that networks use (n = 2048), the default fund and the house. First: in a Node
process that has just started, as in a page that was just opened; again: in the same process. Median, with extremes in
brackets. CPU time stands beside the wall time: on a machine that others use, too, it is the figure to compare. The last
line is a file of 57 MiB with a million commitments and an empty proof, which is refused by its lengths.
"""

import random
from typing import Any

import msgspec

from benchmarks.figures import Figure, of_times, print_measured
from clearing.margin.statement.snapshot import RiskSnapshot
from devnet.toolchain import install_browser
from tests.kit.proofs import small_market, stressed
from tests.kit.proofs.browser_page import GOOD
from tests.kit.proofs.second_verifier import SecondVerifier
from tests.kit.proofs.write_vectors import EVERY_RULE

ACCOUNTS, REPETITIONS = 100, 5
COMMITMENTS, PROOF = 7, 8
GOALS = {"the whole package": "< 3", "the own leaf": "< 1"}


def snapshot_of_many(count: int) -> RiskSnapshot:
    """Accounts with positions in every instrument, two a member, under every rule."""
    chance = random.Random(0)
    vectors = {
        account: (10**12, chance.randrange(2 * 10**6), *(chance.randrange(-100, 100) for _ in range(3)))
        for account in range(1, count)
    }
    members = {account: 1 + account // 2 for account in vectors}
    rulebook = msgspec.structs.replace(stressed.RULEBOOK, parameters=EVERY_RULE)
    return stressed.snapshot_of(vectors, members, rulebook)


def package_of_many(shot: RiskSnapshot) -> bytes:
    keys = stressed.seeds_of([each.account for each in shot.accounts])
    return small_market.honest(shot, keys, size=2048)


def own_of(shot: RiskSnapshot) -> dict[str, Any]:
    """The last account, as its owner would name it."""
    account = shot.accounts[-1]
    names = [slot.name for slot in shot.statement.slots]
    holdings = {name: str(value) for name, value in zip(names, account.values, strict=False) if value}
    seed = stressed.seeds_of([each.account for each in shot.accounts])[account.account]
    return {"account": str(account.account), "owner": account.owner.hex(), "seed": seed.hex(), "holdings": holdings}


def figures(*, quick: bool = False) -> list[Figure]:
    """Of the number of accounts that the goal is about, or of a few."""
    return measured(10 if quick else ACCOUNTS)


def measured(count: int) -> list[Figure]:
    """Seconds of the whole and of the own leaf."""
    install_browser()
    shot = snapshot_of_many(count)
    package, own = package_of_many(shot), own_of(shot)
    runs: dict[str, list[dict[str, Any]]] = {"first": [], "again": []}
    for _ in range(REPETITIONS):
        with SecondVerifier() as second:
            for name in runs:
                verdict = second.ask(file=package, own=own)
                if not verdict["ok"]:
                    raise AssertionError(verdict["checks"][-1])
                runs[name].append(verdict)
    figures = [Figure(f"bytes of {count} accounts", len(package), "bytes")]
    for name, verdicts in runs.items():
        parts = {
            "the whole package": [sum(verdict["seconds"].values()) for verdict in verdicts],
            "the own leaf": [verdict["seconds"]["inclusion"] for verdict in verdicts],
            "CPU of the whole package": [sum(verdict["cpu_of_checks"].values()) for verdict in verdicts],
            "CPU of the own leaf": [verdict["cpu_of_checks"]["inclusion"] for verdict in verdicts],
        }
        figures += [
            of_times(f"{what}, {name}", values, unit="s", goal=GOALS.get(what, "")) for what, values in parts.items()
        ]
    return [*figures, *_of_lengths()]


def _of_lengths() -> list[Figure]:
    """Seconds until a huge file is refused by the check `sizes`."""
    tree = msgspec.msgpack.decode((GOOD / "three-accounts.ccp").read_bytes())
    tree[COMMITMENTS] = [[account, bytes(48)] for account in range((57 << 20) // 56)]
    tree[PROOF] = b""
    huge = msgspec.msgpack.encode(tree)
    with SecondVerifier() as second:
        verdicts = [second.ask(file=huge) for _ in range(REPETITIONS)]
    if any(verdict["refusal"]["check"] != "sizes" for verdict in verdicts):
        raise AssertionError(verdicts[0]["refusal"])
    parts = {"": "seconds", "CPU of ": "cpu_of_checks"}
    return [
        of_times(
            f"{part}57 MiB with an empty proof, refused",
            [sum(verdict[field].values()) for verdict in verdicts],
            unit="s",
            goal="" if part else "< 1",
        )
        for part, field in parts.items()
    ]


if __name__ == "__main__":
    print_measured(measured, ACCOUNTS)

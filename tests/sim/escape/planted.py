"""Faults put into the vault on purpose: a search that does not find them looks for nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bridge.contracts import FOLDER
from tests.mutation.compiler import sound_artifacts
from tests.mutation.killing import Bench
from tests.sim.escape.story import failures


@dataclass(frozen=True)
class Plant:
    """What a line of the vault says, and what it says with the fault."""

    file: str
    sound: str
    planted: str

    def source(self) -> str:
        """The whole file with the fault."""
        text = (FOLDER / "src" / self.file).read_text(encoding="utf-8")
        if text.count(self.sound) != 1:
            raise ValueError(f"{self.file} has {text.count(self.sound)} times: {self.sound}")
        return text.replace(self.sound, self.planted)


def _in_escape(sound: str, planted: str) -> Plant:
    return Plant("Escape.sol", sound, planted)


PLANTED = {
    "unmarked": _in_escape("known.paid += due;", ""),
    "uncounted": _in_escape("dues.paid += due;", ""),
    "total-twice": _in_escape("exit.seniors.settled += known.net;", "exit.seniors.settled += 2 * known.net;"),
    "debt-twice": _in_escape("(debt.open - open, debt.borne - borne);", "(debt.open - open, debt.borne);"),
    "no-room": _in_escape("i < count && borne < amount;", "i < 0;"),
    "cursor": _in_escape("nonce <= exit.depositCursor", "nonce < exit.depositCursor"),
    "first-come": _in_escape("Math.mulDiv(known.net, pool, all)", "Math.min(known.net, pool)"),
    "shown-twice": _in_escape("|| isShown(nonce)) continue;", ") continue;"),
    "paid-before": _in_escape("if (isPaid(leaf.number)) return leaf.amount;", ""),
    "held-back": _in_escape("return _isLate() ? exit.seniors.settled :", "return"),
    "given-back": _in_escape(">= uint256(_latest.trustedAt) + CLOCK_SKEW) return 0;", ">= 0) return 0;"),
    "new-token": _in_escape("Math.saturatingSub(deposited[token], counted)", "0"),
    "return": Plant("Checkpoints.sol", "escapeFrom: isBack ? 0 : escape,", "escapeFrom: escape,"),
}
"""By name."""


def find(names: Iterable[str], seeds: range) -> Iterator[tuple[str, tuple[int, str] | None]]:
    """Each fault with the first seed that finds it, and what that says. This process deploys the faults from then
    on."""
    bench = Bench(sound_artifacts())
    for name in names:
        plant = PLANTED[name]
        bench.deploy(bench.compiled(plant.file, plant.source()))
        yield name, next(failures(seeds), None)

"""Adversaries by name, as seeds and manifests call them."""

from tests.kit.adversaries.context import Adversary, AdversaryContext
from tests.kit.adversaries.forgers import Forger, Impersonator
from tests.kit.adversaries.hosts import DiskCorrupting, Hider, Slow
from tests.kit.adversaries.splitters import LockSplitter
from tests.kit.adversaries.twins import Twins
from tests.kit.adversaries.voters import Amnesiac, BadShare, ClockSkewed, DoubleVoter, Equivocator, Nuller, Sleeper

ADVERSARIES: dict[str, type[Adversary]] = {
    "equivocator": Equivocator,
    "double-voter": DoubleVoter,
    "nuller": Nuller,
    "sleeper": Sleeper,
    "lock-splitter": LockSplitter,
    "bad-share": BadShare,
    "amnesiac": Amnesiac,
    "forger": Forger,
    "impersonator": Impersonator,
    "twins": Twins,
    "slow": Slow,
    "hider": Hider,
    "clock-skewed": ClockSkewed,
    "disk-corrupting": DiskCorrupting,
}


def make_adversary(name: str, context: AdversaryContext) -> Adversary:
    """The adversary of this name. Raises KeyError."""
    return ADVERSARIES[name](context)

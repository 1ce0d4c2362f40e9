"""`WatchedChain`: what the adapter must know of a chain, from genesis and the node's configuration.

Rule: data only. What must be equal on all validators (vault, tokens, stride) comes from genesis. When a block is final
is each validator's own: the tag and the depth of the chain's profile, deeper if the operator says so, and the quorum of
its endpoints.
"""

from dataclasses import dataclass

from bridge.codes import BridgeCode
from clearing.base.errors import LocalFault
from clearing.base.evm.storage import BalanceLocation


@dataclass(frozen=True, slots=True)
class FinalityPolicy:
    """A block is final when its number is at most the endpoint's `tag` block and at least `depth` under its head,
    as `quorum` endpoints report."""

    quorum: int
    tag: str = "finalized"
    depth: int = 0


@dataclass(frozen=True, slots=True)
class LogRange:
    """Blocks that one `eth_getLogs` asks for: `start` at first, never more than `most`."""

    start: int = 2_000
    most: int = 10_000


@dataclass(frozen=True, slots=True)
class WatchedChain:
    """One vault on one chain. `tokens` are those whose custody is reported; 20 zero bytes are the native coin."""

    chain_id: int
    vault: bytes
    deployment_block: int
    """The block that created the vault, 1 or more."""
    tokens: tuple[bytes, ...]
    finality: FinalityPolicy
    custody_stride: int = 32
    poll_seconds: float = 0.25
    blooms: bool = True
    """Whether headers carry true log blooms. Where they don't, candidate blocks are found by `eth_getLogs` only."""
    balances: tuple[BalanceLocation, ...] = ()
    """Where each of `tokens` keeps balances; empty: none is known."""
    sight_depth: int = 0
    """Deposits this many blocks under the head are reported before they are final, for soft credit; 0: none are."""
    logs: LogRange = LogRange()

    def __post_init__(self) -> None:
        addresses = (self.vault, *self.tokens)
        good = len(self.balances) in (0, len(self.tokens)) and all(len(address) == 20 for address in addresses)
        if self.deployment_block < 1 or self.custody_stride < 1 or not good:
            raise LocalFault(
                BridgeCode.WRONG_CHAIN,
                "chain",
                chain_id=self.chain_id,
                deployment_block=self.deployment_block,
                custody_stride=self.custody_stride,
            )

    def balances_of(self, token: bytes) -> BalanceLocation:
        """Where a token keeps balances."""
        return dict(zip(self.tokens, self.balances, strict=False)).get(token, BalanceLocation())

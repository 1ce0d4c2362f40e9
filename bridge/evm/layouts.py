"""Layouts: what each family of chains hashes into a header and a receipt. A new family is added here and nowhere else.

Rule: a layout is data: which fields are hashed, in which order. Nothing that a layout does not have is guessed: the
hash or the root then differs, and the block is refused. Sources: yellow paper 4.3.1 and 4.3.3, EIP-2718, and the header
and receipt types of each client, which is named at its layout.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

EXTRA_DATA_MAX = 1024
"""Bytes of extra data where a chain states no limit. Proof-of-authority chains put a 65-byte seal there."""
DATA = -1
"""Stands for the size of bounded bytes."""
QUANTITY = 0
"""Stands for the size of an integer, which is hashed without leading zeros."""

HeaderField = tuple[str, int]
"""Its name in JSON-RPC, and its size in bytes, QUANTITY or DATA."""

FIRST_FIELDS: tuple[HeaderField, ...] = (
    ("parentHash", 32),
    ("sha3Uncles", 32),
    ("miner", 20),
    ("stateRoot", 32),
    ("transactionsRoot", 32),
    ("receiptsRoot", 32),
    ("logsBloom", 256),
    ("difficulty", QUANTITY),
    ("number", QUANTITY),
    ("gasLimit", QUANTITY),
    ("gasUsed", QUANTITY),
    ("timestamp", QUANTITY),
    ("extraData", DATA),
    ("mixHash", 32),
    ("nonce", 8),
)
"""With these every header begins, on every chain."""

_BASE_FEE: HeaderField = ("baseFeePerGas", QUANTITY)  # EIP-1559
_BLOBS: tuple[HeaderField, ...] = (
    ("blobGasUsed", QUANTITY),  # EIP-4844
    ("excessBlobGas", QUANTITY),  # EIP-4844
    ("parentBeaconBlockRoot", 32),  # EIP-4788
)

HEADERS: Mapping[str, tuple[HeaderField, ...]] = MappingProxyType(
    {
        # go-ethereum, core/types/block.go. The last two come with the fork after Osaka, Amsterdam.
        "ethereum": (
            _BASE_FEE,
            ("withdrawalsRoot", 32),  # EIP-4895
            *_BLOBS,
            ("requestsHash", 32),  # EIP-7685
            ("blockAccessListHash", 32),  # EIP-7928
            ("slotNumber", QUANTITY),  # EIP-7843
        ),
        # Arbitrum Nitro, bor and Scroll's l2geth stopped at London's header; later forks there append nothing.
        "london": (_BASE_FEE,),
        # coreth, plugin/evm/customtypes/header_ext.go. What follows minDelayExcess comes with the fork Helicon.
        "avalanche": (
            ("extDataHash", 32),
            _BASE_FEE,
            ("extDataGasUsed", QUANTITY),
            ("blockGasCost", QUANTITY),
            *_BLOBS,
            ("timestampMilliseconds", QUANTITY),
            ("minDelayExcess", QUANTITY),
            ("targetExponent", QUANTITY),
            ("minPriceExponent", QUANTITY),
            ("settledHeight", QUANTITY),
            ("settledGasUnix", QUANTITY),
            ("settledGasNumerator", QUANTITY),
            ("settledExcess", QUANTITY),
        ),
    }
)
"""What follows the first fields. A fork appends fields, so the first that is absent ends the header."""


@dataclass(frozen=True, slots=True)
class HeaderLayout:
    """The fields after the first ones, in the order in which they are hashed, and a limit on the extra data."""

    appended: tuple[HeaderField, ...] = HEADERS["ethereum"]
    extra_data_max: int = EXTRA_DATA_MAX


@dataclass(frozen=True, slots=True)
class ReceiptLayout:
    """`kinds`: each receipt type, and the quantities that it may hash after its logs, all of them or none."""

    kinds: Mapping[int, tuple[str, ...]]
    state_roots: bool = False
    """Whether the oldest receipts have a state root in place of a status (before EIP-658)."""
    unhashed_tag: bytes = b""
    """Where it is not empty, `eth_getBlockReceipts` may list a receipt that is not under the root: the one whose
    transaction hash is Keccak of the tag, the block's number as 8 bytes, and the block's hash."""


_PLAIN = {0: (), 1: (), 2: (), 3: (), 4: ()}
"""Legacy, EIP-2930, EIP-1559, EIP-4844 and EIP-7702."""
_OPTIMISM = _PLAIN | {0x7E: ("depositNonce", "depositReceiptVersion")}

RECEIPTS: Mapping[str, ReceiptLayout] = MappingProxyType(
    {
        "ethereum": ReceiptLayout(_PLAIN, state_roots=True),
        # Nitro, core/types/arb_types.go: deposit, unsigned, contract, retry, submit retryable, internal, legacy.
        "arbitrum": ReceiptLayout(_PLAIN | dict.fromkeys((0x64, 0x65, 0x66, 0x68, 0x69, 0x6A, 0x78), ())),
        # OP stack, specs/protocol/deposits.md: a deposit's nonce is hashed from Canyon on, together with the version.
        "optimism": ReceiptLayout(_OPTIMISM),
        # base/base: EIP-8130 transactions. Their phase statuses are in RPC answers only.
        "base": ReceiptLayout(_OPTIMISM | {0x79: ()}),
        # bor: PIP-74 puts the state-sync receipt under the root as type 0x7f. Before it, RPC answers alone had it.
        "polygon": ReceiptLayout(_PLAIN | {0x7F: ()}, unhashed_tag=b"matic-bor-receipt-"),
        # Scroll's l2geth: an L1 message has type 0x7e, and, unlike a deposit of the OP stack, no field of its own.
        "scroll": ReceiptLayout(_PLAIN | {0x7E: ()}),
    }
)


@dataclass(frozen=True, slots=True)
class ChainLayout:
    """Everything that reading a chain's headers and receipts depends on."""

    header: HeaderLayout = HeaderLayout()
    receipts: ReceiptLayout = field(default=RECEIPTS["ethereum"])


ETHEREUM = ChainLayout()
"""Ethereum's, with room for a seal in the extra data: what development chains have too."""

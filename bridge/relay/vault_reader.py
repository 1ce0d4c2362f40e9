"""What a vault says of itself, through one endpoint of its chain: its bindings, its state, and its code.

Rule: it only reads. One endpoint is believed; who needs more asks several.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.contracts import escape, vault
from bridge.contracts.deploy import VaultAsset
from bridge.contracts.escape import EscapeStage, EscapeTimes
from bridge.contracts.stored_set import stored_set_hash
from bridge.contracts.vault import Checkpoint
from bridge.evm.hexadecimal import hex_data, malformed, read_data, read_object, read_quantity
from bridge.rpc.endpoint import Endpoint, view_call

WORD_BYTES = 32
NEWEST_BLOCK: tuple[object, ...] = ("latest", False)
"""Its header, without its transactions."""
_SETTINGS = (vault.NETWORK, vault.VERIFIER, vault.TRUSTING_PERIOD, vault.PAUSE_PERIOD, vault.WRAPPED_NATIVE)


@dataclass(frozen=True, slots=True)
class VaultBindings:
    """What never changes, and the guardian, which the network or the cold quorum replaces. Periods in seconds."""

    network: bytes
    verifier: bytes
    extension: bytes
    guardian: bytes
    trusting_s: int
    pause_s: int
    wrapped_native: bytes


@dataclass(frozen=True, slots=True)
class TrustedSet:
    """Hash of the set that the vault follows, and of the one whose keys it has: empty while they are not installed,
    `NO_SET` when they contradict themselves."""

    hash: bytes
    keys_hash: bytes


@dataclass(frozen=True, slots=True)
class VaultStanding:
    """The state of a vault. Times in seconds; `now`: of the newest block."""

    now: int
    checkpoint: Checkpoint
    times: EscapeTimes
    paused_until: int
    deposit_nonce: int
    orders_from: int
    """Orders of the network before this leaf of the withdrawals tree are void: one that it followed, too."""

    @property
    def stage(self) -> EscapeStage:
        """Of its escape."""
        return self.times.stage(self.now)

    @property
    def is_paused(self) -> bool:
        """Whether the guardian's pause lasts."""
        return self.now < self.paused_until and not self.is_frozen

    @property
    def is_frozen(self) -> bool:
        """Whether conflicting headers were shown to it."""
        return self.paused_until == vault.FROZEN_S


@dataclass(frozen=True, slots=True)
class TokenCounters:
    """What the vault took and paid since its deployment, and has, of a token; in base units."""

    deposited: int
    withdrawn: int
    balance: int

    @property
    def owed(self) -> int:
        """What it has to have."""
        return self.deposited - self.withdrawn


class VaultReader:
    """One vault, through one endpoint. Everything raises RemoteFault for an endpoint's faults."""

    def __init__(self, endpoint: Endpoint, at: bytes) -> None:
        self._endpoint = endpoint
        self._at = at

    async def code(self, at: bytes) -> bytes:
        """The code at an address."""
        return read_data(await self._endpoint.call("eth_getCode", hex_data(at), "latest"), "eth_getCode")

    async def bindings(self) -> VaultBindings:
        """Its bindings. They are only as true as its code."""
        settings = await self._calls(*_SETTINGS)
        extension, guardian = await self._words(vault.EXTENSION, vault.GUARDIAN)
        network, verifier, trusting, pause, wrapped = map(_one_word, settings)
        return VaultBindings(
            network,
            _address(verifier),
            _address(extension),
            _address(guardian),
            _number(trusting),
            _number(pause),
            _address(wrapped),
        )

    async def shares_settings(self, extension: bytes) -> bool:
        """Whether what its extension is bound to is the same. A constructor of ours ensures it."""
        own = await self._calls(*_SETTINGS)
        return own == await self._endpoint.views([view_call(extension, call) for call in _SETTINGS])

    async def trusted_set(self) -> TrustedSet:
        """The set that it follows; the hash of the keys is computed from the code in which they are kept."""
        set_hash, blob = await self._words(vault.VALIDATORS_HASH, vault.VALIDATORS_CODE)
        keys = await self.code(_address(blob)) if any(blob) else b""
        return TrustedSet(set_hash, stored_set_hash(keys) if keys else b"")

    async def standing(self) -> VaultStanding:
        """Its state."""
        latest, silent, begins, payments, paused, nonce, orders_from = await self._calls(
            vault.latest_call(),
            escape.SILENT_FROM,
            escape.ESCAPE_FROM,
            escape.PAYMENTS_FROM,
            vault.PAUSED_UNTIL,
            vault.DEPOSIT_NONCE,
            vault.ORDERS_FROM,
        )
        block = read_object(await self._endpoint.call("eth_getBlockByNumber", *NEWEST_BLOCK), "block")
        return VaultStanding(
            read_quantity(block.get("timestamp"), "timestamp"),
            vault.read_checkpoint(latest),
            EscapeTimes(*(_number(_one_word(word)) for word in (silent, begins, payments))),
            _number(_one_word(paused)),
            _number(_one_word(nonce)),
            _number(_one_word(orders_from)),
        )

    async def cold_nonce(self) -> int:
        """Of the cold quorum's next decision."""
        (nonce,) = await self._words(vault.COLD_NONCE)
        return _number(nonce)

    async def listing(self, token: bytes) -> VaultAsset:
        """Its terms of a token; a unit of 0: not listed."""
        (terms,) = await self._calls(vault.asset_call(token))
        if len(terms) != 2 * WORD_BYTES:
            raise malformed("assetOf", len(terms))
        unit, minimum = terms[:WORD_BYTES], terms[WORD_BYTES:]
        return VaultAsset(token, int.from_bytes(unit, "big"), int.from_bytes(minimum, "big"))

    async def counters(self, token: bytes) -> TokenCounters:
        """Its counters of a token."""
        answers = await self._endpoint.views(
            (
                view_call(self._at, vault.deposited_call(token)),
                view_call(self._at, vault.withdrawn_call(token)),
                view_call(token, vault.balance_of_call(self._at)),
            )
        )
        return TokenCounters(*(int.from_bytes(_one_word(word), "big") for word in answers))

    async def _words(self, *calls: bytes) -> Sequence[bytes]:
        return [_one_word(answer) for answer in await self._calls(*calls)]

    async def _calls(self, *calls: bytes) -> Sequence[bytes]:
        return await self._endpoint.views([view_call(self._at, call) for call in calls])


def _one_word(answer: bytes) -> bytes:
    if len(answer) != WORD_BYTES:
        raise malformed("eth_call", len(answer))
    return answer


def _address(word: bytes) -> bytes:
    if any(word[:12]):
        raise malformed("address", word.hex())
    return word[12:]


def _number(word: bytes) -> int:
    value = int.from_bytes(word, "big")
    if value >> 64:
        raise malformed("number", value)
    return value

"""The vault's functions as bytes: calls of it and of its tokens, and the arguments that they take.

Rule: the only module of the adapter that knows the vault's functions; tests compare it with the committed ABI.
Headers, certificates, validator sets and withdrawals are encoded as the vault takes them. Nothing is chosen
here: every byte follows from its argument. It knows no transport.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from eth_abi.abi import encode

from bridge.evm.hexadecimal import malformed
from clearing.base import bls
from clearing.base.certificate import Certificate
from clearing.base.codec import u256
from clearing.base.ecdsa_certificate import ROUND, EcdsaCertificate
from clearing.base.hashing import keccak256
from clearing.base.header import Header
from clearing.base.header_words import HeaderWords
from clearing.base.validators import ValidatorSet
from clearing.base.withdrawal_leaves import DEPTH, empty_subtree_root


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The newest header that a vault knows. `trusted_at` in seconds; `root_number` is that of `withdrawals_root`."""

    height: int
    withdrawals_count: int
    trusted_at: int
    root_number: int
    withdrawals_root: bytes
    exit_root: bytes
    history: bytes
    """Commits to every header that the vault accepted: `extended_history`."""


@dataclass(frozen=True, slots=True)
class VaultClaim:
    """One released withdrawal, as the vault takes it. `amount` in token base units."""

    nonce: int
    account: int
    token: bytes
    to: bytes
    amount: int
    not_after_s: int


@dataclass(frozen=True, slots=True)
class VaultOrder:
    """An order of the network to a vault: leaf `nonce` of the withdrawals tree names its guardian."""

    nonce: int
    guardian: bytes


def selector(signature: str) -> bytes:
    """The first four bytes of calldata for a function such as `balanceOf(address)`."""
    return keccak256(signature.encode("ascii"))[:4]


VaultCertificate: TypeAlias = Certificate | EcdsaCertificate
"""Of the vault's scheme."""
CertifiedHeader: TypeAlias = tuple[Header, VaultCertificate]
CERTIFICATE = "(uint32,uint256,bytes)"
"""The type of a certificate in calldata."""
_ZERO = bytes(32)
_EMPTY_ROOTS = frozenset(map(empty_subtree_root, range(DEPTH)))
CHECKPOINT_BYTES = 7 * 32
"""The answer to `latest_call`."""
CLAIM = "(uint64,uint64,address,address,uint256,uint64)"
"""The type of a withdrawal in calldata."""
DEPOSIT_NONCE = selector("depositNonce()")
DEPOSITED = selector("deposited(address)")
WITHDRAWN = selector("withdrawn(address)")
LATEST = selector("latest()")
IS_PAID = selector("isPaid(uint64)")
VALIDATORS_HASH = selector("validatorsHash()")
VALIDATORS_CODE = selector("validatorsCode()")
DEPOSIT = selector("deposit(address,uint256,uint64)")
CHECKPOINT = selector("checkpoint(bytes,(uint32,uint256,bytes))")
INSTALL_VALIDATORS = selector("installValidators(bytes)")
WITHDRAW = selector("withdraw((uint64,uint64,address,address,uint256,uint64),uint64,bytes32[])")
WITHDRAW_BATCH = selector("withdrawBatch((uint64,uint64,address,address,uint256,uint64)[],uint64,bytes32[])")
DEADLINE = selector("deadline(uint64)")
PAUSE = selector("pause()")
END_PAUSE = selector("endPause(bytes[])")
REPLACE_GUARDIAN = selector("replaceGuardian(address,bytes[])")
FOLLOW_ORDER = selector("followOrder(uint64,address,uint64,bytes32[])")
BALANCE_OF = selector("balanceOf(address)")
APPROVE = selector("approve(address,uint256)")
ALLOWANCE = selector("allowance(address,address)")
DEPOSIT_WITH_PERMIT = selector("depositWithPermit(address,uint256,uint64,uint256,uint8,bytes32,bytes32)")
DEPOSIT_NATIVE = selector("depositNative(uint64)")
ASSET_OF = selector("assetOf(address)")
NETWORK = selector("network()")
VERIFIER = selector("verifier()")
EXTENSION = selector("extension()")
GUARDIAN = selector("guardian()")
ORDERS_FROM = selector("ordersFrom()")
TRUSTING_PERIOD = selector("trustingPeriod()")
PAUSE_PERIOD = selector("pausePeriod()")
WRAPPED_NATIVE = selector("wrappedNative()")
COLD_NONCE = selector("coldNonce()")
PAUSED_UNTIL = selector("pausedUntil()")
FROZEN_S = 2**40 - 1
"""The end of a pause that only the settlement of a conflict ends."""
PERMIT_TYPE = keccak256(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")


def deposit_nonce_call() -> bytes:
    """How many deposits the vault took."""
    return DEPOSIT_NONCE


def deposited_call(token: bytes) -> bytes:
    """Base units of `token` credited since deployment."""
    return DEPOSITED + _word(token)


def withdrawn_call(token: bytes) -> bytes:
    """Base units of `token` paid out since deployment."""
    return WITHDRAWN + _word(token)


def latest_call() -> bytes:
    """The newest checkpoint; `read_checkpoint` reads the answer."""
    return LATEST


def is_paid_call(nonce: int) -> bytes:
    """Whether withdrawal `nonce` was paid by this vault: one word, 0 or 1."""
    return IS_PAID + u256(nonce)


def deadline_call(not_after_s: int) -> bytes:
    """The last second in which a withdrawal with this not-after is paid: one word, of any size while it is frozen."""
    return DEADLINE + u256(not_after_s)


def balance_of_call(owner: bytes) -> bytes:
    """ERC-20 balance."""
    return BALANCE_OF + _word(owner)


def approve_call(spender: bytes, amount: int) -> bytes:
    """ERC-20 approval of `amount` base units."""
    return APPROVE + _word(spender) + u256(amount)


def allowance_call(owner: bytes, spender: bytes) -> bytes:
    """ERC-20 allowance that `owner` gave `spender`."""
    return ALLOWANCE + _word(owner) + _word(spender)


def approval_calls(vault: bytes, allowance: int, amount: int) -> tuple[bytes, ...]:
    """Calls of a token after which the vault may take `amount`, out of the present allowance.

    Some tokens change an allowance to another than zero only from zero, so that it is set to zero before.
    """
    if allowance >= amount:
        return ()
    wanted = approve_call(vault, amount)
    return (approve_call(vault, 0), wanted) if allowance else (wanted,)


def asset_call(token: bytes) -> bytes:
    """The vault's terms of a token: base units in one clearing unit and in the least deposit; 0: not listed."""
    return ASSET_OF + _word(token)


def deposit_call(token: bytes, amount: int, account: int) -> bytes:
    """Pay `amount` base units in for a ledger account, out of the sender's allowance."""
    return DEPOSIT + _word(token) + u256(amount) + u256(account)


def deposit_native_call(account: int) -> bytes:
    """Pay the coin that is sent with the call in for a ledger account."""
    return DEPOSIT_NATIVE + u256(account)


def deposit_with_permit_call(token: bytes, amount: int, account: int, deadline: int, signature: bytes) -> bytes:
    """As `deposit_call`, with an allowance by `signature` of `permit_digest`: r, s, v. `deadline` in seconds."""
    r, s, v = signature[:32], signature[32:64], signature[64]
    terms = _word(token) + u256(amount) + u256(account) + u256(deadline)
    return DEPOSIT_WITH_PERMIT + terms + u256(v) + r + s


def permit_digest(domain: bytes, owner: bytes, spender: bytes, amount: int, nonce: int, deadline: int) -> bytes:
    """What an owner signs to allow `amount` (EIP-2612). `domain` and `nonce` as the token states them, `deadline` in
    seconds."""
    permit = PERMIT_TYPE + _word(owner) + _word(spender) + u256(amount) + u256(nonce) + u256(deadline)
    return keccak256(b"\x19\x01" + domain + keccak256(permit))


def checkpoint_call(header: Header, certificate: VaultCertificate) -> bytes:
    """Submit a certified header. Raises RemoteFault BAD_POINT when the aggregate is no point."""
    return CHECKPOINT + encode(("bytes", "(uint32,uint256,bytes)"), checkpoint_arguments(header, certificate))


def install_validators_call(validators: ValidatorSet) -> bytes:
    """Submit the keys of the set that a checkpoint rotated to."""
    return INSTALL_VALIDATORS + encode(("bytes",), (validators.words,))


def withdraw_call(claim: VaultClaim, root_number: int, siblings: Sequence[bytes]) -> bytes:
    """Claim one withdrawal under a certified root, by its siblings from the leaf up."""
    given = (claim_argument(claim), root_number, shortened(siblings))
    return WITHDRAW + encode((CLAIM, "uint64", "bytes32[]"), given)


def withdraw_batch_call(claims: Sequence[VaultClaim], root_number: int, siblings: Sequence[bytes]) -> bytes:
    """Claim several, ordered by nonce, under a certified root; `siblings` as `withdrawal_proof` gives them."""
    arguments = [claim_argument(claim) for claim in claims]
    return WITHDRAW_BATCH + encode((CLAIM + "[]", "uint64", "bytes32[]"), (arguments, root_number, shortened(siblings)))


def pause_call() -> bytes:
    """Lock the vault; only its guardian may."""
    return PAUSE


def end_pause_call(signatures: Sequence[bytes]) -> bytes:
    """End the pause under way, by the cold quorum's signatures in the order of their signers."""
    return END_PAUSE + encode(("bytes[]",), (list(signatures),))


def replace_guardian_call(guardian: bytes, signatures: Sequence[bytes]) -> bytes:
    """Give the guardian's place to another key, by the cold quorum."""
    return REPLACE_GUARDIAN + encode(("address", "bytes[]"), (guardian, list(signatures)))


def follow_order_call(nonce: int, guardian: bytes, root_number: int, siblings: Sequence[bytes]) -> bytes:
    """The same, by an order of the network, under a certified root."""
    given = (nonce, guardian, root_number, shortened(siblings))
    return FOLLOW_ORDER + encode(("uint64", "address", "uint64", "bytes32[]"), given)


ERRORS_OF_ALL_CLAIMS = frozenset(map(selector, ("IsPaused(uint64)", "IsFrozen(uint64)", "UnknownRoot(uint64,uint64)")))
"""Selectors of errors that say nothing of the withdrawal claimed."""
_BATCH_GAS = 400_000
_PAYMENT_GAS = 170_000
"""The vault's `PAYMENT_GAS` and what surrounds a payment."""


def batch_gas(claims: int) -> int:
    """The gas limit by which no payment of a batch can be starved, whatever the others cost; 0 for a single claim."""
    return _BATCH_GAS + claims * _PAYMENT_GAS if claims > 1 else 0


def shortened(siblings: Sequence[bytes]) -> Sequence[bytes]:
    """With zeros for the roots of empty subtrees, which the vault knows, and without those at the end."""
    kept = [_ZERO if sibling in _EMPTY_ROOTS else sibling for sibling in siblings]
    while kept and kept[-1] == _ZERO:
        kept.pop()
    return kept


def read_checkpoint(data: bytes) -> Checkpoint:
    """The answer to `latest_call`. Raises RemoteFault MALFORMED_ANSWER."""
    if len(data) != CHECKPOINT_BYTES:
        raise malformed("latest", len(data))
    *numbers, withdrawals_root, exit_root, history = split_words(data)
    height, count, trusted_at, root_number = (read_number(word) for word in numbers)
    return Checkpoint(height, count, trusted_at, root_number, withdrawals_root, exit_root, history)


def read_number(word: bytes) -> int:
    """A number in the network's range. Raises RemoteFault MALFORMED_ANSWER."""
    value = int.from_bytes(word, "big")
    if value >> 63:
        raise malformed("latest", value)
    return value


def split_words(data: bytes) -> Sequence[bytes]:
    """Words of 32 bytes."""
    return [data[start : start + 32] for start in range(0, len(data), 32)]


def _word(address: bytes) -> bytes:
    return address.rjust(32, b"\0")


CertificateArgument: TypeAlias = tuple[int, int, bytes]
WithdrawalArgument: TypeAlias = tuple[int, int, bytes, bytes, int, int]


def checkpoint_arguments(
    header: Header | HeaderWords, certificate: VaultCertificate
) -> tuple[bytes, CertificateArgument]:
    """Arguments of `checkpoint`. A consensus certificate is passed unchanged, its signature decompressed.

    Raises RemoteFault BAD_POINT when the aggregate is no point.
    """
    signers = int.from_bytes(certificate.signers, "big")
    if isinstance(certificate, EcdsaCertificate):
        return header.words, (ROUND, signers, certificate.compact)
    return header.words, (certificate.round, signers, bls.signature_coordinates(certificate.aggregate))


def claim_argument(claim: VaultClaim) -> WithdrawalArgument:
    """A claim as `withdraw` and `withdrawBatch` take it."""
    return (claim.nonce, claim.account, claim.token, claim.to, claim.amount, claim.not_after_s)

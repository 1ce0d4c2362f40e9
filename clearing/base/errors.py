"""The four kinds of errors, and the stable codes of refusals.

- A business refusal is a *value*: `Rejected`, recorded in a receipt.
- A peer, chain, file or caller sent invalid data: `RemoteFault`.
- Our own misuse of an interface: `LocalFault`.
- A broken invariant: `Bug`. The node stops signing at once, dumps and exits with 70.

Every code is a member of a `CodeBook`; its number never changes and is never reused. Ranges: 01xx base, 02xx-04xx
clearing, 05xx consensus, 06xx bridge, 07xx proofs, 08xx node.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Self, TypeAlias

Detail: TypeAlias = int | str | bytes
"""A value in a refusal: the offending value, as it was read."""


class CodeBook(IntEnum):
    """Base of each package's enumeration of codes: a number, and what the refused party can do."""

    remedy: str

    def __new__(cls, number: int, remedy: str = "") -> Self:
        """A member; `remedy` is missing only where one is looked up by its number."""
        code = int.__new__(cls, number)
        code._value_, code.remedy = number, remedy
        return code

    @property
    def label(self) -> str:
        """The printed form, `R0203`."""
        return f"R{self.value:04d}"


class BaseCode(CodeBook):
    """Refusals by the base itself."""

    OVERSIZE = 101, "The message is longer than its limit. Split it or send less."
    MALFORMED = 102, "The bytes are not of the expected type. Check the version of the sender."
    NON_CANONICAL = 103, "The bytes decode, but are not the one canonical encoding. Use the canonical codec."
    OUT_OF_RANGE = 104, "A number is outside the range of its field. The values name the field and the bounds."
    DAMAGED = (
        105,
        "A file fails its checksums before its tail. The disk is failing, or another program wrote to the file.",
    )
    BAD_POINT = 110, "A curve point is not canonical, not on the curve, not in the subgroup, or infinity."
    BAD_SIGNATURE = 111, "A signature does not verify under the stated key and message."
    BAD_POSSESSION_PROOF = 112, "A validator key has no valid proof of possession."
    BAD_VALIDATOR_SET = (
        120,
        "A validator set is empty, unordered, repeats a key or an EVM address, or has a zero address or power.",
    )
    STRAY_SIGNER = 121, "A certificate names a signer that is not in its validator set."
    UNDER_QUORUM = 122, "The signers of a certificate have at most two thirds of the power."
    WRONG_KIND = 123, "This is a prevote certificate; only precommit certificates are final."
    WRONG_NETWORK = 124, "The object belongs to another network: compare the genesis hashes."
    WRONG_VALIDATOR_SET = 125, "A validator set other than the trusted one made the certificate."
    WRONG_VALUE = 126, "The certificate is for another value, height or round than the given one."
    BAD_MERKLE_PROOF = 130, "A Merkle proof does not lead to the stated root."
    BAD_TRIE_PROOF = 131, "The header or the trie nodes do not prove the stated values of an EVM chain's state."


class CrossclearError(Exception):
    """An error with a code, its place, and the offending values."""

    def __init__(self, code: CodeBook, at: str, /, **values: Detail) -> None:
        self.code = code
        self.at = at
        self.values = values
        super().__init__(code, at, values)

    def __reduce__(self) -> tuple[object, ...]:
        # The values are keywords, which pickling (between worker processes) would lose.
        return _rebuilt, (type(self), self.code, self.at, self.values)

    def __str__(self) -> str:
        details = " ".join(f"{name}={_printed(value)}" for name, value in self.values.items())
        return f"{self.code.label} {self.code.name.lower()} at {self.at}" + (f": {details}" if details else "")


class RemoteFault(CrossclearError):
    """Somebody else sent invalid data. Score the peer, refuse the input, continue."""


class LocalFault(CrossclearError):
    """Our own code misused an interface, or our own files are wrong."""


class Bug(Exception):
    """A broken invariant. Nothing may be signed after it; the process dumps its state and exits with 70."""


def bugs_in(error: BaseException) -> Iterator[Bug]:
    """The broken invariants among what ended a node."""
    if isinstance(error, Bug):
        yield error
    elif isinstance(error, BaseExceptionGroup):
        for exception in error.exceptions:
            yield from bugs_in(exception)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A business refusal: the code, the place, and the values that caused it, in a stable order."""

    code: CodeBook
    at: str
    values: tuple[tuple[str, Detail], ...] = ()

    def __str__(self) -> str:
        details = " ".join(f"{name}={_printed(value)}" for name, value in self.values)
        return f"{self.code.label} {self.code.name.lower()} at {self.at}" + (f": {details}" if details else "")


def _rebuilt(kind: "type[CrossclearError]", code: CodeBook, at: str, values: dict[str, Detail]) -> "CrossclearError":
    return kind(code, at, **values)


def _printed(value: Detail) -> str:
    if isinstance(value, bytes):
        return value[:64].hex() + ("…" if len(value) > 64 else "")
    text = str(value)
    return text if len(text) <= 200 else text[:200] + "…"

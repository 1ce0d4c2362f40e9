"""Whose word an executed block log is: a header that the caller trusts binds it up to there, and nothing else does.

Rule: executing a log shows that its sets certified it, one after the other from genesis on. Sets that have retired lose
nothing by certifying another log of the same genesis. So every result of a log names the header that it ends with, and
says what stays the caller's word.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clearing.base.codec import decode
from clearing.base.errors import BaseCode, RemoteFault
from consensus.messages import BLOCK_BYTES_MAX, Block
from node.store.records import BlockRecord

IN_FORCE = (
    "That the validator sets of this log were in force rests on the caller's word: sets that have retired can certify "
    "another log. Compare the header hash with one that you trust (`crossclear light verify HEIGHT`), or name one with "
    "--trust."
)
ABOVE = "That the blocks above the trusted header, of height {height}, are the chain's rests on the caller's word."
LATER = "Whether there are later blocks, and what has happened since the log's last one."


@dataclass(frozen=True, slots=True)
class TrustedHeader:
    """A header that the caller trusts: its height and its hash, 32 bytes."""

    height: int
    hash: bytes


class LogTrust:
    """What a log's result rests on, known once the log was executed."""

    def __init__(self, trusted: TrustedHeader | None = None) -> None:
        self._trusted = trusted
        self.height = 0
        self.header_hash = bytes(32)
        self.time_ms = 0
        self.is_bound = False
        """Whether the trusted header was among the executed ones."""

    def watch(self, records: Iterable[BlockRecord]) -> Iterator[BlockRecord]:
        """The same records, noted. Raises RemoteFault WRONG_VALUE for another header of the trusted one's height."""
        self.is_bound = False
        for record in records:
            header = decode(record.block, Block, 2 * BLOCK_BYTES_MAX).header
            if self._trusted is not None and header.height == self._trusted.height:
                if header.hash != self._trusted.hash:
                    raise RemoteFault(
                        BaseCode.WRONG_VALUE,
                        "block log",
                        height=header.height,
                        found=header.hash,
                        trusted=self._trusted.hash,
                    )
                self.is_bound = True
            self.height, self.header_hash, self.time_ms = header.height, bytes(header.hash), header.time_ms
            yield record

    @property
    def is_whole(self) -> bool:
        """Whether every executed block is bound by the trusted header."""
        return self.is_bound and self._trusted is not None and self._trusted.height == self.height

    @property
    def not_proven(self) -> tuple[str, ...]:
        """What stays somebody's word."""
        if self.is_whole:
            return (LATER,)
        if self.is_bound and self._trusted is not None:
            return (ABOVE.format(height=self._trusted.height), LATER)
        return (IN_FORCE, LATER)

    @property
    def attested(self) -> dict[str, str]:
        """By name, the header that the result rests on."""
        return {
            "height": str(self.height),
            "header_hash": self.header_hash.hex(),
            "header_time_ms": str(self.time_ms),
        }

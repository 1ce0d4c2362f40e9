"""What is signed about defaults: bids, the porting of clients, and how members are taken in again or leave.

Rule: data and digests only. Each names an account whose nonce it uses up, so it is applied at most once.
"""

from typing import Annotated

import msgspec

from clearing.base import eip712
from clearing.base.codec import I64, U32, U63, Bytes65, Wire
from clearing.base.ids import Hash32, NetworkId

Signature = Annotated[bytes, msgspec.Meta(max_length=65)]
"""Of 65 bytes, or none."""
BID_TYPE = "DefaultBid(uint64 account,uint64 number,uint32 slices,int64 askMicros,uint64 nonce,uint64 notAfterMs)"
RESCUE_TYPE = "ClientRescue(uint64 account,uint64 number,uint64 toMember,uint64 nonce,uint64 notAfterMs)"
READMISSION_TYPE = "MemberReadmission(uint64 account,uint64 member,uint64 number,uint64 notAfterMs)"
EXIT_TYPE = "MemberExit(uint64 account,uint64 member,uint64 nonce,uint64 notAfterMs)"


class DefaultBid(Wire, frozen=True, tag=55):
    """Take up to `slices` of a defaulter's portfolio at the mark, for `ask_micros` a slice."""

    account: U63
    """Who takes the positions, and pays or is paid."""
    number: U63
    """Of the default."""
    slices: U32
    """0 takes an earlier bid back."""
    ask_micros: I64
    """Negative: what is given for a slice."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the account's member signs."""
        bid = (self.account, self.number, self.slices, self.ask_micros)
        return eip712.digest(network, BID_TYPE, (*bid, self.nonce, self.not_after_ms))


class ClientRescue(Wire, frozen=True, tag=56):
    """Port a client's account away from a defaulter, without whom nothing is asked.

    The member that takes it signs, and the client; for a client without a key of its own the house does.
    """

    account: U63
    number: U63
    to_member: U63
    nonce: U63
    not_after_ms: U63
    member_signature: Bytes65
    client_signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What both sign."""
        return eip712.digest(
            network, RESCUE_TYPE, (self.account, self.number, self.to_member, self.nonce, self.not_after_ms)
        )


class MemberReadmission(Wire, frozen=True, tag=57):
    """Take a defaulted member in again. `account`: one of its own; signed by it and by the house.

    `number`: of its last default, so that it is good once.
    """

    account: U63
    member: U63
    number: U63
    not_after_ms: U63
    signature: Bytes65
    house_signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What both sign."""
        return eip712.digest(network, READMISSION_TYPE, (self.account, self.member, self.number, self.not_after_ms))


class MemberExit(Wire, frozen=True, tag=58):
    """Leave for good, with no positions, debts or clients. `account`: one of the member's own."""

    account: U63
    member: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the member signs."""
        return eip712.digest(network, EXIT_TYPE, (self.account, self.member, self.nonce, self.not_after_ms))

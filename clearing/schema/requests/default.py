"""Requests after a default: client porting, readmission, exit, and contributions to the default fund.

Rule: data and digests only. Each request names an account and uses a nonce of it, so it is applied at most once.
"""

from typing import Annotated

import msgspec

from clearing.base import eip712
from clearing.base.codec import U63, Bytes65, Wire
from clearing.base.ids import Hash32, NetworkId

CONTRIBUTION_TYPE = "FundContribution(uint64 account,uint64 micros,uint64 nonce,uint64 notAfterMs)"


class FundContribution(Wire, frozen=True, tag=60):
    """Pay the member's contribution, or a part of it, from one of its own accounts."""

    account: U63
    micros: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the key that may move the account's money signs."""
        return eip712.typed_data_digest(
            network, CONTRIBUTION_TYPE, (self.account, self.micros, self.nonce, self.not_after_ms)
        )


Signature = Annotated[bytes, msgspec.Meta(max_length=65)]
"""65 bytes, or none."""

CLIENT_RESCUE_TYPE = "ClientRescue(uint64 account,uint64 number,uint64 toMember,uint64 nonce,uint64 notAfterMs)"

MEMBER_READMISSION_TYPE = "MemberReadmission(uint64 account,uint64 member,uint64 number,uint64 notAfterMs)"

MEMBER_EXIT_TYPE = "MemberExit(uint64 account,uint64 member,uint64 nonce,uint64 notAfterMs)"


class ClientRescue(Wire, frozen=True, tag=56):
    """Port a client's account away from a defaulter, without the defaulter's signature.

    The receiving member signs, and the client. For a client without its own key the house signs.
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
        return eip712.typed_data_digest(
            network, CLIENT_RESCUE_TYPE, (self.account, self.number, self.to_member, self.nonce, self.not_after_ms)
        )


class MemberReadmission(Wire, frozen=True, tag=57):
    """Readmit a defaulted member. `account`: one of its own; signed by the member and by the house.

    `number`: its last default, so that the request is valid once.
    """

    account: U63
    member: U63
    number: U63
    not_after_ms: U63
    signature: Bytes65
    house_signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What both sign."""
        return eip712.typed_data_digest(
            network, MEMBER_READMISSION_TYPE, (self.account, self.member, self.number, self.not_after_ms)
        )


class MemberExit(Wire, frozen=True, tag=58):
    """Leave permanently, without positions, debts or clients. `account`: one of the member's own."""

    account: U63
    member: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the member signs."""
        return eip712.typed_data_digest(
            network, MEMBER_EXIT_TYPE, (self.account, self.member, self.nonce, self.not_after_ms)
        )

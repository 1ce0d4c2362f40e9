"""Requests after a default: taking over clients, readmission, exit, and contributions to the default fund.

Rule: data and digests only. Each request names an account and uses up a nonce of it, so it is applied at most once.
"""

from typing import Annotated

import msgspec

from clearing.base import eip712
from clearing.base.codec import U63, Bytes65, Wire
from clearing.base.ids import Hash32, NetworkId

CONTRIBUTION_TYPE = "FundContribution(uint64 account,uint64 micros,uint64 nonce,uint64 notAfterMs)"


class FundContribution(Wire, frozen=True, tag=60):
    """Pay what the member has to contribute, or a part of it, out of one of its own accounts."""

    account: U63
    micros: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What whoever may move the account's money signs."""
        return eip712.typed_data_digest(
            network, CONTRIBUTION_TYPE, (self.account, self.micros, self.nonce, self.not_after_ms)
        )


Signature = Annotated[bytes, msgspec.Meta(max_length=65)]
"""Of 65 bytes, or none."""

CLIENT_RESCUE_TYPE = "ClientRescue(uint64 account,uint64 number,uint64 toMember,uint64 nonce,uint64 notAfterMs)"

MEMBER_READMISSION_TYPE = "MemberReadmission(uint64 account,uint64 member,uint64 number,uint64 notAfterMs)"

MEMBER_EXIT_TYPE = "MemberExit(uint64 account,uint64 member,uint64 nonce,uint64 notAfterMs)"


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
        return eip712.typed_data_digest(
            network, CLIENT_RESCUE_TYPE, (self.account, self.number, self.to_member, self.nonce, self.not_after_ms)
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
        return eip712.typed_data_digest(
            network, MEMBER_READMISSION_TYPE, (self.account, self.member, self.number, self.not_after_ms)
        )


class MemberExit(Wire, frozen=True, tag=58):
    """Leave for good, with no positions, debts or clients. `account`: one of the member's own."""

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

"""Requests after a default: client porting, readmission, exit, and contributions to the default fund.

Rule: data and digests only. Each request names an account and uses a nonce of it, so it is applied at most once.
"""

from typing import ClassVar

from clearing.base.codec import U63, Bytes65
from clearing.base.eip712 import TypedRequest


class FundContribution(TypedRequest, frozen=True, tag=60):
    """Pay the member's contribution, or a part of it, from one of its own accounts."""

    SIGNED: ClassVar[str] = "FundContribution(uint64 account,uint64 micros,uint64 nonce,uint64 notAfterMs)"
    """Signed by the account's owner."""

    account: U63
    micros: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65


class ClientRescue(TypedRequest, frozen=True, tag=56):
    """Port a client's account away from a defaulter, without the defaulter's signature.

    The receiving member signs, and the client. For a client without its own key the house signs.
    """

    SIGNED: ClassVar[str] = "ClientRescue(uint64 account,uint64 number,uint64 toMember,uint64 nonce,uint64 notAfterMs)"
    """Signed by the member that takes the client, and by the client or the house."""

    account: U63
    number: U63
    to_member: U63
    nonce: U63
    not_after_ms: U63
    member_signature: Bytes65
    client_signature: Bytes65


class MemberReadmission(TypedRequest, frozen=True, tag=57):
    """Readmit a defaulted member. `account`: one of its own; signed by the member and by the house.

    `number`: its last default, so that the request is valid once.
    """

    SIGNED: ClassVar[str] = "MemberReadmission(uint64 account,uint64 member,uint64 number,uint64 notAfterMs)"
    """Signed by the member and by the house."""

    account: U63
    member: U63
    number: U63
    not_after_ms: U63
    signature: Bytes65
    house_signature: Bytes65


class MemberExit(TypedRequest, frozen=True, tag=58):
    """Leave permanently, without positions, debts or clients. `account`: one of the member's own."""

    SIGNED: ClassVar[str] = "MemberExit(uint64 account,uint64 member,uint64 nonce,uint64 notAfterMs)"
    """Signed by the member."""

    account: U63
    member: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

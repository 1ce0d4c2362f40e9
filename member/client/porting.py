"""Porting a client to another member in files: each party signs, and the last one sends it.

Rule: a file states which signatures are still needed, and everything else is the request itself. A client of a member
in default needs no signature of that member; the house signs for a client without a key. A request is good for nine
tenths of the time that the network allows, so all sign within minutes.
"""

import time
from pathlib import Path
from typing import TypeAlias

import msgspec

from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.plain_json import read_json
from clearing.schema.requests.accounts import AccountPorting
from clearing.schema.requests.default import ClientRescue
from clearing.schema.terms.genesis import AccountKind, Genesis
from member.api.affiliates import StandbyClient
from member.api.receipts import DefaultUnderWay
from member.api.submit import SubmitResult, TransactionBody, body_of, transaction_of
from member.api.transactions import TransactionView
from member.api.types import Body, Hash, hexed
from member.client.declarations import NONE, affiliates_of, standby_clients, valid_until_ms
from member.client.fates import submit_and_wait
from member.client.node_client import NodeClient
from member.client.node_refusal import NodeRefusal
from member.codes import NodeCode
from member.durable_files import write_new
from member.signing.requests import UNSIGNED

Porting: TypeAlias = AccountPorting | ClientRescue
SIGNATURES = {"present": "signature", "member": "member_signature", "client": "client_signature"}
"""By role: the present member, the member that takes the client, and the client or the house for it."""


class PortingFile(Body, frozen=True):
    """A porting that waits for signatures."""

    network: Hash
    needs: tuple[str, ...]
    """Roles that have not signed, in the order of `SIGNATURES`."""
    request: TransactionBody


class PortingWindow(Body, frozen=True):
    """A default whose clients may be ported, and those that the terms list."""

    number: int
    member: int
    until_height: int
    """Until then no client's positions are closed out; the default's own height where none has any."""
    clients: tuple[int, ...]


class PortingOffers(Body, frozen=True):
    """What a member may do about clients now."""

    height: int
    windows: tuple[PortingWindow, ...]
    standby_for: tuple[StandbyClient, ...]
    """Clients of others that named the asking member as their standby."""


async def porting_offers(client: NodeClient) -> PortingOffers:
    """Ask a node, as a member. Clients that opened their account later than genesis are not in the terms."""
    terms, found = await client.terms(), (await client.defaults()).under_way
    return PortingOffers(
        height=(await client.state()).height,
        windows=tuple(_window(default, terms) for default in found if default.porting_height),
        standby_for=(await standby_clients(client)).clients,
    )


def _window(default: DefaultUnderWay, terms: Genesis) -> PortingWindow:
    own = (account for each in terms.members if each.id == default.member for account in each.accounts)
    clients = tuple(account.id for account in own if account.kind is AccountKind.CLIENT)
    return PortingWindow(
        number=default.number, member=default.member, until_height=default.porting_height, clients=clients
    )


async def request_porting(client: NodeClient, account: int, to_member: int, out: Path) -> PortingFile:
    """Sign as the present member that its client moves, and write the file. Raises LocalFault OUTPUT_EXISTS."""
    view = await affiliates_of(client, account)
    needs = ("member", "client") if view.owner.client_key else ("member",)
    until = await valid_until_ms(client)
    words = AccountPorting(account, to_member, view.next_nonce, until, UNSIGNED, UNSIGNED, NONE)
    return _write(client, client.sign(words, "signature"), needs, out)


async def request_rescue(
    client: NodeClient, account: int, number: int, to_member: int, role: str, out: Path, nonce: int | None = None
) -> PortingFile:
    """Sign that a defaulter's client moves to a member, as that member or as the client (or the house for it).

    `nonce`: of the account; by default its next one where the node shows it to this key, else the time in nanoseconds,
    which the rules allow. Raises LocalFault OUTPUT_EXISTS.
    """
    if nonce is None:
        nonce = await _nonce(client, account)
    until = await valid_until_ms(client)
    words = ClientRescue(account, number, to_member, nonce, until, UNSIGNED, UNSIGNED)
    needs = tuple(each for each in ("member", "client") if each != role)
    return _write(client, client.sign(words, SIGNATURES[role]), needs, out)


async def sign_porting(
    client: NodeClient, found: PortingFile, role: str | None, out: Path | None
) -> tuple[PortingFile, tuple[SubmitResult, TransactionView | None] | None]:
    """Sign what `read_porting` found in a role; the last signature sends it and waits for its fate. Before that it is
    written to `out`.

    `role`: may be left out where one signature is missing. Raises LocalFault DECLARATION_FILE for a role, a missing
    `out`, a time that is over meanwhile or a client of another network, and OUTPUT_EXISTS.
    """
    request = _good(client, found, "file")
    chosen = role or (found.needs[0] if len(found.needs) == 1 else "")
    if chosen not in found.needs:
        raise LocalFault(NodeCode.DECLARATION_FILE, "--as", role=chosen, needs=", ".join(found.needs))
    left = tuple(each for each in found.needs if each != chosen)
    made = client.sign(request, SIGNATURES[chosen])
    if left:
        if out is None:
            raise LocalFault(NodeCode.DECLARATION_FILE, "--out", why=f"needs {', '.join(left)}: name a file for them")
        return _write(client, made, left, out), None
    return found, await submit_and_wait(client, made)


def read_porting(client: NodeClient, file: Path) -> tuple[PortingFile, Porting]:
    """A file and its request, for this network and still good. Raises LocalFault DECLARATION_FILE."""
    try:
        found = read_json(file.read_bytes(), PortingFile)
    except (OSError, msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise LocalFault(NodeCode.DECLARATION_FILE, str(file), why=str(error)[:200]) from None
    return found, _good(client, found, str(file))


def _good(client: NodeClient, found: PortingFile, at: str) -> Porting:
    """The request, which was read once: what a member was shown is what it signs."""
    try:
        request = transaction_of(found.request)
    except RemoteFault as fault:
        raise LocalFault(NodeCode.DECLARATION_FILE, at, why=str(fault)[:200]) from None
    if not isinstance(request, AccountPorting | ClientRescue):
        why = f"it has a {type(request).__name__}"
    elif not found.needs or not set(found.needs) <= set(SIGNATURES):
        why = "it needs no signature that is known"
    elif found.network != hexed(client.network):
        why = "it is for another network"
    elif request.not_after_ms <= time.time_ns() // 1_000_000:
        why = "its time is over"
    else:
        return request
    raise LocalFault(NodeCode.DECLARATION_FILE, at, why=why)


def _write(client: NodeClient, request: Porting, needs: tuple[str, ...], out: Path) -> PortingFile:
    content = PortingFile(network=hexed(client.network), needs=needs, request=body_of(request))
    write_new(out, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
    return content


async def _nonce(client: NodeClient, account: int) -> int:
    try:
        return (await client.account(account)).next_nonce
    except NodeRefusal as refusal:
        if refusal.code not in (NodeCode.API_FORBIDDEN, NodeCode.API_UNAUTHENTICATED):
            raise
        return time.time_ns()

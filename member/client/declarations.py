"""Affiliates and standby members through a node: what they are, and declarations that two parties sign.

Rule: who declares signs first and writes a file; the other party signs the same words and sends them. A declaration is
good for nine tenths of the time that the network allows a request, so both sign within minutes. What the house
declares, and what ends, needs one signature and is sent at once. Whether the rules accept it is seen in its receipt,
not here. A file's network is compared with the one that this client signs for: a node that is asked once more may state
another one.
"""

import time
from pathlib import Path
from typing import TypeAlias

import msgspec

from clearing.base.errors import LocalFault
from clearing.base.plain_json import read_json
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.accounts import AffiliationDeclaration, StandbyDeclaration
from member.api.affiliates import AffiliatesView, StandbyClientsView, StandbyView
from member.api.submit import SubmitResult, TransactionBody, body_of, transaction_of
from member.api.types import Body, Hash, hexed
from member.client.node_client import NodeClient
from member.client.node_refusal import NodeRefusal
from member.codes import NodeCode
from member.durable_files import write_new
from member.signing.requests import UNSIGNED

NONE = b""
"""In place of the other party's signature."""
Declaration: TypeAlias = AffiliationDeclaration | StandbyDeclaration


class DeclarationFile(Body, frozen=True):
    """A declaration that waits for the other party's signature."""

    network: Hash
    request: TransactionBody


async def affiliates_of(client: NodeClient, account: int) -> AffiliatesView:
    """An account's affiliates, for the key of its member or the house's."""
    return await client.own(f"/v1/accounts/{account}/affiliates", AffiliatesView, account=account)


async def standby_of(client: NodeClient, account: int) -> StandbyView:
    """A client's standby member, for the same keys."""
    return await client.own(f"/v1/accounts/{account}/standby", StandbyView, account=account)


async def standby_clients(client: NodeClient) -> StandbyClientsView:
    """Clients that named the member that asks as their standby."""
    return await client.own("/v1/standby-clients", StandbyClientsView)


async def declare_affiliate(client: NodeClient, account: int, affiliate: int, out: Path | None) -> SubmitResult | None:
    """Declare an affiliate: the house's key sends it, a member's writes it to `out` and has nothing to show yet.

    Raises LocalFault DECLARATION_FILE where a member names no file, and OUTPUT_EXISTS.
    """
    view = await affiliates_of(client, account)
    until = await valid_until_ms(client)
    words = AffiliationDeclaration(account, affiliate, False, view.next_nonce, until, UNSIGNED, NONE)  # noqa: FBT003
    declaration = client.sign(words, "signature")
    if view.asked_by == "house":
        return await _send(client, declaration)
    _write(client, out, declaration)
    return None


async def end_affiliation(client: NodeClient, account: int, affiliate: int) -> SubmitResult:
    """End an affiliation, by the house's key."""
    view = await affiliates_of(client, account)
    until = await valid_until_ms(client)
    words = AffiliationDeclaration(account, affiliate, True, view.next_nonce, until, UNSIGNED, NONE)  # noqa: FBT003
    return await _send(client, client.sign(words, "signature"))


async def name_standby(client: NodeClient, account: int, standby: int, out: Path, nonce: int | None = None) -> None:
    """Name a standby member in a file, by the client's key, or its member's for a client without one.

    `nonce`: of the declaration; by default the account's next one, which only its member may ask for.
    """
    if nonce is None:
        nonce = (await standby_of(client, account)).next_nonce
    words = StandbyDeclaration(account, standby, nonce, await valid_until_ms(client), UNSIGNED, NONE)
    _write(client, out, client.sign(words, "signature"))


async def end_standby(client: NodeClient, account: int, nonce: int | None = None) -> SubmitResult:
    """End a client's standby, by the key of either side; `nonce` as for naming one, and its standby may ask too."""
    if nonce is None:
        nonce = await _nonce_of_either_side(client, account)
    words = StandbyDeclaration(account, 0, nonce, await valid_until_ms(client), UNSIGNED, NONE)
    return await _send(client, client.sign(words, "signature"))


async def agree(client: NodeClient, file: Path, kind: type[Declaration]) -> tuple[Declaration, SubmitResult]:
    """Sign a declaration of this kind as the other party, and send it. Raises LocalFault DECLARATION_FILE."""
    declaration = read_declaration(client, file, kind)
    name = "affiliate_signature" if isinstance(declaration, AffiliationDeclaration) else "standby_signature"
    return declaration, await _send(client, client.sign(declaration, name))


def read_declaration(client: NodeClient, file: Path, kind: type[Declaration]) -> Declaration:
    """The declaration in a file, of this kind, for this network, and still good. Raises LocalFault DECLARATION_FILE."""
    network, found = _read(file)
    if not isinstance(found, kind):
        why = f"it has a {type(found).__name__}"
    elif network != hexed(client.network):
        why = "it is for another network"
    elif found.not_after_ms <= time.time_ns() // 1_000_000:
        why = "its time is over"
    else:
        return found
    raise LocalFault(NodeCode.DECLARATION_FILE, str(file), why=why)


def _read(file: Path) -> tuple[str, Transaction]:
    try:
        read = read_json(file.read_bytes(), DeclarationFile)
        return read.network, transaction_of(read.request)
    except (OSError, msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise LocalFault(NodeCode.DECLARATION_FILE, str(file), why=str(error)[:200]) from None


def _write(client: NodeClient, out: Path | None, declaration: Declaration) -> None:
    if out is None:
        raise LocalFault(NodeCode.DECLARATION_FILE, "--out", why="the other party signs too: name a file for it")
    content = DeclarationFile(network=hexed(client.network), request=body_of(declaration))
    write_new(out, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


async def _send(client: NodeClient, declaration: Declaration) -> SubmitResult:
    (result,) = (await client.submit((declaration,))).results
    return result


async def valid_until_ms(client: NodeClient) -> int:
    """Of a request made now."""
    return time.time_ns() // 1_000_000 + (await client.terms()).market.request_ms_max * 9 // 10


async def _nonce_of_either_side(client: NodeClient, account: int) -> int:
    """The account's next nonce, which its member and its standby member may know."""
    try:
        return (await standby_of(client, account)).next_nonce
    except NodeRefusal as refusal:
        if refusal.code is not NodeCode.API_FORBIDDEN:
            raise
        for each in (await standby_clients(client)).clients:
            if each.account == account:
                return each.next_nonce
        raise

"""Every kind of request passes the JSON door, the gossip and the pool."""

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.accounts.signatories import signatories, signing_addresses
from clearing.base.codec import decode, encode
from clearing.base.errors import Rejected
from clearing.schema.blocks.transaction import (
    TRANSACTION_BYTES_MAX,
    Transaction,
    transaction_bytes_max,
    transaction_hash,
)
from clearing.schema.codes import ClearingCode
from clearing.schema.requests.accounts import CashTransfer
from clearing.schema.requests.trades import Trade
from clearing.schema.terms.genesis import AccountKind
from clearing.transaction_handlers import TRANSACTION_HANDLERS
from member.api.submit import BODY_OF, SubmitBody, body_of, transaction_of
from node.p2p.network import TOPIC_MESSAGE_BYTES
from node.pool.mempool import Accepted, Mempool
from node.pool.transaction_service import fitting, make_batch, open_batch
from tests.kit.clearing.desk import venue_world
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC_PERP, USDC_1, WETH_1
from tests.kit.clearing.requests import CLIENT_KEY, CLIENT_SECRET, PRICE, VENUE_SECRETS, line_of
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World

KINDS = get_args(Transaction)
ANY_KIND: Any = Transaction
I = msgspec.inspect  # noqa: E741 - the inspector
NODE_KEY = b"k" * 32


def values(info: I.Type) -> st.SearchStrategy[Any]:
    match info:
        case I.Metadata():
            return values(info.type)
        case I.IntType():
            return st.integers(info.ge or 0, info.le or 0) | st.just(info.le or 0)
        case I.BytesType():
            # What is bounded together with others is bounded as a whole, by `bytes_max`.
            sizes = {info.min_length or 0, min(info.max_length or 0, 128)}
            return st.sampled_from(sorted(sizes)).flatmap(lambda size: st.binary(min_size=size, max_size=size))
        case I.BoolType():
            return st.booleans()
        case I.EnumType():
            return st.sampled_from(list(info.cls))
        case I.StrType():
            return st.text(min_size=info.min_length or 0, max_size=(info.max_length or 0) // 4)
        case I.StructType():
            return st.tuples(*(values(field.type) for field in info.fields)).map(lambda fields: info.cls(*fields))
        case I.UnionType():
            return st.one_of([values(each) for each in info.types if isinstance(each, I.StructType)])
    assert isinstance(info, I.VarTupleType)
    return st.lists(values(info.item_type), min_size=info.min_length or 0, max_size=info.max_length).map(tuple)


def example(info: I.Type, *, other: bool) -> Any:
    """The smallest value of a type, or another one."""
    match info:
        case I.Metadata():
            return example(info.type, other=other)
        case I.BytesType():
            return b"\x01" * (info.max_length or 0) if other else bytes(info.min_length or 0)
        case I.EnumType():
            return list(info.cls)[-1 if other else 0]
        case I.VarTupleType():
            return (example(info.item_type, other=True),) if other else ()
        case I.UnionType():
            return example(info.types[1 if other else 0], other=other)
        case I.StructType():
            return info.cls(*(example(field.type, other=other) for field in info.fields))
        case I.StrType():
            return "another" if other else ""
    return other if isinstance(info, I.BoolType) else int(other)


def test_every_kind_has_a_rule_and_a_body() -> None:
    assert set(TRANSACTION_HANDLERS) == set(KINDS) == set(BODY_OF)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_request_is_the_same_in_json_and_fits_its_limit(kind: type, data: st.DataObject) -> None:
    request = data.draw(values(I.type_info(kind)))
    assert len(encode((request,))) <= transaction_bytes_max(request)
    body = msgspec.json.decode(msgspec.json.encode(SubmitBody(transactions=(body_of(request),))), type=SubmitBody)
    assert transaction_of(body.transactions[0]) == request
    assert signatories(request), "somebody has to sign"


def _bare(info: I.Type) -> Any:
    """The least that a JSON body may say of a field, whatever the wire asks for."""
    match info:
        case I.Metadata():
            return _bare(info.type)
        case I.VarTupleType():
            return ()
        case I.StrType():
            return ""
    return example(info, other=False)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_body_becomes_what_a_peer_could_not_decode(kind: type) -> None:
    """One such request would make a whole batch, and a whole block, unreadable to all others."""
    bare = kind(*(_bare(field.type) for field in I.type_info(kind).fields))
    text = msgspec.json.encode(SubmitBody(transactions=(body_of(bare),)))
    try:
        made = transaction_of(msgspec.json.decode(text, type=SubmitBody).transactions[0])
    except msgspec.ValidationError:
        return
    assert decode(encode((made,)), tuple[ANY_KIND]) == (made,)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_but_the_signatures_is_signed(kind: type) -> None:
    fields, network = I.type_info(kind).fields, b"n" * 32
    plain = {field.name: example(field.type, other=False) for field in fields}
    changed = [kind(**{**plain, field.name: example(field.type, other=True)}) for field in fields]
    unsigned = [field for field in fields if field.name.endswith("signature") or field.name == "approvals"]
    digests = {each.digest(network) for each in (kind(**plain), *changed)}
    assert len(digests) == len(fields) - len(unsigned) + 1


def all_kinds(desk: World) -> list[Transaction]:
    report, held = desk.report(ALICE, BOB), desk.report(ALICE, BOB, hold_ms=10_000)
    return [
        report,
        held,
        desk.report(ALICE, BOB, signers="vbs"),
        desk.bilateral(ALICE, BOB),
        desk.correction(held),
        desk.trade_cancellation(held, signers="bs"),
        desk.give_up(held, ALICE, 3),
        desk.mandate(ALICE),
        desk.session_key(ALICE),
        desk.bundle(ALICE, BOB, (BTC_PERP, 1, PRICE), (BTC_PERP, -1, PRICE)),
        desk.statement([line_of(report)]),
        desk.opening(ALICE, AccountKind.CLIENT, 0, CLIENT_KEY),
        desk.closing(ALICE),
        desk.token_transfer(ALICE, ALICE_CLIENT, 1, WETH_1),
        desk.porting(ALICE_CLIENT, 3),
        desk.switch(VENUE_SECRETS[7]),
        desk.switch(secret(0)),
        desk.trade(ALICE, BOB, BTC_PERP, 1, PRICE),
        desk.transfer(ALICE, ALICE_CLIENT, 1),
        desk.withdrawal(ALICE, USDC_1, 1),
    ]


@pytest.fixture
def desk() -> World:
    return venue_world()


def pool_of(desk: World) -> Mempool:
    return Mempool(desk.network, lambda who: signing_addresses(desk.state, who))


def test_what_is_rightly_signed_waits_and_travels(desk: World) -> None:
    pool, requests = pool_of(desk), all_kinds(desk)
    for request in requests:
        assert pool.add(request, desk.time_ms) == Accepted(transaction_hash(request)), type(request).__name__
    assert set(pool.select(desk.time_ms)) == set(requests)
    batch = make_batch(desk.network, NODE_KEY, 1, requests)
    assert open_batch(desk.network, encode(batch)).transactions == tuple(requests)
    pool.remove(requests)
    assert len(pool) == pool.size == 0


def test_a_wrong_signature_is_refused_at_the_door(desk: World) -> None:
    for request in all_kinds(desk):
        for who in signatories(request):
            forged = desk.sign(request, **{who.field: b"\x66" * 32})
            answer = pool_of(desk).add(forged, desk.time_ms)
            assert isinstance(answer, Rejected), (type(request).__name__, who.field)
            assert answer.code is ClearingCode.WRONG_SIGNER


def test_a_request_that_nobody_signed_is_refused_at_the_door(desk: World) -> None:
    for request in all_kinds(desk):
        optional = isinstance(request, Trade | CashTransfer) or not hasattr(request, "venue_signature")
        empty = bytes(65) if optional else b""
        bare = msgspec.structs.replace(request, **{who.field: empty for who in signatories(request)})
        assert isinstance(pool_of(desk).add(bare, desk.time_ms), Rejected), type(request).__name__


def test_a_client_with_a_key_signs_for_what_leaves(desk: World) -> None:
    client = desk.open_account(ALICE, AccountKind.CLIENT, 0, CLIENT_KEY)
    pool = pool_of(desk)
    moved = desk.transfer(client, ALICE, 1)
    assert isinstance(pool.add(moved, desk.time_ms), Rejected)
    assert isinstance(pool.add(desk.sign(moved, signature=CLIENT_SECRET), desk.time_ms), Accepted)
    port = desk.porting(client, 3, client=CLIENT_SECRET)
    assert isinstance(pool.add(port, desk.time_ms), Accepted)


def test_a_batch_of_long_requests_fits_one_message(desk: World) -> None:
    huge = {"buyer": 2**62, "seller": 2**62, "lots": 2**62, "ticks": 2**62}
    lines = [line_of(desk.report(ALICE, BOB), venue_trade_id=2**62 + each, **huge) for each in range(16)]
    long = [desk.statement(lines, part=each) for each in range(100)]
    chosen = fitting(long)
    assert 1 < len(chosen) < 100
    size = len(encode(make_batch(desk.network, NODE_KEY, 2**62, chosen)))
    assert size <= TOPIC_MESSAGE_BYTES < size + 2 * TRANSACTION_BYTES_MAX
    assert decode(encode(chosen[0]), type(chosen[0])) == chosen[0]

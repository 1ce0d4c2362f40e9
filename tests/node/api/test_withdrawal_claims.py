"""Anybody gets the proof of a released withdrawal, sees what became of it, and claims it at a real vault."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
import trio

from clearing.base.codec import u256
from clearing.base.ids import NetworkId
from clearing.base.secp256k1 import address, recover
from clearing.base.withdrawal_leaves import guardian_order_leaf_hash, withdrawal_leaf_hash
from clearing.initial_state import initial_state
from clearing.schema.records.withdrawals import ExpiredWithdrawalRecord, GuardianOrderRecord, ReleasedWithdrawalRecord
from clearing.schema.requests.withdrawals import Withdrawal
from clearing.state.state import State
from clearing.state.withdrawals_tree import append_withdrawal
from cli.main import run
from devnet.anvil import Anvil
from member.api.withdrawals import GuardianOrderProofView, WithdrawalProofView
from node.api.withdrawals import withdrawals_of
from node.app.clock import clock_ms
from node.config import Api
from node.http.server import build_api, serve_api
from tests.kit.bridge.certified import NEVER, LeafProofs
from tests.kit.bridge.vault_chain import UNIT, ChainUser, VaultChain, make_header, make_signers
from tests.kit.node.fake_view import ALICE, GOVERNED, NOW, FakeView

CHAIN_ID = 31337
TO = bytes([0x42]) * 20
PAYER = bytes([0x51]) * 32


def release(state: State, vault: bytes, token: bytes, count: int) -> list[bytes]:
    """As many withdrawals of a clearing unit as said, released by the state."""
    leaves = []
    for nonce in range(count):
        leaves.append(withdrawal_leaf_hash(CHAIN_ID, vault, nonce, 1, token, TO, UNIT, NEVER))
        record = ReleasedWithdrawalRecord(1, 1, 1, CHAIN_ID, vault, token, TO, u256(UNIT), NEVER, leaves[-1])
        state.withdrawals.put(nonce, record)
        state.unpaid_withdrawals.put(nonce, record.asset)
        append_withdrawal(state, nonce, leaves[-1])  # type: ignore[arg-type]
    state.clock.put(0, msgspec.structs.replace(state.now, withdrawals_released=count))
    return leaves


@pytest.fixture
async def asked() -> AsyncIterator[tuple[State, httpx.AsyncClient, list[bytes]]]:
    state = initial_state(GOVERNED, bytes(32))
    leaves = release(state, b"\x11" * 20, b"\x22" * 20, 5)
    app = build_api(FakeView(state), Api(), lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        yield state, client, leaves


async def test_every_withdrawal_is_proven_under_every_root_that_knows_it(asked) -> None:
    _, client, leaves = asked
    proofs = LeafProofs(leaves)
    for nonce in range(5):
        for count in (*range(nonce + 1, 6), None):
            query = "" if count is None else f"?count={count}"
            answer = await client.get(f"/v1/withdrawals/{nonce}/proof{query}")
            view = msgspec.json.decode(answer.content, type=WithdrawalProofView)
            under = count or 5
            assert (view.nonce, view.count, view.root) == (nonce, under, "0x" + proofs.root(under).hex())
            assert view.siblings == tuple("0x" + word.hex() for word in proofs.siblings((nonce,), under))
            assert (view.amount, view.to, view.status) == (str(UNIT), "0x" + TO.hex(), "open")


@pytest.mark.parametrize(("target", "status"), [("5/proof", 404), ("2/proof?count=2", 400), ("2/proof?count=6", 400)])
async def test_what_was_not_released_or_is_not_under_the_root_is_refused(asked, target: str, status: int) -> None:
    assert (await asked[1].get(f"/v1/withdrawals/{target}")).status_code == status


async def test_an_order_to_a_vault_is_shown_as_an_order(asked) -> None:
    state, client, leaves = asked
    vault, heir = b"\x11" * 20, b"\x31" * 20
    leaves.append(guardian_order_leaf_hash(CHAIN_ID, vault, 5, heir))
    state.guardian_orders.put(5, GuardianOrderRecord(CHAIN_ID, vault, heir, leaves[-1], 9))
    append_withdrawal(state, 5, leaves[-1])
    state.clock.put(0, msgspec.structs.replace(state.now, withdrawals_released=6))
    answer = await client.get("/v1/guardian-orders/5")
    view = msgspec.json.decode(answer.content, type=GuardianOrderProofView)
    assert (view.nonce, view.chain_id, view.vault, view.guardian) == (
        5,
        CHAIN_ID,
        "0x" + vault.hex(),
        "0x" + heir.hex(),
    )
    assert (view.count, view.root) == (6, "0x" + LeafProofs(leaves).root(6).hex())
    assert view.siblings == tuple("0x" + word.hex() for word in LeafProofs(leaves).siblings((5,), 6))
    refusal = await client.get("/v1/withdrawals/5/proof")
    assert (refusal.status_code, "/v1/guardian-orders/5" in refusal.text) == (404, True)
    assert (await client.get("/v1/guardian-orders/1")).status_code == 404, "a withdrawal"
    assert (await client.get("/v1/guardian-orders/5?count=5")).status_code == 400
    (order,) = (await client.get("/v1/governance")).json()["orders"]
    assert (order["nonce"], order["guardian"], order["height"]) == (5, "0x" + heir.hex(), 9)
    assert withdrawals_of(state, 1) is not None, "the number of an order has no withdrawal"


async def test_the_answer_says_what_became_of_it(asked) -> None:
    state, client, _ = asked
    state.withdrawals.put(1, msgspec.structs.replace(state.withdrawals[1], executed=True))
    missed = ExpiredWithdrawalRecord(9, bytes(32), 9, 9)
    state.expired_withdrawals.put(2, missed)
    state.expired_withdrawals.put(3, msgspec.structs.replace(missed, refunded_height=10))
    became = [(await client.get(f"/v1/withdrawals/{nonce}/proof")).json()["status"] for nonce in range(4)]
    assert became == ["open", "paid", "expired", "refunded"]


class Claimable(SimpleNamespace):
    """A vault that knows two of three withdrawals, and a node that serves their proofs."""

    vault: VaultChain
    state: State


@pytest.fixture
def claimable(anvil: Callable[..., Anvil]) -> Claimable:
    vault = VaultChain(anvil(CHAIN_ID), make_signers((1, 1, 1, 1)))
    ChainUser(vault.chain, PAYER)
    vault.deposit(10 * UNIT)
    state = initial_state(GOVERNED, bytes(32))
    proofs = LeafProofs(release(state, vault.vault_at.address, vault.token_at.address, 3))
    vault.certified(make_header(vault.signers, 7, withdrawals_root=proofs.root(2), withdrawals_count=2))
    return Claimable(vault=vault, state=state)


async def commands(claimable: Claimable, tmp_path: Path, capsys: Any, *lines: tuple[str, ...]) -> list[tuple[int, str]]:
    """Exit code and output of `crossclear withdrawals …` against the node and the chain."""
    payer, settings, said = tmp_path / "payer", Api(port=0), []
    payer.write_text(PAYER.hex())
    payer.chmod(0o600)
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(serve_api, build_api(FakeView(claimable.state), settings, clock_ms), settings)
        for name, nonce, *more in lines:
            options = ["--url", bound[0], "--rpc", claimable.vault.chain.url, *more]
            options += ["--payer-file", str(payer)] if name == "claim" else []
            code = await trio.to_thread.run_sync(run, ["withdrawals", name, nonce, *options])
            output = capsys.readouterr()
            said.append((code, output.out + output.err))
        nursery.cancel_scope.cancel()
    return said


@pytest.mark.chain
async def test_a_withdrawal_that_no_relayer_claims_is_claimed_by_its_owner(claimable, tmp_path, capsys) -> None:
    said = await commands(
        claimable, tmp_path, capsys, ("status", "1"), ("claim", "1"), ("status", "1"), ("claim", "1"), ("claim", "2")
    )
    assert [code for code, _ in said] == [0, 0, 0, 0, 6]
    assert "its vault at height 7: can be claimed" in said[0][1]
    assert "paid in block" in said[1][1]
    assert "its vault at height 7: paid" in said[2][1]
    assert "paid in block" not in said[3][1], "nothing is sent for what is paid"
    assert "not known yet: its newest checkpoint has 2 withdrawals" in said[4][1]
    assert claimable.vault.view("isPaid", 1)
    assert not claimable.vault.view("isPaid", 0)


@pytest.mark.chain
async def test_an_endpoint_of_another_chain_is_refused_by_name(claimable, anvil, tmp_path, capsys) -> None:
    claimable.vault.chain = anvil(CHAIN_ID + 1)
    ((code, text),) = await commands(claimable, tmp_path, capsys, ("claim", "1"))
    assert code != 0
    assert "R0605" in text


@pytest.mark.chain
async def test_a_false_proof_of_a_node_costs_nothing(claimable, tmp_path, capsys) -> None:
    claimable.state.withdrawals_nodes.put((0, 0), bytes(32))
    before = claimable.vault.user.web3.eth.get_block_number()
    ((code, text),) = await commands(claimable, tmp_path, capsys, ("claim", "1"))
    assert code != 0
    assert "R0631" in text
    assert claimable.vault.user.web3.eth.get_block_number() == before


class Reachable(FakeView):
    """The network whose requests it checks is the state's."""

    @property
    def network(self) -> NetworkId:
        return self.state.terms.network


@pytest.mark.parametrize("asset", ["by name", "by number"])
async def test_a_withdrawal_is_requested_in_units_of_its_token(tmp_path, capsys, asset: str) -> None:
    state, key, settings = initial_state(GOVERNED, bytes(32)), tmp_path / "alice", Api(port=0)
    key.write_text(ALICE.hex())
    key.chmod(0o600)
    listed = state.terms.genesis.assets[0]
    named = listed.name if asset == "by name" else str(listed.id)
    view, amounts = Reachable(state), (f"250.5 {named}", "250.5 NOBODYS", f"0.0000001 {named}", "250.5", f"0 {named}")
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(serve_api, build_api(view, settings, clock_ms), settings)
        member = ["--url", bound[0], "--secret-file", str(key)]
        lines = [["request", "member-1", amount, "0x" + TO.hex(), *member] for amount in amounts]
        codes = [await trio.to_thread.run_sync(run, ["withdrawals", *line]) for line in lines]
        nursery.cancel_scope.cancel()
    assert codes == [0, 2, 2, 2, 2]
    (request,) = view.submitted
    assert isinstance(request, Withdrawal)
    assert (request.account, request.asset, request.units, request.to) == (1, listed.id, 250_500_000, TO)
    assert recover(request.digest(view.network), request.signature) == address(ALICE)
    said = capsys.readouterr()
    signed = f"(250500000 units of asset {listed.id})"
    assert f"withdrawal of 250.50 {listed.name} {signed} of member-1 (account 1) to 0x{TO.hex()}: accepted" in said.out
    assert "more than 6 decimals" in said.err

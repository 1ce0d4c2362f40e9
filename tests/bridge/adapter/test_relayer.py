"""The real vault on a real chain: calldata, facts and custody, checkpoints, claims, stuck transactions."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
import trio
from eth_account import Account
from web3 import Web3

from bridge.codes import BridgeCode
from bridge.contracts import conflicts, load_artifact, vault
from bridge.contracts.cold_quorum import GuardianReplacement
from bridge.contracts.vault import VaultClaim, VaultOrder, checkpoint_arguments
from bridge.evm.hexadecimal import hex_data
from bridge.evm.layouts import ETHEREUM
from bridge.relay.claim_queue import BATCH_MAX
from bridge.relay.relay_rounds import RESTS, RelayRounds
from bridge.relay.relayer import Relayable, Relayer, Rotation
from bridge.relay.transactions import FeePolicy, Sender
from bridge.rpc.endpoint import Endpoint, Refusal, Result, RpcCall
from bridge.rpc.proofs import prove_events
from bridge.watch.status import Alarm
from bridge.watch.submitted_events import SubmittedEventReader
from bridge.watched_chain import FinalityPolicy
from clearing.base.certificate import VoteKind
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.base.evm.storage import BalanceLocation
from clearing.base.withdrawal_leaves import guardian_order_leaf_hash
from clearing.schema.facts import ChainHeartbeat, ValidatorsRotated
from tests.kit.bridge.certified import LeafProofs
from tests.kit.bridge.certified import released as withdrawal
from tests.kit.bridge.vault_chain import FOUR, USER, ChainUser, VaultChain, make_header, make_signers
from tests.kit.bridge.watched_chain import Liar, calls_answered
from tests.kit.refusals import refused
from tests.kit.until import until

pytestmark = pytest.mark.chain
CHAIN_ID = 31337
RELAYER = bytes([9]) * 32
OTHER_RELAYER = bytes([10]) * 32
TO = b"\x33" * 20
FOREVER = 2**40


@pytest.fixture
def deployed(anvil):
    made = VaultChain(anvil(), FOUR)
    for secret in (RELAYER, OTHER_RELAYER):
        made.chain.fund(Account.from_key(secret).address)
    return made


@pytest.fixture
async def endpoint(deployed):
    async with Endpoint(deployed.chain.url) as endpoint:
        yield endpoint


@pytest.fixture
def profile(deployed):
    return deployed.watched()


def from_now(deployed, profile):
    """Watched from the next block on: anvil's proof that a word is absent may lack the leaf that is in its place."""
    return replace(profile, deployment_block=deployed.user.web3.eth.block_number + 1)


def relayer(endpoint, deployed, secret=RELAYER, checkpoint_seconds=10**9, **fees):
    sender = Sender(endpoint, CHAIN_ID, secret, FeePolicy(**fees))
    return Relayer(endpoint, sender, deployed.vault_at.address, checkpoint_seconds=checkpoint_seconds)


async def relay_at_once(endpoint, deployed, relayable):
    """What two relayers report that work at the same time."""
    reports = []

    async def go(secret):
        reports.append(await relayer(endpoint, deployed, secret).relay(relayable))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go, RELAYER)
        nursery.start_soon(go, OTHER_RELAYER)
    return reports


def paid(deployed):
    return deployed.token.functions.balanceOf(Web3.to_checksum_address(TO)).call()


def released(deployed, amounts, height=1, to=None):
    """A certified header over withdrawals of these amounts, with the claims."""
    payees = to or [TO] * len(amounts)
    terms = [
        {"amount": amount, "to": payee, "not_after_s": FOREVER} for amount, payee in zip(amounts, payees, strict=True)
    ]
    claims = tuple(VaultClaim(nonce, 1, deployed.token_at.address, **each) for nonce, each in enumerate(terms))
    proofs = LeafProofs([withdrawal(deployed, nonce, **each)[1] for nonce, each in enumerate(terms)])
    header = make_header(FOUR, height, withdrawals_root=proofs.root(len(claims)), withdrawals_count=len(claims))
    return replace(certified(header), claims=claims, proofs=proofs)


def certified(header, **more):
    return Relayable(header, FOUR.certify(header, (0, 1, 2)), FOUR.validators, **more)


async def wait(function, *arguments):
    return await trio.to_thread.run_sync(function, *arguments)


def test_calldata_is_what_the_committed_abi_says():
    contract = Web3().eth.contract(abi=load_artifact("Vault").abi)
    token_contract = Web3().eth.contract(abi=load_artifact("TestToken").abi)
    header = make_header(FOUR)
    certificate = FOUR.certify(header, (0, 2, 3), round_=5)
    words, argument = checkpoint_arguments(header, certificate)
    token, checksum = b"\x70" * 20, Web3.to_checksum_address(b"\x70" * 20)
    claim, siblings = VaultClaim(5, 9, token, TO, 2**255, 2**63), tuple(bytes([n]) * 32 for n in range(32))
    withdrawal = (5, 9, checksum, Web3.to_checksum_address(TO), 2**255, 2**63)
    expected = {
        vault.deposit_nonce_call(): ("depositNonce", []),
        vault.deposited_call(token): ("deposited", [checksum]),
        vault.withdrawn_call(token): ("withdrawn", [checksum]),
        vault.latest_call(): ("latest", []),
        vault.is_paid_call(77): ("isPaid", [77]),
        vault.VALIDATORS_HASH: ("validatorsHash", []),
        vault.VALIDATORS_CODE: ("validatorsCode", []),
        vault.checkpoint_call(header, certificate): ("checkpoint", [words, argument]),
        vault.install_validators_call(FOUR.validators): ("installValidators", [FOUR.validators.words]),
        vault.withdraw_call(claim, 7, siblings): ("withdraw", [withdrawal, 7, siblings]),
        vault.withdraw_batch_call((claim, claim), 7, siblings): ("withdrawBatch", [[withdrawal] * 2, 7, siblings]),
    }
    signatures = [bytes([n]) * 65 for n in (1, 2)]
    other = make_header(FOUR, 2)
    other_words, other_argument = checkpoint_arguments(other, FOUR.certify(other, (0, 1, 2)))
    shown, other_shown = (header, certificate), (other, FOUR.certify(other, (0, 1, 2)))
    history, later = bytes([4]) * 32, [bytes([5]) * 32]
    expected |= {
        vault.deadline_call(9): ("deadline", [9]),
        vault.pause_call(): ("pause", []),
        vault.end_pause_call(signatures): ("endPause", [signatures]),
        vault.replace_guardian_call(token, signatures): ("replaceGuardian", [checksum, signatures]),
        vault.follow_order_call(5, token, 7, siblings): ("followOrder", [5, checksum, 7, siblings]),
        conflicts.freeze_call(shown, other_shown): ("freeze", [words, argument, other_words, other_argument]),
        conflicts.freeze_by_history_call(shown, other, history, later): (
            "freezeByHistory",
            [words, argument, other_words, history, later],
        ),
        conflicts.show_base_call(header, other, history, later): ("showBase", [words, other_words, history, later]),
        conflicts.show_base_call(None, other, history): ("showBase", [b"", other_words, history, []]),
        conflicts.choose_branch_call(header, signatures, certificate): ("chooseBranch", [words, argument, signatures]),
        conflicts.choose_branch_call(header, signatures): ("chooseBranch", [words, (0, 0, b""), signatures]),
        conflicts.reject_child_call(header): ("rejectChild", [words]),
    }
    for data, (name, arguments) in expected.items():
        assert hex_data(data) == contract.encode_abi(name, arguments), name
    assert hex_data(vault.balance_of_call(token)) == token_contract.encode_abi("balanceOf", [checksum])
    assert hex_data(vault.approve_call(token, 5)) == token_contract.encode_abi("approve", [checksum, 5])


async def test_real_deposits_are_told_and_custody_counts_them(deployed, endpoint, profile, watch):
    for account in (1, 2, 3):
        await wait(deployed.deposit, 1_000, account)
    deployed.chain.mine(10)
    w = watch(profile, endpoint)
    await w.until_quiet()
    assert w.watcher.status.halt is None
    assert [(fact.nonce, fact.account, fact.amount) for fact in w.deposits] == [
        (nonce, nonce, u256(1_000)) for nonce in (1, 2, 3)
    ]
    assert [fact.block_number % 4 for fact in w.custody] == [0] * len(w.custody)
    newest = w.custody[-1]
    assert (newest.deposited, newest.withdrawn, newest.balance) == (u256(3_000), u256(0), u256(3_000))
    assert isinstance(w.facts[-1], ChainHeartbeat)


@pytest.fixture
def two_tokens(deployed):
    """Watched with a dollar and a token that may rebase."""
    profile = deployed.watched()
    return replace(profile, tokens=(*profile.tokens, deployed.moody_at.address), balances=profile.balances * 2)


def rebase_down(deployed, amount):
    moody = deployed.user.contract("MoodyToken", deployed.moody_at)
    deployed.user.send(moody.functions.take(deployed.vault.address, amount))


async def test_a_token_that_rebases_down_is_reported_as_short_and_the_other_flows_on(
    deployed, endpoint, two_tokens, watch
):
    for at in (deployed.token_at, deployed.moody_at):
        await wait(deployed.deposit, 1_000, 1, at)
    deployed.chain.mine(8)
    w = watch(two_tokens, endpoint)
    await w.until_quiet()
    assert w.watcher.status.shortage == ""
    await wait(rebase_down, deployed, 1)
    await wait(deployed.deposit, 500, 2)
    deployed.chain.mine(12)
    await w.until_quiet()
    assert w.watcher.status.halt is None
    dollar, rebased = w.custody[-2:]
    assert (rebased.token, rebased.deposited, rebased.balance) == (deployed.moody_at.address, u256(1_000), u256(999))
    assert (dollar.deposited, dollar.balance) == (u256(1_500), u256(1_500))
    assert [(fact.token, fact.account) for fact in w.deposits][-1] == (deployed.token_at.address, 2)
    assert deployed.moody_at.address.hex() in w.watcher.status.shortage
    moody = deployed.user.contract("MoodyToken", deployed.moody_at)
    await wait(deployed.user.send, moody.functions.mint(deployed.vault.address, 1))
    deployed.chain.mine(12)
    await w.until_quiet()
    assert w.watcher.status.shortage == ""
    assert [began for alarm, began in w.alarms if alarm is Alarm.TOKEN_SHORT] == [True, False]


@pytest.mark.parametrize("mood", ["BalanceRefused", "BalanceBurning"])
async def test_a_token_that_does_not_answer_for_its_balance_is_proven_beside_the_other(
    deployed, endpoint, two_tokens, watch, mood
):
    for at in (deployed.token_at, deployed.moody_at):
        await wait(deployed.deposit, 1_000, 1, at)
    await wait(deployed.set_mood, mood)
    deployed.chain.mine(12)
    w = watch(two_tokens, endpoint)
    await w.until_quiet()
    assert [fact.balance for fact in w.custody[-2:]] == [u256(1_000)] * 2
    assert (len(w.deposits), w.watcher.status.shortage) == (2, "")


async def test_a_token_whose_balance_nobody_can_prove_is_left_out_and_the_other_flows_on(
    deployed, endpoint, two_tokens, watch
):
    unproven = replace(two_tokens, balances=(two_tokens.balances[0], BalanceLocation()))
    for at in (deployed.token_at, deployed.moody_at):
        await wait(deployed.deposit, 1_000, 1, at)
    await wait(rebase_down, deployed, 1)
    deployed.chain.mine(12)
    w = watch(unproven, endpoint)
    await w.until_quiet()
    assert {fact.token for fact in w.custody if any(fact.deposited)} == {deployed.token_at.address}
    assert len(w.deposits) == 2
    assert "R0671" in w.watcher.status.shortage


def one_unit_low(call: RpcCall, result: Result) -> Result:
    """A balance that is not zero, answered one unit low."""
    data: Any = call.params[0] if call.method == "eth_call" else {}
    is_balance = data and data["data"].startswith(hex_data(vault.BALANCE_OF))
    return "0x" + u256(int(str(result), 16) - 1).hex() if is_balance and int(str(result), 16) else result


async def test_a_shortage_that_the_blocks_state_does_not_prove_is_not_reported(deployed, endpoint, profile, watch):
    """Every endpoint lies: the counters are a quorum's, the state is the chain's."""
    await wait(deployed.deposit, 1_000)
    deployed.chain.mine(10)
    liar = Liar(endpoint, one_unit_low)
    w = watch(profile, liar)
    await w.until_quiet()
    assert (w.watcher.status.halt, w.nonces) == (None, [1])
    assert not any(any(fact.deposited) for fact in w.custody)
    assert "R0671" in w.watcher.status.shortage
    liar.alter = lambda call, result: result
    deployed.chain.mine(8)
    await w.until_quiet()
    assert w.watcher.status.shortage == ""
    assert w.custody[-1].balance == u256(1_000)


async def test_custody_is_the_word_of_a_quorum(deployed, endpoint, profile, watch):
    profile = from_now(deployed, profile)
    await wait(deployed.deposit, 1_000)
    deployed.chain.mine(10)
    wrong = "0x" + u256(1).hex()
    lying = [Liar(endpoint, calls_answered(wrong)), Liar(endpoint), Liar(endpoint)]
    three = replace(profile, finality=FinalityPolicy(quorum=2))
    w = watch(three, *lying)
    await w.until_quiet()
    assert w.custody[-1].balance == u256(1_000)
    lying[1].alter = calls_answered("0x" + u256(2).hex())
    deployed.chain.mine(8)
    before = w.custody[-1].block_number
    await w.until_quiet()
    assert w.custody[-1].block_number > before
    assert w.custody[-1].balance == u256(1_000), "without a quorum the block's own state decides"


def without_states(call: RpcCall, result: Result) -> Result:
    """A node that has dropped the states of final blocks."""
    return Refusal(-32000, "missing trie node") if call.method in ("eth_call", "eth_getProof") else result


async def test_counters_come_from_one_endpoint_that_can_prove_them(deployed, endpoint, profile, watch):
    profile = from_now(deployed, profile)
    await wait(deployed.deposit, 1_000)
    deployed.chain.mine(10)
    pruned = [Liar(endpoint, without_states), Liar(endpoint, without_states)]
    w = watch(replace(profile, finality=FinalityPolicy(quorum=2)), *pruned, Liar(endpoint))
    await w.until_quiet()
    assert w.custody[-1].balance == u256(1_000)
    assert w.watcher.status.custody_fault == ""


async def test_deposits_wait_for_counters_that_nobody_can_deliver_and_not_for_ever(deployed, endpoint, profile, watch):
    await wait(deployed.deposit, 1_000)
    deployed.chain.mine(10)
    source = Liar(endpoint, without_states)
    patient = watch(profile, source)
    with refused(BridgeCode.ENDPOINT_QUORUM_LOST):
        await patient.until_quiet()
    assert patient.facts == []
    w = watch(profile, source, custody_wait_seconds=0.0)
    await w.until_quiet()
    assert (w.nonces, w.custody) == ([1], [])
    assert "missing trie node" in w.watcher.status.custody_fault
    source.alter = lambda call, result: result
    deployed.chain.mine(8)
    await w.until_quiet()
    assert w.custody[-1].balance == u256(1_000)
    assert w.watcher.status.custody_fault == ""
    assert [began for alarm, began in w.alarms if alarm is Alarm.CUSTODY_MISSING] == [True, False]


async def test_a_checkpoint_is_posted_and_withdrawals_are_paid_once(deployed, endpoint, profile, watch):
    await wait(deployed.deposit, 1_000)
    relayable = released(deployed, (300, 200))
    first, second = relayer(endpoint, deployed), relayer(endpoint, deployed, OTHER_RELAYER)
    relayed = await first.relay(relayable)
    assert relayed.checkpoint is not None
    assert relayed.claims == (0, 1)
    assert paid(deployed) == 500
    for again in (first, second):
        relayed = await again.relay(relayable)
        assert (relayed.checkpoint, relayed.claims, relayed.refused) == (None, (), ())
    deployed.chain.mine(8)
    w = watch(profile, endpoint)
    await w.until_quiet()
    assert [fact.nonce for fact in w.withdrawals] == [0, 1]
    assert w.custody[-1].withdrawn == u256(500)


async def test_two_relayers_at_once_pay_once_and_neither_fails(deployed, endpoint):
    await wait(deployed.deposit, 1_000)
    relayable = released(deployed, (300, 200))
    for _ in range(2):
        await relay_at_once(endpoint, deployed, relayable)
    assert paid(deployed) == 500


def ordering(deployed, guardian, nonce=0):
    """A certified header over an order to the vault, behind as many others as `nonce` says."""
    at = (deployed.chain.chain_id, deployed.vault_at.address)
    proofs = LeafProofs([guardian_order_leaf_hash(*at, number, guardian) for number in range(nonce + 1)])
    header = make_header(FOUR, nonce + 1, withdrawals_root=proofs.root(nonce + 1), withdrawals_count=nonce + 1)
    return replace(certified(header), proofs=proofs, order=VaultOrder(nonce, guardian))


def guardian_of(deployed):
    return bytes.fromhex(deployed.view("guardian")[2:])


async def test_an_order_of_the_network_is_brought_to_the_vault_once(deployed, endpoint):
    relayable, one = ordering(deployed, TO), relayer(endpoint, deployed)
    relayed = await one.relay(relayable)
    assert (relayed.order, relayed.checkpoint is not None) == (0, True), "no claim waits, and the checkpoint comes"
    assert (guardian_of(deployed), deployed.view("ordersFrom")) == (TO, 1)
    assert (await one.relay(relayable)).is_idle


async def test_of_two_relayers_one_shows_the_order_and_neither_fails(deployed, endpoint):
    relayable = ordering(deployed, TO)
    await relayer(endpoint, deployed).post_checkpoint(relayable)
    reports = await relay_at_once(endpoint, deployed, relayable)
    assert [report.order for report in reports].count(0) == 1
    assert guardian_of(deployed) == TO


async def test_an_order_that_the_cold_quorum_voided_is_not_shown(deployed, endpoint):
    relayable, one = ordering(deployed, TO), relayer(endpoint, deployed)
    await one.post_checkpoint(relayable)
    other = bytes([7]) * 20
    signatures = await wait(deployed.decided, GuardianReplacement(other))
    await wait(deployed.call, vault.replace_guardian_call(other, signatures))
    assert (await one.relay(relayable)).is_idle
    assert guardian_of(deployed) == other
    assert (await one.relay(ordering(deployed, TO, 1))).order == 1


async def test_a_paused_vault_follows_an_order_that_it_knows(deployed, endpoint):
    relayable, one = ordering(deployed, TO), relayer(endpoint, deployed)
    await one.post_checkpoint(relayable)
    await wait(deployed.guard)
    assert (await one.relay(relayable)).order == 0


async def test_an_order_under_a_root_that_is_not_the_networks_is_shown_to_nobody(deployed, endpoint):
    one = relayer(endpoint, deployed)
    await one.post_checkpoint(ordering(deployed, bytes([7]) * 20))
    with refused(BridgeCode.VAULT_ASTRAY):
        await one.relay(ordering(deployed, TO))


@pytest.mark.parametrize("bad", ["under quorum", "prevote"])
async def test_a_header_that_the_vault_refuses_costs_nothing_and_is_told(deployed, endpoint, bad):
    header = released(deployed, (1,)).header
    kind = VoteKind.PREVOTE if bad == "prevote" else VoteKind.PRECOMMIT
    certificate = FOUR.certify(header, (0, 1, 2) if bad == "prevote" else (0, 1), kind)
    one = relayer(endpoint, deployed)
    before = deployed.chain.rpc("eth_getTransactionCount", "0x" + one._sender.address.hex(), "latest")
    with refused(BridgeCode.TRANSACTION_REVERTED):
        await one.post_checkpoint(Relayable(header, certificate, FOUR.validators))
    assert deployed.chain.rpc("eth_getTransactionCount", "0x" + one._sender.address.hex(), "latest") == before


async def test_a_claim_beyond_holdings_is_told_and_the_others_are_paid(deployed, endpoint):
    await wait(deployed.deposit, 1_000)
    relayed = await relayer(endpoint, deployed).relay(released(deployed, (5_000, 200)))
    assert relayed.claims == (1,)
    assert [nonce for nonce, _ in relayed.refused] == [0]


async def test_withdrawals_that_cannot_be_paid_hold_nobody_up(deployed, endpoint):
    """As many as a batch takes, and older than all others."""
    await wait(deployed.deposit, 100_000)
    relayable = released(deployed, (1_000_000,) * BATCH_MAX + (200,) * 3)
    one = relayer(endpoint, deployed)
    first, second = await one.relay(relayable), await one.relay(relayable)
    assert ([nonce for nonce, _ in first.refused], first.claims) == (list(range(BATCH_MAX)), ())
    assert (second.claims, second.refused) == (tuple(range(BATCH_MAX, BATCH_MAX + 3)), ())
    third = await one.relay(relayable)
    assert (third.claims, third.refused) == ((), ()), "each waits before it is tried again"


async def test_a_claim_is_proven_under_the_root_that_the_vault_has(deployed, endpoint):
    """Other chains' withdrawals come with every block: the newest root is one that the vault may never have."""
    await wait(deployed.deposit, 1_000)
    early = released(deployed, (300,))
    one = relayer(endpoint, deployed)
    assert await one.post_checkpoint(early)
    elsewhere = replace(released(deployed, (300, 200, 100), height=9), claims=early.claims)
    relayed = await one.relay(elsewhere)
    assert (relayed.checkpoint, relayed.claims) == (None, (0,))


async def test_a_root_that_is_not_the_networks_stops_the_claims_of_a_vault(deployed, endpoint):
    await wait(deployed.deposit, 1_000)
    one = relayer(endpoint, deployed)
    assert await one.post_checkpoint(released(deployed, (300,)))
    with refused(BridgeCode.VAULT_ASTRAY):
        await one.relay(released(deployed, (200,)))


async def test_nothing_is_posted_while_nothing_waits(deployed, endpoint):
    assert (await relayer(endpoint, deployed).relay(certified(make_header(FOUR, 1)))).checkpoint is None
    late = make_header(FOUR, 1, time_ms=1000 * (2**34))
    assert (await relayer(endpoint, deployed, checkpoint_seconds=0).relay(certified(late))).checkpoint is not None


@pytest.fixture(scope="session")
def five():
    return make_signers((1, 1, 1, 1, 1), b"next")


def rotation(next_set, height=1):
    header = make_header(FOUR, height, next_validators_hash=next_set.validators.hash)
    return Rotation(header, FOUR.certify(header, (0, 1, 2)), FOUR.validators, next_set.validators)


def rotating(next_set, height=1):
    """The same header as any other checkpoint."""
    missed = rotation(next_set, height)
    return Relayable(missed.header, missed.certificate, FOUR.validators)


def after_rotation(five, height, *, with_rotation=True, **changes):
    header = make_header(five, height, **changes)
    missed = rotation(five) if with_rotation else None
    return Relayable(header, five.certify(header, (0, 1, 2, 3)), five.validators, (), None, missed, (FOUR.validators,))


async def followed(one):
    return await one._followed()


async def test_a_rotation_missed_at_its_time_is_relayed_later_with_the_keys(deployed, endpoint, five):
    one = relayer(endpoint, deployed)
    relayed = await one.relay(after_rotation(five, 40))
    assert (relayed.rotated, relayed.checkpoint) == (True, None)  # nothing waits for a newer header
    assert await followed(one) == (five.validators.hash, True)
    assert (await one.latest()).height == 1
    again = await one.relay(after_rotation(five, 41))
    assert (again.rotated, again.checkpoint) == (False, None)
    due = relayer(endpoint, deployed, checkpoint_seconds=0)
    late = await due.relay(after_rotation(five, 42, with_rotation=False, time_ms=1000 * 2**34))
    assert late.checkpoint is not None
    assert (await one.latest()).height == 42


async def test_keys_that_a_relayer_did_not_bring_are_brought_by_the_next(deployed, endpoint, five):
    one = relayer(endpoint, deployed)
    assert await one.post_checkpoint(rotating(five))
    assert await followed(one) == (five.validators.hash, False)  # and here it died
    assert not (await one.relay(after_rotation(five, 9, with_rotation=False))).rotated
    assert await followed(one) == (five.validators.hash, True)


async def test_before_the_rotating_header_is_decided_the_vault_is_left_alone(deployed, endpoint, five):
    waiting = certified(make_header(FOUR, 3), known=(five.validators,))
    one = relayer(endpoint, deployed)
    assert not (await one.relay(waiting)).rotated
    assert await followed(one) == (FOUR.validators.hash, True)


async def test_without_the_rotating_header_nothing_is_posted_to_a_vault_left_behind(deployed, endpoint, five):
    one = relayer(endpoint, deployed, checkpoint_seconds=0)
    relayed = await one.relay(after_rotation(five, 9, with_rotation=False, time_ms=1000 * 2**34))
    assert (relayed.rotated, relayed.checkpoint) == (False, None)


async def test_two_relayers_at_once_rotate_once_and_neither_fails(deployed, endpoint, five):
    reports = await relay_at_once(endpoint, deployed, after_rotation(five, 9))
    assert sorted(report.rotated for report in reports) == [False, True]
    assert await followed(relayer(endpoint, deployed)) == (five.validators.hash, True)


async def test_a_vault_that_follows_strangers_is_told_and_shown_nothing(deployed, endpoint, five):
    one = relayer(endpoint, deployed)
    assert await one.post_checkpoint(rotating(make_signers((1, 1, 1, 1), b"stranger")))
    with refused(BridgeCode.VAULT_ASTRAY):
        await one.relay(after_rotation(five, 9))


async def test_a_rotation_is_told_out_of_a_final_block_and_anybody_may_point_at_it(
    deployed, endpoint, profile, five, watch
):
    one = relayer(endpoint, deployed)
    mined = await one.post_checkpoint(rotating(five, 7))
    w = watch(profile, endpoint)
    await w.until_quiet()
    assert not [fact for fact in w.facts if isinstance(fact, ValidatorsRotated)]
    deployed.chain.mine(8)
    await w.until_quiet()
    (reported,) = [fact for fact in w.facts if isinstance(fact, ValidatorsRotated)]
    assert (reported.chain_id, reported.vault, reported.height) == (CHAIN_ID, profile.vault, 7)
    assert reported.validators_hash == five.validators.hash
    assert w.store.pending(CHAIN_ID) == (reported,)
    reader = SubmittedEventReader(profile, w.quorum)
    (submission,) = await prove_events(endpoint, ETHEREUM, CHAIN_ID, profile.vault, mined.hash)
    assert await reader.of_proof(submission) == reported
    assert await reader.of_transaction(mined.hash) == (reported,)


async def test_a_stuck_transaction_is_replaced_at_a_higher_fee_and_mined_once(deployed, endpoint, nursery):
    one = relayer(endpoint, deployed, wait_seconds=0.15)
    relayable = released(deployed, (1,))
    deployed.chain.rpc("evm_setAutomine", *[False])
    results = []

    async def go():
        results.append(await one.post_checkpoint(relayable))

    nursery.start_soon(go)

    def waiting():
        pool = deployed.chain.rpc("txpool_content")["pending"]
        return [sent for by_nonce in pool.values() for sent in by_nonce.values()]

    await until(lambda: [each for each in waiting() if int(each["maxPriorityFeePerGas"], 16) > FeePolicy().tip])
    assert len(waiting()) == 1
    deployed.chain.mine(1)
    (mined,) = deployed.chain.rpc("eth_getBlockByNumber", "latest", *[True])["transactions"]
    assert int(mined["maxPriorityFeePerGas"], 16) > FeePolicy().tip
    deployed.chain.rpc("evm_setAutomine", *[True])
    await until(lambda: results)
    assert results[0].hash.hex() == mined["hash"][2:]
    assert (await one.latest()).height == 1


async def test_a_nonce_used_by_another_transaction_of_the_key_is_no_failure(deployed, endpoint):
    one = relayer(endpoint, deployed)
    same_key = ChainUser(deployed.chain, RELAYER)
    relayable = released(deployed, (1,))
    first_bid = one._sender._first_bid
    calls = []

    async def bid_then_lose_the_nonce(*asked):
        bid = await first_bid(*asked)
        if not calls:
            calls.append(1)
            mint = deployed.token.functions.mint(same_key.address, 1)
            await wait(same_key.send, mint)
        return bid

    one._sender._first_bid = bid_then_lose_the_nonce
    assert await one.post_checkpoint(relayable) is not None
    assert (await one.latest()).height == 1


async def test_a_transaction_sent_twice_is_one_transaction(deployed, endpoint):
    sender = Sender(endpoint, CHAIN_ID, USER)
    data = vault.approve_call(deployed.vault_at.address, 5)
    bid = await sender._first_bid(deployed.token_at.address, data, 0)
    raw, hash_ = sender._sign(bid, deployed.token_at.address, data)
    deployed.chain.rpc("evm_setAutomine", *[False])
    assert await sender._submit(raw) is None
    sender._first_bid = lambda *_: _value(bid)
    results, submit, again = [], sender._submit, []

    async def counted(raw):
        answer = await submit(raw)
        again.append(raw)
        return answer

    sender._submit = counted
    async with trio.open_nursery() as nursery:

        async def go():
            results.append(await sender.send(deployed.token_at.address, data))

        nursery.start_soon(go)
        await until(lambda: again)
        deployed.chain.mine(1)
    assert results[0].hash == hash_
    assert again[0] == raw


async def _value(value):
    return value


async def test_anybody_may_submit_a_deposit_by_its_transaction_or_with_its_proof(deployed, endpoint, profile, watch):
    receipt = await wait(deployed.deposit, 700, 5)
    w = watch(profile, endpoint)
    reader, transaction = SubmittedEventReader(profile, w.quorum), bytes(receipt["transactionHash"])
    (submission,) = await prove_events(endpoint, ETHEREUM, CHAIN_ID, profile.vault, transaction)
    await w.until_quiet()
    fact = await reader.of_proof(submission)
    assert await reader.of_transaction(transaction) == (fact,)
    with refused(BridgeCode.UNTRUSTED_BLOCK):
        await reader.check_final(fact, w.watcher.cursor)
    deployed.chain.mine(6)
    await w.until_quiet()
    await reader.check_final(fact, w.watcher.cursor)
    assert w.deposits == [fact]
    with refused(BridgeCode.UNTRUSTED_BLOCK):
        await reader.of_proof(msgspec.structs.replace(submission, block_hash=bytes(32)))
    with refused(BridgeCode.UNTRUSTED_BLOCK):
        await reader.check_final(msgspec.structs.replace(fact, block_hash=bytes(32)), w.watcher.cursor)


async def test_a_transaction_that_is_not_there_or_has_no_event_is_no_submission(deployed, endpoint, profile, watch):
    reader = SubmittedEventReader(profile, watch(profile, endpoint).quorum)
    with refused(BridgeCode.SUBMISSION_NOT_FOUND):
        await reader.of_transaction(bytes(32))
    mint = await wait(deployed.user.send, deployed.token.functions.mint(deployed.user.address, 1))
    with refused(BridgeCode.NOT_A_VAULT_EVENT):
        await reader.of_transaction(bytes(mint["transactionHash"]))


async def test_what_is_not_mined_or_holds_no_event_has_no_proof(deployed, endpoint, profile):
    with refused(BridgeCode.UNTRUSTED_BLOCK):
        await prove_events(endpoint, ETHEREUM, CHAIN_ID, profile.vault, bytes(32))
    mint = await wait(deployed.user.send, deployed.token.functions.mint(deployed.user.address, 1))
    with refused(BridgeCode.NOT_A_VAULT_EVENT):
        await prove_events(endpoint, ETHEREUM, CHAIN_ID, profile.vault, bytes(mint["transactionHash"]))
    with refused(BridgeCode.WRONG_CHAIN):
        await prove_events(endpoint, ETHEREUM, 1, profile.vault, bytes(mint["transactionHash"]))


async def test_the_actor_relays_what_is_newest_and_outlives_faults(deployed, endpoint, nursery):
    await wait(deployed.deposit, 1_000)
    one = relayer(endpoint, deployed)
    first = released(deployed, (300,))
    under_quorum = Relayable(first.header, FOUR.certify(first.header, (0, 1)), FOUR.validators, first.claims)
    newest = [None, under_quorum]
    reported = []

    async def run():
        await one.run(lambda: newest[-1], reported.append, 0.01)

    nursery.start_soon(run)
    await until(lambda: "R0631" in one.last_fault)
    newest.append(first)
    await until(lambda: reported)
    assert reported[0].checkpoint is not None
    assert reported[0].claims == (0,)
    newest.append(released(deployed, (300, 50), height=2))
    await until(lambda: len(reported) == 2)
    assert reported[1].claims == (1,)
    assert (await one.latest()).height == 2
    nursery.cancel_scope.cancel()


async def test_an_idle_relayer_rests_until_the_network_wants_something_new(deployed, endpoint, nursery):
    asked, given = [], []
    one = relayer(Between(endpoint, lie=lambda call, answer: asked.append(call) or answer), deployed)
    quiet = certified(make_header(FOUR, 1))
    newest = [quiet]

    def shown():
        given.append(newest[-1])
        return newest[-1]

    reported = []
    nursery.start_soon(one.run, shown, reported.append, 0.01)
    await until(lambda: len(given) > 4 * 6)
    rounds = 1 + (len(given) - 1) // (RESTS + 1)
    assert len(asked) <= 3 * (rounds + 1)
    await wait(deployed.deposit, 1_000)
    newest.append(released(deployed, (300,), height=2))
    await until(lambda: reported)
    assert reported[0].claims == (0,)
    nursery.cancel_scope.cancel()


def test_what_is_open_and_what_failed_is_asked_for_in_every_round():
    rounds = RelayRounds()
    for wanted in (None, 1):
        for _ in range(3):
            assert rounds.is_due(wanted)
            rounds.note(wanted, is_idle=wanted is None)


def test_after_an_idle_round_so_many_rest_and_something_new_ends_the_rest():
    rounds = RelayRounds()
    rounds.note(1, is_idle=True)
    assert [rounds.is_due(1) for _ in range(RESTS + 1)] == [False] * RESTS + [True]
    rounds.note(1, is_idle=True)
    assert rounds.is_due(2)


class Between(Endpoint):
    """A real endpoint; `before` runs before a transaction is passed on, `lie` changes answers."""

    name = "between"

    def __init__(self, real, before=lambda: None, lie=lambda call, answer: answer):
        self.real, self.before, self.lie = real, before, lie

    async def batch(self, calls):
        if any(call.method == "eth_sendRawTransaction" for call in calls):
            await wait(self.before)
        return [self.lie(call, answer) for call, answer in zip(calls, await self.real.batch(calls), strict=True)]


async def test_recipients_that_make_a_batch_dearer_after_the_estimate_starve_nobody(deployed, endpoint):
    """Each has dust when gas is estimated and none when it is paid: a new balance costs 17,100 more."""
    await wait(deployed.deposit, 100_000)
    hostile = [ChainUser(deployed.chain, bytes([40 + number]) * 32) for number in range(BATCH_MAX)]
    relayable = released(deployed, (1,) * BATCH_MAX, to=[bytes.fromhex(one.address[2:]) for one in hostile])
    one = relayer(endpoint, deployed)
    assert await one.post_checkpoint(relayable)
    for recipient in hostile:
        await wait(deployed.user.send, deployed.token.functions.transfer(recipient.address, 1))

    def sweep():
        for recipient in hostile:
            recipient.send(deployed.token.functions.transfer(deployed.user.address, 1))

    relayed = await relayer(Between(endpoint, sweep), deployed).relay(relayable)
    assert relayed.claims == tuple(range(BATCH_MAX))


async def test_a_root_number_beyond_its_range_is_a_fault_of_the_endpoint(deployed, endpoint):
    await wait(deployed.deposit, 1_000)
    relayable = released(deployed, (300,))
    assert await relayer(endpoint, deployed).post_checkpoint(relayable)

    def lie(call, answer):
        is_latest = call.method == "eth_call" and call.params[0]["data"] == hex_data(vault.LATEST)
        return answer[:194] + u256(2**64).hex() + answer[258:] if is_latest else answer

    with pytest.raises(RemoteFault) as caught:
        await relayer(Between(endpoint, lie=lie), deployed).relay(relayable)
    assert caught.value.code == BridgeCode.MALFORMED_ANSWER


async def test_a_busy_endpoint_is_no_failure_of_a_withdrawal(deployed, endpoint):
    await wait(deployed.deposit, 1_000)
    relayable = released(deployed, (300, 200))
    assert await relayer(endpoint, deployed).post_checkpoint(relayable)
    busy = Refusal(-32005, "limit exceeded")
    between = Between(endpoint, lie=lambda call, answer: busy if call.method == "eth_estimateGas" else answer)
    one = relayer(between, deployed)
    with pytest.raises(RemoteFault) as caught:
        await one.relay(relayable)
    assert caught.value.code == BridgeCode.ENDPOINT_REFUSED
    between.lie = lambda call, answer: answer
    assert (await one.relay(relayable)).claims == (0, 1), "at once"


async def test_a_claim_past_its_not_after_is_made_while_a_pause_gives_it_time(deployed, endpoint):
    await wait(deployed.deposit, 1_000)
    limit = deployed.now() + 1_000
    terms = [{"amount": 300, "to": TO, "not_after_s": limit}, {"amount": 200, "to": TO, "not_after_s": limit - 900}]
    claims = tuple(VaultClaim(nonce, 1, deployed.token_at.address, **each) for nonce, each in enumerate(terms))
    proofs = LeafProofs([withdrawal(deployed, nonce, **each)[1] for nonce, each in enumerate(terms)])
    stated = {"withdrawals_root": proofs.root(2), "withdrawals_count": 2}
    one = relayer(endpoint, deployed)
    assert await one.post_checkpoint(certified(make_header(FOUR, 1, **stated)))
    deployed.chain.rpc("evm_setNextBlockTimestamp", limit - 500)
    await wait(deployed.guard)
    deployed.chain.rpc("evm_setNextBlockTimestamp", deployed.view("pausedUntil"))
    deployed.chain.mine()
    late = certified(make_header(FOUR, 2, time_ms=deployed.now() * 1_000, **stated))
    relayed = await one.relay(replace(late, claims=claims, proofs=proofs))
    assert (relayed.claims, relayed.refused) == ((0,), ()), "the other ended before the pause"


async def test_a_pause_is_no_failure_of_a_withdrawal(deployed, endpoint):
    await wait(deployed.deposit, 1_000)
    relayable = released(deployed, (300, 200))
    one = relayer(endpoint, deployed)
    assert await one.post_checkpoint(relayable)
    await wait(deployed.guard)
    relayed = await one.relay(relayable)
    assert [nonce for nonce, _ in relayed.refused] == [0, 1]
    deployed.chain.rpc("evm_increaseTime", deployed.terms.pause_s + 1)
    deployed.chain.mine()
    assert (await one.relay(relayable)).claims == (0, 1), "at once"

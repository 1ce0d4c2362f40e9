"""The real vault on a real chain: calldata, facts and custody, checkpoints, claims, stuck transactions."""

import json
from dataclasses import replace

import msgspec
import pytest
import trio
from eth_account import Account
from web3 import Web3

from bridge.chain import FinalityPolicy, WatchedChain
from bridge.codes import BridgeCode
from bridge.contracts import load_artifact, vault
from bridge.contracts.vault import VaultClaim, checkpoint_arguments, validator_words
from bridge.evm.hexadecimal import hex_data
from bridge.relay.claim_queue import BATCH_MAX
from bridge.relay.relayer import Relayable, Relayer, Rotation
from bridge.relay.transactions import FeePolicy, Sender
from bridge.rpc.endpoint import Endpoint
from bridge.rpc.proofs import prove_events
from clearing.base.certificate import VoteKind
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.schema.facts import ChainHeartbeat, ValidatorsRotated
from clearing.state.withdrawals_tree import withdrawal_leaf_hash
from tests.kit.bridge.certified import LeafProofs
from tests.kit.bridge.vault_chain import USER, ChainUser, VaultChain, make_header, make_signers
from tests.kit.refusals import refused
from tests.kit.until import until

pytestmark = pytest.mark.chain
CHAIN_ID = 31337
RELAYER = bytes([9]) * 32
OTHER_RELAYER = bytes([10]) * 32
TO = b"\x33" * 20
FOREVER = 2**40


@pytest.fixture(scope="session")
def four():
    return make_signers((1, 1, 1, 1))


@pytest.fixture
def deployed(anvil, four):
    made = VaultChain(anvil(), four)
    for secret in (RELAYER, OTHER_RELAYER):
        made.chain.fund(Account.from_key(secret).address)
    return made


@pytest.fixture
async def endpoint(deployed):
    async with Endpoint(deployed.chain.url) as endpoint:
        yield endpoint


@pytest.fixture
def profile(deployed):
    return WatchedChain(
        chain_id=CHAIN_ID,
        vault=deployed.vault_at.address,
        deployment_block=deployed.vault_at.block_number,
        tokens=(deployed.token_at.address,),
        finality=FinalityPolicy(quorum=1),
        custody_stride=4,
    )


class LyingCalls:
    """An endpoint that answers every contract call with `value`, unless that is None."""

    name = "lying"

    def __init__(self, true, value):
        self.true, self.value = true, value

    async def batch(self, calls):
        results = await self.true.batch(calls)
        if self.value is None:
            return results
        return [
            self.value if call.method == "eth_call" else result for call, result in zip(calls, results, strict=True)
        ]


def relayer(endpoint, deployed, secret=RELAYER, **fees):
    sender = Sender(endpoint, CHAIN_ID, secret, FeePolicy(**fees))
    return Relayer(endpoint, sender, deployed.vault_at.address, checkpoint_seconds=10**9)


def released(deployed, four, amounts, height=1):
    """A certified header over withdrawals of these amounts, with the claims."""
    token = deployed.token_at.address
    claims = tuple(VaultClaim(nonce, token, TO, amount, FOREVER) for nonce, amount in enumerate(amounts))
    proofs = LeafProofs([leaf_of(deployed, claim) for claim in claims])
    header = make_header(four, height, withdrawals_root=proofs.root(len(claims)), withdrawals_count=len(claims))
    return Relayable(header, four.certify(header, (0, 1, 2)), four.validators, claims, proofs)


def leaf_of(deployed, claim):
    return withdrawal_leaf_hash(
        CHAIN_ID, deployed.vault_at.address, claim.nonce, claim.token, claim.to, claim.amount, claim.not_after_s
    )


async def wait(function, *arguments):
    return await trio.to_thread.run_sync(function, *arguments)


def test_calldata_is_what_the_committed_abi_says(four):
    contract = Web3().eth.contract(abi=load_artifact("Vault").abi)
    token_contract = Web3().eth.contract(abi=load_artifact("TestToken").abi)
    header = make_header(four)
    certificate = four.certify(header, (0, 2, 3), round_=5)
    words, argument = checkpoint_arguments(header, certificate)
    token, checksum = b"\x70" * 20, Web3.to_checksum_address(b"\x70" * 20)
    claim, siblings = VaultClaim(5, token, TO, 2**255, 2**63), tuple(bytes([n]) * 32 for n in range(32))
    withdrawal = (5, checksum, Web3.to_checksum_address(TO), 2**255, 2**63)
    expected = {
        vault.deposit_nonce_call(): ("depositNonce", []),
        vault.deposited_call(token): ("deposited", [checksum]),
        vault.withdrawn_call(token): ("withdrawn", [checksum]),
        vault.latest_call(): ("latest", []),
        vault.is_paid_call(77): ("isPaid", [77]),
        vault.VALIDATORS_HASH: ("validatorsHash", []),
        vault.VALIDATORS_CODE: ("validatorsCode", []),
        vault.checkpoint_call(header, certificate): ("checkpoint", [words, argument]),
        vault.install_validators_call(four.validators): ("installValidators", [validator_words(four.validators)]),
        vault.withdraw_call(claim, 7, siblings): ("withdraw", [withdrawal, 7, siblings]),
        vault.withdraw_batch_call((claim, claim), 7, siblings): ("withdrawBatch", [[withdrawal] * 2, 7, siblings]),
    }
    for data, (name, arguments) in expected.items():
        assert hex_data(data) == contract.encode_abi(name, arguments), name
    assert hex_data(vault.balance_of_call(token)) == token_contract.encode_abi("balanceOf", [checksum])
    assert hex_data(vault.approve_call(token, 5)) == token_contract.encode_abi("approve", [checksum, 5])


def test_event_topics_are_those_of_the_committed_abi():
    from bridge.evm.events import DEPOSITED, ROTATED, WITHDRAWN
    from clearing.base.hashing import keccak256

    events = {
        entry["name"]: keccak256(f"{entry['name']}({','.join(i['type'] for i in entry['inputs'])})".encode())
        for entry in load_artifact("Vault").abi
        if entry["type"] == "event"
    }
    indexed = {
        entry["name"]: [i["indexed"] for i in entry["inputs"]]
        for entry in json.loads(json.dumps(load_artifact("Vault").abi))
        if entry["type"] == "event"
    }
    assert (events["Deposited"], events["Withdrawn"], events["ValidatorsRotated"]) == (DEPOSITED, WITHDRAWN, ROTATED)
    assert indexed["ValidatorsRotated"] == [True, True]
    assert indexed["Deposited"] == [True, True, True, False, False, False]
    assert indexed["Withdrawn"] == [True, True, True, False]


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


async def test_a_vault_that_holds_less_than_it_accounts_for_halts_its_chain(deployed, endpoint, profile, watch):
    await wait(deployed.deposit, 1_000)
    deployed.chain.mine(8)
    w = watch(profile, endpoint)
    await w.until_quiet()
    assert w.watcher.status.halt is None
    thief = hex_data(deployed.vault_at.address)
    deployed.chain.fund(thief)
    deployed.chain.rpc("anvil_impersonateAccount", thief)
    stolen = vault.selector("transfer(address,uint256)") + bytes(12) + TO + u256(1)
    call = {"from": thief, "to": hex_data(deployed.token_at.address), "data": hex_data(stolen)}
    deployed.chain.rpc("eth_sendTransaction", call)
    deployed.chain.mine(12)
    await w.until_quiet()
    assert w.watcher.status.halt.code == BridgeCode.VAULT_INSOLVENT
    assert w.custody[-1].balance == u256(999), "the evidence is told before the halt"


async def test_custody_is_the_word_of_a_quorum(deployed, endpoint, profile, watch):
    await wait(deployed.deposit, 1_000)
    deployed.chain.mine(10)
    wrong = "0x" + u256(1).hex()
    lying = [LyingCalls(endpoint, value) for value in (wrong, None, None)]
    three = replace(profile, finality=FinalityPolicy(quorum=2))
    w = watch(three, *lying)
    await w.until_quiet()
    assert w.custody[-1].balance == u256(1_000)
    lying[1].value = "0x" + u256(2).hex()
    deployed.chain.mine(8)
    told = len(w.facts)
    with pytest.raises(RemoteFault):
        await w.until_quiet()
    assert len(w.facts) == told


async def test_a_checkpoint_is_posted_and_withdrawals_are_paid_once(deployed, endpoint, profile, four, watch):
    await wait(deployed.deposit, 1_000)
    relayable = released(deployed, four, (300, 200))
    first, second = relayer(endpoint, deployed), relayer(endpoint, deployed, OTHER_RELAYER)
    relayed = await first.relay(relayable)
    assert relayed.checkpoint is not None
    assert relayed.claims == (0, 1)
    assert deployed.token.functions.balanceOf(Web3.to_checksum_address(TO)).call() == 500
    for again in (first, second):
        relayed = await again.relay(relayable)
        assert (relayed.checkpoint, relayed.claims, relayed.refused) == (None, (), ())
    deployed.chain.mine(8)
    w = watch(profile, endpoint)
    await w.until_quiet()
    assert [fact.nonce for fact in w.withdrawals] == [0, 1]
    assert w.custody[-1].withdrawn == u256(500)


async def test_two_relayers_at_once_pay_once_and_neither_fails(deployed, endpoint, four):
    await wait(deployed.deposit, 1_000)
    relayable = released(deployed, four, (300, 200))
    done = []

    async def go(secret):
        done.append(await relayer(endpoint, deployed, secret).relay(relayable))

    for _ in range(2):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(go, RELAYER)
            nursery.start_soon(go, OTHER_RELAYER)
    assert deployed.token.functions.balanceOf(Web3.to_checksum_address(TO)).call() == 500


@pytest.mark.parametrize("bad", ["under quorum", "prevote"])
async def test_a_header_that_the_vault_refuses_costs_nothing_and_is_told(deployed, endpoint, four, bad):
    header = released(deployed, four, (1,)).header
    kind = VoteKind.PREVOTE if bad == "prevote" else VoteKind.PRECOMMIT
    certificate = four.certify(header, (0, 1, 2) if bad == "prevote" else (0, 1), kind)
    one = relayer(endpoint, deployed)
    before = deployed.chain.rpc("eth_getTransactionCount", "0x" + one._sender.address.hex(), "latest")
    with refused(BridgeCode.TRANSACTION_REVERTED):
        await one.post_checkpoint(Relayable(header, certificate, four.validators))
    assert deployed.chain.rpc("eth_getTransactionCount", "0x" + one._sender.address.hex(), "latest") == before


async def test_a_claim_beyond_holdings_is_told_and_the_others_are_paid(deployed, endpoint, four):
    await wait(deployed.deposit, 1_000)
    relayed = await relayer(endpoint, deployed).relay(released(deployed, four, (5_000, 200)))
    assert relayed.claims == (1,)
    assert [nonce for nonce, _ in relayed.refused] == [0]


async def test_withdrawals_that_cannot_be_paid_hold_nobody_up(deployed, endpoint, four):
    """As many as a batch takes, and older than all others."""
    await wait(deployed.deposit, 100_000)
    relayable = released(deployed, four, (1_000_000,) * BATCH_MAX + (200,) * 3)
    one = relayer(endpoint, deployed)
    first, second = await one.relay(relayable), await one.relay(relayable)
    assert ([nonce for nonce, _ in first.refused], first.claims) == (list(range(BATCH_MAX)), ())
    assert (second.claims, second.refused) == (tuple(range(BATCH_MAX, BATCH_MAX + 3)), ())
    third = await one.relay(relayable)
    assert (third.claims, third.refused) == ((), ()), "each waits before it is tried again"


async def test_a_claim_is_proven_under_the_root_that_the_vault_has(deployed, endpoint, four):
    """Other chains' withdrawals come with every block: the newest root is one that the vault may never have."""
    await wait(deployed.deposit, 1_000)
    early = released(deployed, four, (300,))
    one = relayer(endpoint, deployed)
    assert await one.post_checkpoint(early)
    elsewhere = replace(released(deployed, four, (300, 200, 100), height=9), claims=early.claims)
    relayed = await one.relay(elsewhere)
    assert (relayed.checkpoint, relayed.claims) == (None, (0,))


async def test_a_root_that_is_not_the_networks_stops_the_claims_of_a_vault(deployed, endpoint, four):
    await wait(deployed.deposit, 1_000)
    one = relayer(endpoint, deployed)
    assert await one.post_checkpoint(released(deployed, four, (300,)))
    with pytest.raises(RemoteFault) as caught:
        await one.relay(released(deployed, four, (200,)))
    assert caught.value.code == BridgeCode.VAULT_ASTRAY


async def test_nothing_is_posted_while_nothing_waits(deployed, endpoint, four):
    header = make_header(four, 1)
    idle = Relayable(header, four.certify(header, (0, 1, 2)), four.validators)
    assert (await relayer(endpoint, deployed).relay(idle)).checkpoint is None
    old = Relayer(endpoint, Sender(endpoint, CHAIN_ID, RELAYER), deployed.vault_at.address, checkpoint_seconds=0)
    late = make_header(four, 1, time_ms=1000 * (2**34))
    due = Relayable(late, four.certify(late, (0, 1, 2)), four.validators)
    assert (await old.relay(due)).checkpoint is not None


@pytest.fixture(scope="session")
def five():
    return make_signers((1, 1, 1, 1, 1), b"next")


def rotation(four, five, height=1):
    header = make_header(four, height, next_validators_hash=five.validators.hash)
    return Rotation(header, four.certify(header, (0, 1, 2)), four.validators, five.validators)


def after_rotation(four, five, height, *, with_rotation=True, **changes):
    header = make_header(five, height, **changes)
    missed = rotation(four, five) if with_rotation else None
    return Relayable(header, five.certify(header, (0, 1, 2, 3)), five.validators, (), None, missed, (four.validators,))


async def followed(one):
    return await one._followed()


async def test_a_rotation_missed_at_its_time_is_relayed_later_with_the_keys(deployed, endpoint, four, five):
    one = relayer(endpoint, deployed)
    relayed = await one.relay(after_rotation(four, five, 40))
    assert (relayed.rotated, relayed.checkpoint) == (True, None)  # nothing waits for a newer header
    assert await followed(one) == (five.validators.hash, True)
    assert (await one.latest()).height == 1
    again = await one.relay(after_rotation(four, five, 41))
    assert (again.rotated, again.checkpoint) == (False, None)
    due = Relayer(endpoint, one._sender, deployed.vault_at.address, checkpoint_seconds=0)
    late = await due.relay(after_rotation(four, five, 42, with_rotation=False, time_ms=1000 * 2**34))
    assert late.checkpoint is not None
    assert (await one.latest()).height == 42


async def test_keys_that_a_relayer_did_not_bring_are_brought_by_the_next(deployed, endpoint, four, five):
    one = relayer(endpoint, deployed)
    missed = rotation(four, five)
    assert await one.post_checkpoint(Relayable(missed.header, missed.certificate, four.validators))
    assert await followed(one) == (five.validators.hash, False)  # and here it died
    assert not (await one.relay(after_rotation(four, five, 9, with_rotation=False))).rotated
    assert await followed(one) == (five.validators.hash, True)


async def test_before_the_rotating_header_is_decided_the_vault_is_left_alone(deployed, endpoint, four, five):
    header = make_header(four, 3)
    waiting = Relayable(header, four.certify(header, (0, 1, 2)), four.validators, (), None, None, (five.validators,))
    one = relayer(endpoint, deployed)
    assert not (await one.relay(waiting)).rotated
    assert await followed(one) == (four.validators.hash, True)


async def test_without_the_rotating_header_nothing_is_posted_to_a_vault_left_behind(deployed, endpoint, four, five):
    one = Relayer(endpoint, relayer(endpoint, deployed)._sender, deployed.vault_at.address, checkpoint_seconds=0)
    relayed = await one.relay(after_rotation(four, five, 9, with_rotation=False, time_ms=1000 * 2**34))
    assert (relayed.rotated, relayed.checkpoint) == (False, None)


async def test_two_relayers_at_once_rotate_once_and_neither_fails(deployed, endpoint, four, five):
    done = []

    async def go(secret):
        done.append((await relayer(endpoint, deployed, secret).relay(after_rotation(four, five, 9))).rotated)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go, RELAYER)
        nursery.start_soon(go, OTHER_RELAYER)
    assert sorted(done) == [False, True]
    assert await followed(relayer(endpoint, deployed)) == (five.validators.hash, True)


async def test_a_vault_that_follows_strangers_is_told_and_shown_nothing(deployed, endpoint, four, five):
    stranger = make_signers((1, 1, 1, 1), b"stranger")
    taken = rotation(four, stranger)
    one = relayer(endpoint, deployed)
    assert await one.post_checkpoint(Relayable(taken.header, taken.certificate, four.validators))
    with refused(BridgeCode.VAULT_ASTRAY):
        await one.relay(after_rotation(four, five, 9))


async def test_a_rotation_is_told_out_of_a_final_block_and_anybody_may_point_at_it(
    deployed, endpoint, profile, four, five, watch
):
    one = relayer(endpoint, deployed)
    missed = rotation(four, five, 7)
    mined = await one.post_checkpoint(Relayable(missed.header, missed.certificate, four.validators))
    w = watch(profile, endpoint)
    await w.until_quiet()
    assert not [fact for fact in w.facts if isinstance(fact, ValidatorsRotated)]
    deployed.chain.mine(8)
    await w.until_quiet()
    (told,) = [fact for fact in w.facts if isinstance(fact, ValidatorsRotated)]
    assert (told.chain_id, told.vault, told.height) == (CHAIN_ID, profile.vault, 7)
    assert told.validators_hash == five.validators.hash
    assert w.store.pending(CHAIN_ID) == (told,)
    (submission,) = await prove_events(endpoint, CHAIN_ID, profile.vault, mined.hash)
    assert await w.watcher.check_submission(submission) == told


async def test_a_stuck_transaction_is_replaced_at_a_higher_fee_and_mined_once(deployed, endpoint, four, nursery):
    one = relayer(endpoint, deployed, wait_seconds=0.15)
    relayable = released(deployed, four, (1,))
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


async def test_a_nonce_used_by_another_transaction_of_the_key_is_no_failure(deployed, endpoint, four):
    one = relayer(endpoint, deployed)
    same_key = ChainUser(deployed.chain, RELAYER)
    relayable = released(deployed, four, (1,))
    first_bid = one._sender._first_bid
    calls = []

    async def bid_then_lose_the_nonce(to, data):
        bid = await first_bid(to, data)
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
    bid = await sender._first_bid(deployed.token_at.address, data)
    raw, hash_ = sender._sign(bid, deployed.token_at.address, data)
    deployed.chain.rpc("evm_setAutomine", *[False])
    assert await sender._submit(raw) is None
    sender._first_bid = lambda to, data: _value(bid)
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


async def test_anybody_may_submit_a_deposit_with_its_proof(deployed, endpoint, profile, watch):
    receipt = await wait(deployed.deposit, 700, 5)
    w = watch(profile, endpoint)
    (submission,) = await prove_events(endpoint, CHAIN_ID, profile.vault, bytes(receipt["transactionHash"]))
    await w.until_quiet()
    with refused(BridgeCode.UNTRUSTED_BLOCK):
        await w.watcher.check_submission(submission)
    deployed.chain.mine(6)
    await w.until_quiet()
    assert await w.watcher.check_submission(submission) == w.deposits[0]
    with refused(BridgeCode.UNTRUSTED_BLOCK):
        await w.watcher.check_submission(msgspec.structs.replace(submission, block_hash=bytes(32)))


async def test_what_is_not_mined_or_holds_no_event_has_no_proof(deployed, endpoint, profile):
    with refused(BridgeCode.UNTRUSTED_BLOCK):
        await prove_events(endpoint, CHAIN_ID, profile.vault, bytes(32))
    mint = await wait(deployed.user.send, deployed.token.functions.mint(deployed.user.address, 1))
    with refused(BridgeCode.NOT_A_VAULT_EVENT):
        await prove_events(endpoint, CHAIN_ID, profile.vault, bytes(mint["transactionHash"]))
    with refused(BridgeCode.WRONG_CHAIN):
        await prove_events(endpoint, 1, profile.vault, bytes(mint["transactionHash"]))


async def test_the_actor_relays_what_is_newest_and_outlives_faults(deployed, endpoint, four, nursery):
    await wait(deployed.deposit, 1_000)
    one = relayer(endpoint, deployed)
    first = released(deployed, four, (300,))
    under_quorum = Relayable(first.header, four.certify(first.header, (0, 1)), four.validators, first.claims)
    newest = [None, under_quorum]
    told = []

    async def run():
        await one.run(lambda: newest[-1], told.append, 0.01)

    nursery.start_soon(run)
    while "R0631" not in one.last_fault:  # noqa: ASYNC110
        await trio.sleep(0.01)
    newest.append(first)
    await until(lambda: told)
    assert told[0].checkpoint is not None
    assert told[0].claims == (0,)
    newest.append(released(deployed, four, (300, 50), height=2))
    while len(told) < 2:  # noqa: ASYNC110
        await trio.sleep(0.01)
    assert told[1].claims == (1,)
    assert (await one.latest()).height == 2
    nursery.cancel_scope.cancel()

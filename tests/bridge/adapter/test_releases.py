"""Halted chains are released with a recorded reason, and only so."""

from pathlib import Path

import pytest

from bridge.codes import BridgeCode
from bridge.watch.releases import REASON_MAX, release, releases_of
from clearing.base.codec import u256
from clearing.base.errors import LocalFault
from tests.kit.bridge.forged_chain import ForgedChain
from tests.kit.bridge.watched_chain import CHAIN_ID
from tests.kit.refusals import refused

pytestmark = pytest.mark.chain


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The store of `watched`."""
    return tmp_path / "store"


async def halted_by_dispute(chain, liar, watched):
    number = int(chain.deposited(1, amount=1_000)["blockNumber"], 16)
    chain.mine(10)
    forged = ForgedChain(chain, number, amount=5_000_000)
    w = watched(liar(forged), liar(forged), liar(), quorum=2, dissent_seconds=0.0)
    await w.until_quiet()
    assert w.watcher.status.halt.code == BridgeCode.DISPUTE_UNDECIDED


async def test_a_released_chain_goes_on_where_it_was_halted(chain, liar, watched, folder):
    await halted_by_dispute(chain, liar, watched)
    made = release(folder, CHAIN_ID, 645, "e0 and e1 forged; removed both", 1_000)
    assert not made.is_rescanned
    w = watched(liar(), liar(), quorum=2)
    await w.until_quiet()
    assert [fact.amount for fact in w.deposits] == [u256(1_000)]
    assert releases_of(folder, CHAIN_ID) == (made,)
    assert "R0645" in made.halt


async def test_after_a_finality_violation_the_chain_is_read_again_from_the_deployment_on(
    chain, endpoint, watched, folder
):
    chain.final_deposits(1)
    w = watched(endpoint)
    await w.until_quiet()
    orphaned = chain.deposited(2, amount=7)
    chain.mine(8)
    await w.until_quiet()
    assert w.nonces == [1, 2]
    chain.rpc("anvil_reorg", chain.head - int(orphaned["blockNumber"], 16) + 1, [])
    chain.final_deposits(2, amount=8)
    await w.until_quiet()
    assert w.watcher.status.halt.code == BridgeCode.FINALITY_VIOLATION
    assert release(folder, CHAIN_ID, 622, "reorganised by its operators", 1_000).is_rescanned
    again = watched(endpoint)
    assert again.store.pending(CHAIN_ID) == (), "what was read from blocks that are gone is not attested"
    await again.until_quiet()
    assert [(fact.nonce, fact.amount) for fact in again.deposits] == [(1, u256(1_000)), (2, u256(8))]


async def test_a_chain_that_still_breaks_its_rules_is_halted_again(chain, liar, watched, folder):
    chain.emit(*chain.deposit_log(1))
    chain.emit(*chain.deposit_log(1))
    chain.mine(6)
    for count in (1, 2):
        w = watched(liar())
        await w.until_quiet()
        assert w.watcher.status.halt.code == BridgeCode.NONCE_REPLAYED
        release(folder, CHAIN_ID, 621, f"try {count}", 1_000, rescan=count == 2)
        assert [each.reason for each in releases_of(folder, CHAIN_ID)] == [f"try {each + 1}" for each in range(count)]


@pytest.mark.parametrize(
    ("code", "reason", "refusal"),
    [
        pytest.param(622, "why", BridgeCode.NOT_HALTED, id="another_halt_than_the_one_named"),
        pytest.param(645, "", BridgeCode.BAD_RELEASE_REASON, id="no_reason"),
        pytest.param(645, "  ", BridgeCode.BAD_RELEASE_REASON, id="a_blank_reason"),
        pytest.param(645, "a\x1b[2J", BridgeCode.BAD_RELEASE_REASON, id="a_reason_that_steers_a_terminal"),
        pytest.param(645, "x" * (REASON_MAX + 1), BridgeCode.BAD_RELEASE_REASON, id="too_long_a_reason"),
    ],
)
async def test_a_release_is_refused_and_leaves_the_halt(chain, liar, watched, folder, code, reason, refusal):
    await halted_by_dispute(chain, liar, watched)
    with refused(refusal, LocalFault):
        release(folder, CHAIN_ID, code, reason, 1_000)
    assert releases_of(folder, CHAIN_ID) == ()
    assert watched(liar()).watcher.status.halt.code == BridgeCode.DISPUTE_UNDECIDED


async def test_a_chain_that_is_not_halted_or_not_known_is_not_released(chain, liar, watched, folder):
    chain.final_deposits(1)
    await watched(liar()).until_quiet()
    for chain_id in (CHAIN_ID, 9):
        with refused(BridgeCode.NOT_HALTED, LocalFault):
            release(folder, chain_id, 645, "why", 1_000)


async def test_a_damaged_record_is_not_written_on(chain, liar, watched, folder):
    await halted_by_dispute(chain, liar, watched)
    (folder / f"chain-{CHAIN_ID}.releases").write_text("{}\n")
    with refused(BridgeCode.BAD_RELEASES, LocalFault):
        release(folder, CHAIN_ID, 645, "why", 1_000)
    assert watched(liar()).watcher.status.halt is not None

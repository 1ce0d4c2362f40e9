"""From one epoch to the next, claims move by certified flows alone: a claim that is left out in between shows."""

from dataclasses import replace

import msgspec
import pytest

from clearing.base.header import DepositCursor
from clearing.genesis.custody_listing import listed_custody
from clearing.schema.terms.withdrawals import DELAYED_WITHDRAWALS_MAX, AssetWithdrawalLimits, WithdrawalControlTerms
from proofs.epoch.package import read_package
from proofs.errors import ProofCode
from proofs.history.ordering import entry_of
from proofs.history.package_history import PackageHistory
from proofs.history.token_flows import OutflowLimits, outflow_limits
from proofs.history.transition import in_epochs, movements, reappeared, unexplained
from tests.kit.proofs.hidden_claims import HIDDEN, holdings_of, package_of
from tests.kit.proofs.listed_market import genesis, listed_package


def judged(*packages):
    history = PackageHistory()
    for number, data in enumerate(packages):
        assert history.add(f"{number}.ccp", data).ok, "each passes by itself"
    return history.finish()


def found(verdict):
    return [(finding.code, finding.files) for finding in verdict.findings]


def entry(epoch, **changes):
    data = package_of(epoch, holdings_of(), **changes)
    return entry_of(epoch, f"{epoch}.ccp", read_package(data), stated=True, proven=True)


@pytest.fixture(scope="module")
def honest():
    return tuple(package_of(epoch, holdings_of()) for epoch in (4, 5, 6))


@pytest.fixture(scope="module")
def two(market):
    return tuple(entry(epoch) for epoch in (4, 5))


def changed(one, place=0, **numbers):
    """The entry with other numbers of one of its flows."""
    flows = list(one.flows)
    flows[place] = replace(flows[place], **numbers)
    return replace(one, flows=tuple(flows))


def test_claims_that_stay_are_no_finding_and_their_movement_is_zero(honest):
    verdict = judged(*honest)
    assert verdict.ok, verdict.findings
    assert len(verdict.movements) == 6
    for moved in verdict.movements:
        assert moved.claims_before == moved.claims_after
        assert (moved.deposits, moved.withdrawals, moved.strays, moved.dust) == (0, 0, 0, 0)


@pytest.mark.parametrize("label", ["later", "strays", "dust"])
def test_a_claim_hidden_between_two_epochs_and_shown_again_is_refused(honest, label):
    """The node calls it something else in epoch 5, in a package that passes every check by itself."""
    hiding = package_of(5, holdings_of(cash=-HIDDEN), label)
    verdict = judged(honest[0], hiding, honest[2])
    assert not verdict.ok
    assert {code for code, _ in found(verdict)} == {ProofCode.CLAIMS_UNEXPLAINED}
    assert ("0.ccp", "1.ccp") in [files for _, files in found(verdict)] or label == "dust"
    assert judged(honest[0], honest[1], honest[2]).ok


def test_claims_are_not_called_dust_for_good_however_many_deposits_a_header_counts(two):
    """The bound by numbers of deposits is the quorum's own word: the value that may have become dust is not."""
    first, second = two
    flow = second.flows[0]
    most = flow.counted - first.flows[0].counted + first.flows[0].strays + first.flows[0].unpaid
    cursors = ((*flow.place[:2], 2**62),)
    for more, good in ((most, True), (most + 1, False)):
        hiding = replace(changed(second, dust=first.flows[0].dust + more, claims=flow.claims - more), cursors=cursors)
        codes = [finding.code for finding in unexplained([first, hiding])]
        assert codes == ([] if good else [ProofCode.CLAIMS_UNEXPLAINED])
    coarser = changed(hiding, unit=flow.unit * 10)
    assert not list(unexplained([first, coarser])), (
        "a token that leaves its group leaves remainders of withdrawals, too"
    )


def test_a_claim_that_was_called_a_withdrawal_shows_in_the_movements_and_is_left_to_its_owner(market, honest):
    """No package says whose wish a withdrawal was: that it came back unpaid is in plain sight, and said."""
    hiding = package_of(5, holdings_of(cash=-HIDDEN), "released")
    verdict = judged(honest[0], hiding, honest[2])
    assert verdict.ok
    out, back = ([each for each in verdict.movements if each.to_epoch == epoch] for epoch in (5, 6))
    assert sum(each.withdrawals for each in out) == HIDDEN * market.UNIT
    assert sum(each.claims_before - each.claims_after for each in out) == HIDDEN * market.UNIT
    assert sum(each.returned for each in back) == HIDDEN * market.UNIT
    assert any("came back unpaid" in limit for limit in verdict.not_proven)


def test_an_account_that_is_left_out_once_is_found(honest):
    """Its number is not used again after it was closed, so it was there."""
    without = package_of(5, holdings_of(idle=False), "released")
    assert judged(honest[0], without).ok, "an account may be closed"
    verdict = judged(honest[0], without, honest[2])
    assert found(verdict) == [(ProofCode.ACCOUNT_RETURNED, ("1.ccp", "2.ccp"))]
    assert "account 7" in verdict.findings[0].detail


def test_new_accounts_are_no_finding(honest):
    without = package_of(3, holdings_of(idle=False), "released")
    assert judged(without, *honest).ok


def test_a_token_that_is_left_out_takes_its_claims_along_and_is_found_once(two):
    first, second = two
    third = replace(second, epoch=6, snapshot_height=60, name="6.ccp")
    silent = [replace(each, flows=each.flows[1:]) for each in (second, third)]
    assert [(each.code, each.files) for each in unexplained([first, *silent])] == [
        (ProofCode.TOKEN_LEFT_OUT, ("4.ccp", "5.ccp"))
    ]
    never_used = changed(first, claims=0, counted=0, given_out=0)
    assert not list(unexplained([never_used, *silent]))
    # Silence in between resets nothing.
    fewer = changed(third, counted=first.flows[0].counted - 1)
    assert [each.code for each in unexplained([first, silent[0], fewer])] == [
        ProofCode.TOKEN_LEFT_OUT,
        ProofCode.CLAIMS_UNEXPLAINED,
    ]


def test_deposits_stay_counted(two):
    first, second = two
    counted = first.flows[0].counted
    assert not list(unexplained([first, changed(second, counted=counted + 1)]))
    (one,) = unexplained([first, changed(second, counted=counted - 1)])
    assert "1 of counted deposits are no longer counted" in one.detail


def test_strays_are_new_deposits_or_refunds_that_came_back(two):
    """A refund of strays that its vault does not pay is a stray again, and nothing else becomes one."""
    first, second = two
    flow = first.flows[0]
    for deposits in (0, 40):
        most = flow.strays + deposits + flow.unpaid
        counted = flow.counted + deposits
        assert not list(unexplained([first, changed(second, counted=counted, strays=most)]))
        (one,) = unexplained([first, changed(second, counted=counted, strays=most + 1)])
        assert "more of strays" in one.detail


def test_dust_never_becomes_claims_again(two):
    first, second = two
    (one,) = unexplained([changed(first, dust=4), changed(second, dust=3)])
    assert "1 of dust are claims again" in one.detail


def test_dust_is_less_than_a_unit_for_each_deposit_and_each_withdrawal(market, two):
    first, _ = two
    flow = first.flows[0]
    cursors = ((*flow.place[:2], 9), (flow.place[0], b"\x77" * 20, 10**6))
    busy = replace(first, cursors=cursors, withdrawals=4)
    most = (market.UNIT - 1) * (9 + 4 + DELAYED_WITHDRAWALS_MAX + 1)
    assert not list(unexplained([changed(busy, dust=most)]))
    (one,) = unexplained([changed(busy, dust=most + 1)])
    assert (one.code, one.files) == (ProofCode.CLAIMS_UNEXPLAINED, ("4.ccp",))
    # Where a clearing unit is a base unit there is none.
    assert [each.code for each in unexplained([changed(busy, unit=1, dust=1)])] == [ProofCode.CLAIMS_UNEXPLAINED]


def test_claims_fall_by_no_more_than_a_trusted_genesis_lets_out(two):
    """In each window that the blocks between two epochs are in; longer times and other limits are not judged."""
    first, second = two
    flow = first.flows[0]
    for blocks, windows in ((10, 2), (9, 2), (4, 3), (1, 10), (1_000, 1)):
        limits = OutflowLimits(blocks, ((flow.place, 500),))
        one, other = replace(first, outflow=limits), replace(second, outflow=limits)
        most = 500 * windows
        for less, found in ((most, []), (most + 1, [ProofCode.ABOVE_LIMITS])):
            poorer = changed(other, claims=flow.claims - less, given_out=flow.given_out + less)
            assert [each.code for each in unexplained([one, poorer])] == found, (blocks, less)
            assert not list(unexplained([one, replace(poorer, outflow=None)]))
            assert not list(unexplained([one, replace(poorer, outflow=OutflowLimits(blocks, ()))]))
            assert not list(unexplained([one, replace(poorer, epoch=second.epoch + 1)]))


def test_the_limits_are_those_of_the_genesis_that_a_package_is_compared_with(market, monkeypatch):
    trusted = genesis()
    first, *others = (each.id for each in trusted.assets)
    unlimited = (AssetWithdrawalLimits(each) for each in others)
    limited = WithdrawalControlTerms((AssetWithdrawalLimits(first, window_units_max=70), *unlimited))
    trusted = msgspec.structs.replace(trusted, crisis=msgspec.structs.replace(trusted.crisis, gates=limited))
    (asset, *_), seen = trusted.assets, []
    place = (asset.chain_id, asset.vault, asset.token)
    wanted = OutflowLimits(trusted.market.epoch_blocks, ((place, 70 * asset.base_units),))
    assert outflow_limits(trusted) == wanted
    monkeypatch.setattr("proofs.history.package_history.in_epochs", lambda entries: seen.extend(entries) or [])
    amended = {"terms_at": lambda _: (trusted, listed_custody(trusted)), "network": market.NETWORK}
    for options in (amended, {}):
        history = PackageHistory(**options)
        assert history.add("a.ccp", listed_package()).ok
        history.finish()
    assert [each.outflow for each in seen] == [wanted, None]


def test_a_vaults_cursor_is_the_certified_headers():
    cursor = DepositCursor(1, bytes([1]) * 20, 9)
    data = package_of(4, holdings_of(), cursors=(cursor,))
    one = entry_of(0, "a", read_package(data), stated=True, proven=True)
    assert one.cursors == ((1, bytes([1]) * 20, 9),)
    assert one.flows[0].place[:2] == (1, bytes([1]) * 20)


def test_epochs_are_compared_in_their_order_and_once_each(two):
    first, second = two
    again = replace(first, name="again.ccp")
    assert [each.name for each in in_epochs([second, first, again])] == ["4.ccp", "5.ccp"]
    gone, back = replace(second, accounts=b""), replace(first, epoch=6, snapshot_height=60, name="6.ccp")
    assert len(list(reappeared(in_epochs([back, first, gone])))) == 4
    assert [(each.from_epoch, each.to_epoch) for each in movements(in_epochs([back, first]))] == [(4, 6)] * 3


def test_only_packages_that_are_proven_under_a_linked_set_count(honest):
    hiding = package_of(5, holdings_of(cash=-HIDDEN), "later")
    good = read_package(hiding)
    broken = msgspec.structs.replace(good, book=good.book[:-1] + bytes([good.book[-1] ^ 1]))
    history = PackageHistory()
    for name, data in (("a", honest[0]), ("b", msgspec.msgpack.encode(broken)), ("c", honest[2])):
        history.add(name, data)
    codes = {finding.code for finding in history.finish().findings}
    assert ProofCode.CLAIMS_UNEXPLAINED not in codes

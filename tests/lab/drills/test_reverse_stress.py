"""Reverse stress finds the smallest move that breaks the fund, and the concentration of those who provide it."""

from clearing.base.units import PPM
from clearing.default_fund.cover_rules import cover_two
from clearing.default_fund.sizing import stress_needs
from lab.drills.fund_providers import concentration
from lab.drills.printing import reverse_text
from lab.drills.reverse_stress import Cover, cover_of, losses_at, reverse_stress
from lab.drills.stress_set import stress_results
from tests.kit.clearing.crisis import leveraged
from tests.kit.clearing.defaults import default_world, with_fund
from tests.kit.clearing.fund import CRASH
from tests.kit.clearing.genesis import ALICE, BOB, CAROL


def test_losses_of_a_move_are_those_by_which_the_network_sizes_its_fund() -> None:
    """The crash moves BTC by 60 %; nobody has ether."""
    world = with_fund()
    needs = stress_needs(world.state, (1, 2, 3, 4), 1)
    (crash,) = [lacking for name, lacking in needs.shortfalls if name == CRASH.name]
    (found,) = losses_at(world.state, "BTC", (-6_000,))
    assert {member: micros for member, micros in found.items() if micros} == {
        member: micros for member, micros in crash.items() if micros
    }


def test_the_fund_breaks_just_beyond_the_scenario_that_sized_it() -> None:
    world = with_fund()
    found = reverse_stress(world.state)
    btc = {(move.direction, move.who): move for move in found.moves if move.group == "BTC"}
    assert btc["down", "any two"].move_points == -6_001
    assert btc["up", "any two"].move_points == 6_001
    assert btc["down", "any two"].members == (1,), "only Alice is long"
    (at, below) = losses_at(world.state, "BTC", (-6_001, -6_000))
    assert cover_two(list(below.values())) <= found.fund_micros + found.house_micros < cover_two(list(at.values()))
    move = btc["down", "any two"]
    assert move.uncovered == move.lost - found.fund_micros - found.house_micros > 0


def test_a_group_without_positions_breaks_nothing() -> None:
    found = reverse_stress(with_fund().state)
    assert {move.move_points for move in found.moves if move.group == "ETH"} == {None}
    assert " none " in reverse_text(found, {})


def test_a_network_without_scenarios_has_no_fund_that_could_break() -> None:
    world = leveraged()
    found = reverse_stress(world.state)
    assert (found.house_micros, found.fund_micros, found.paid.providers) == (0, 0, 0)
    assert [each.kind for each in stress_results(world.state) if each.kind == "genesis"] == []
    broken = [
        move for move in found.moves if move.group == "BTC" and move.direction == "down" and move.who == "any one"
    ]
    assert [move.members for move in broken] == [(1,)], "Alice's margin alone bears her loss"


def test_a_pair_breaks_the_fund_where_its_losses_beyond_both_contributions_exceed_the_rest() -> None:
    """Alice and Carol are long, Bob is short."""
    world = default_world()
    world.bring(alice=60_000, bob=60_000, carol=60_000)
    world.block(world.perp_trade(ALICE, BOB, 25_000), world.perp_trade(CAROL, BOB, 20_000))
    world.fund_paid_in()
    found = reverse_stress(world.state)
    (pair,) = [move for move in found.moves if (move.group, move.direction, move.who) == ("BTC", "down", "1 and 3")]
    assert pair.move_points is not None
    cover = cover_of(world.state)
    at, below = losses_at(world.state, "BTC", (pair.move_points, pair.move_points + 1))
    assert (cover.uncovered(at, (1, 3)), cover.uncovered(below, (1, 3))) == (pair.uncovered, 0)
    assert pair.uncovered > 0
    (two,) = [move for move in found.moves if (move.group, move.direction, move.who) == ("BTC", "down", "any two")]
    assert (two.members, two.move_points) == ((1, 3), pair.move_points), "the worst pair is this one"


def test_a_contribution_bears_its_own_members_loss_before_anybody_elses() -> None:
    cover = Cover(10, {1: 50, 2: 30, 3: 20})
    assert cover.uncovered({1: 80, 2: 30}, (1, 2)) == 0, "30 beyond, the house and member 3 have 30"
    assert cover.uncovered({1: 81, 2: 30}, (1, 2)) == 1
    assert cover.uncovered({1: 81, 2: 0}, (1, 2)) == 1, "what member 2 does not lose stays its own"
    assert cover.uncovered({1: 110}, (1,)) == 0
    assert cover.uncovered({1: 111}, (1,)) == 1


def test_the_worst_two_are_the_worst_of_all_pairs() -> None:
    cover = Cover(1, {1: 50, 2: 5, 3: 20, 4: 0})
    losses = {1: 40, 2: 45, 3: 30, 4: 42}
    pairs = [(a, b) for a in losses for b in losses if a < b]
    assert cover.uncovered(losses, cover.worst(losses, 2)) == max(cover.uncovered(losses, pair) for pair in pairs)


def test_concentration_is_the_share_of_the_largest_of_five_and_the_sum_of_squares() -> None:
    found = concentration({1: 50, 2: 20, 3: 10, 4: 10, 5: 5, 6: 5, 7: 0})
    assert (found.total, found.providers, found.largest_member) == (100, 6, 1)
    assert (found.largest_ppm, found.largest_five_ppm) == (500_000, 950_000)
    assert found.herfindahl_ppm == (2500 + 400 + 100 + 100 + 25 + 25) * 100
    assert concentration({1: 3, 2: 3}).herfindahl_ppm == PPM // 2
    assert concentration({}).providers == 0

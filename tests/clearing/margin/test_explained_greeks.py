"""Greeks are told with the explanation of a margin, in the order of the risk groups, of the same positions."""

from clearing.margin.requirement.greeks import account_greeks, greeks_per_lot
from clearing.margin_explanation import collect_margin_inputs, explain_margin
from clearing.state.holdings import current_arrays, current_holdings
from node.api.margin import margin_view
from tests.kit.clearing.genesis import ALICE, BOB, CAROL
from tests.kit.clearing.margined import traded


def test_an_explanation_tells_the_greeks_of_all_positions():
    world = traded()
    arrays = current_arrays(world.state)
    per_lot = greeks_per_lot(arrays)
    for account in (ALICE, BOB, CAROL):
        inputs = collect_margin_inputs(world.state, account)
        wanted = account_greeks(arrays, per_lot, current_holdings(world.state, account).lots)
        assert explain_margin(inputs).greeks == wanted
        assert any(each.delta_nano for each in wanted)
        shown = margin_view(inputs).greeks
        assert [(each.name, each.delta_nano) for each in shown] == [
            (group.name, str(each.delta_nano)) for group, each in zip(arrays.groups, wanted, strict=True)
        ]
    writer = explain_margin(collect_margin_inputs(world.state, ALICE)).greeks[0]
    assert writer.gamma_nano < 0 < writer.theta_micros  # alice sold the calls

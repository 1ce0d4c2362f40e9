"""Greeks are told with the explanation of a margin, in the order of the risk groups, of the same positions."""

from clearing.explanation import explain, inputs_of
from clearing.holdings import arrays_of, holdings_of
from clearing.margin.greeks import account_greeks, greeks_per_lot
from node.api.margins import margin_view
from tests.kit.clearing.margined import traded
from tests.kit.clearing.world import ALICE, BOB, CAROL


def test_an_explanation_tells_the_greeks_of_all_positions():
    world = traded()
    arrays = arrays_of(world.state)
    per_lot = greeks_per_lot(arrays)
    for account in (ALICE, BOB, CAROL):
        inputs = inputs_of(world.state, account)
        wanted = account_greeks(arrays, per_lot, holdings_of(world.state, account).lots)
        assert explain(inputs).greeks == wanted
        assert any(each.delta_nano for each in wanted)
        shown = margin_view(inputs).greeks
        assert [(each.name, each.delta_nano) for each in shown] == [
            (group.name, str(each.delta_nano)) for group, each in zip(arrays.groups, wanted, strict=True)
        ]
    writer = explain(inputs_of(world.state, ALICE)).greeks[0]
    assert writer.gamma_nano < 0 < writer.theta_micros  # alice sold the calls

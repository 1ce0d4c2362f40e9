"""Whatever a beacon endpoint says, it is read as an object of the right sizes, or refused."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.beacon.beacon_json import read_bootstrap, read_update
from bridge.codes import BridgeCode
from clearing.base.errors import RemoteFault
from tests.kit.bridge.recorded_beacon import MAINNET, MINIMAL
from tests.kit.refusals import refused

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("of", ["update", "bootstrap"])
@given(value=ANY_JSON, place=st.integers(0, 200))
def test_any_json_in_any_place_is_read_or_refused(recorded, of, value, place):
    tree = recorded.minimal["steps"][0]["update"] if of == "update" else recorded.minimal["bootstrap"]
    read = read_update if of == "update" else read_bootstrap
    tree = copy.deepcopy(tree)
    places = list(nodes(tree))
    parent, step = places[place % len(places)]
    parent[step] = value
    try:
        read(tree, MINIMAL)
    except RemoteFault as fault:
        assert fault.code == BridgeCode.MALFORMED_ANSWER


def nodes(tree):
    for step, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield tree, step
        if isinstance(value, dict | list):
            yield from nodes(value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("signature_slot",), 5),
        (("signature_slot",), "-1"),
        (("signature_slot",), "05"),
        (("signature_slot",), "٣"),
        (("signature_slot",), str(1 << 63)),
        (("signature_slot",), "9" * 5000),
        (("sync_aggregate", "sync_committee_bits"), "0xff"),
        (("sync_aggregate", "sync_committee_bits"), "0x" + "ff" * 65),
        (("finality_branch",), ["0x" + "00" * 32] * 17),
        (("finality_branch",), ["0x" + "00" * 31]),
        (("finalized_header", "execution", "extra_data"), "0x" + "00" * 33),
        (("finalized_header", "execution", "base_fee_per_gas"), str(1 << 256)),
        (("finalized_header", "execution", "logs_bloom"), "0x" + "00" * 255),
        (("next_sync_committee", "pubkeys"), []),
    ],
)
def test_a_value_of_another_size_is_refused(recorded, path, value):
    tree = copy.deepcopy(recorded.updates_json[-1])
    at = tree
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    with refused(BridgeCode.MALFORMED_ANSWER):
        read_update(tree, MAINNET)


def test_a_committee_of_another_preset_is_refused(recorded):
    with refused(BridgeCode.MALFORMED_ANSWER):
        read_bootstrap(recorded.minimal["bootstrap"], MAINNET)


def test_an_optimistic_update_proves_no_finality(recorded):
    with refused(BridgeCode.MALFORMED_ANSWER, at="finalized_header"):
        read_update(recorded.optimistic_json, MAINNET)

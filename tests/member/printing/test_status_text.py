"""The status of a node as text: a proof under way is shown with a bar and the time left, and only then."""

import msgspec

from member.api.state import ProvingView, Readiness, StateView
from member.client.ask import NodeStatus
from member.printing.network import status_text
from member.printing.pace import bar

STATE = StateView(
    network="0x" + "00" * 32,
    height=7,
    time_ms=1,
    header_hash="0x" + "11" * 32,
    state_root="0x" + "22" * 32,
    epoch=1,
    validators=4,
    package_epoch=0,
)


def test_a_proof_under_way_is_shown_with_the_time_left() -> None:
    ready = Readiness(ready=True, checks=())
    assert "proving" not in status_text(NodeStatus(STATE, ready, ()))
    proving = msgspec.structs.replace(STATE, proving=ProvingView(done=5, total=20, seconds_left=90))
    assert f"proving an epoch {bar(5, 20, 90)}" in status_text(NodeStatus(proving, ready, ())).splitlines()

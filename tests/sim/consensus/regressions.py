"""Seeds that failed once, with their faults in full, so that they stay what they were when scenarios change.

A failing seed prints its `Faults(...)`: paste them here with what was wrong.
"""

from consensus.replica.replica import ReplicaConfig
from tests.sim.consensus.network import Faults

REGRESSIONS: tuple[tuple[str, int, Faults], ...] = (
    (
        "a proposal's certificate started a round, which forgot the proposal's block; then it was decided",
        676,
        Faults(liars=((0, "equivocator"),), loss_percent=0),
    ),
    (
        "a machine died between signing and logging; its sign state then forbade a step that nobody had seen",
        111,
        Faults(
            nodes=4,
            liars=((3, "twins"),),
            heal_ms=4000,
            stall_percent=10,
            loss_percent=0,
            torn_write_percent=3,
            partition_interval_ms=0,
            skew_ms_max=5000,
            clearing=True,
            requests_interval_ms=150,
            swaps=((1609, (3,), ()), (4109, (), (3,))),
            config=ReplicaConfig(heartbeat_ms=150),
        ),
    ),
    (
        "a height closed after its log lost a frame was open again when the power went: closing was not synced",
        4409,
        Faults(
            heal_ms=3000,
            delay_ms_max=5,
            loss_percent=5,
            stall_percent=10,
            torn_write_percent=3,
            partition_interval_ms=0,
            skew_ms_max=0,
            rotten=(2,),
            clearing=True,
            config=ReplicaConfig(heartbeat_ms=150),
        ),
    ),
)

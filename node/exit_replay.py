"""An account's exit leaves out of a block log: for the day on which no node answers any more.

Rule: as `node.replay`: every block is executed and checked; reading stops behind the epoch that is asked for.
"""

from collections.abc import Iterable, Iterator

from clearing.base.certificate import Certificate
from clearing.base.codec import decode
from clearing.genesis import Genesis
from clearing.validators.sets import sets_of
from consensus.light.client import LightBlock
from node.application import Decided
from node.epochs.own_exits import OwnExit, exits_of_epoch, own_exit
from node.replay import replay
from node.store.records import BlockRecord


def exit_of_log(
    genesis: Genesis, salt: bytes, records: Iterable[BlockRecord], account: int, epoch: int | None
) -> tuple[OwnExit, LightBlock] | None:
    """The leaves at an epoch, by default the log's newest, and the header that carries their root.

    None when the log has no such epoch, or no such account at it. Raises as `node.replay.replay`.
    """
    found: list[tuple[OwnExit | None, LightBlock]] = []
    current: list[BlockRecord] = []

    def read() -> Iterator[BlockRecord]:
        for record in records:
            current[:] = [record]
            yield record
            if epoch is not None and found:
                return

    def tell(decided: Decided) -> None:
        if not decided.result.snapshot or epoch not in (None, decided.result.epoch):
            return
        sets = sets_of(decided.state)
        certificate = decode(current[0].certificate, Certificate)
        block = LightBlock(decided.header, certificate, sets.last, sets.now)
        found[:] = [(own_exit(exits_of_epoch(decided.state), account), block)]

    replay(genesis, salt, read(), tell)
    own, block = found[0] if found else (None, None)
    return (own, block) if own is not None and block is not None else None

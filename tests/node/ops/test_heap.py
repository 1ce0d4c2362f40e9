"""What stands at the start is left out of later collections; what comes later is still collected."""

import gc
import weakref

from node.app.service_settings import tune_gc


class Knot:
    def __init__(self) -> None:
        self.self = self


def test_what_stands_at_the_start_is_not_walked_again_and_later_cycles_still_go() -> None:
    before = gc.get_threshold()
    stands = [[number] for number in range(10_000)]
    try:
        tune_gc()
        assert gc.get_freeze_count() >= len(stands)
        assert all(each is not stands for each in gc.get_objects())
        gone = weakref.ref(Knot())
        gc.collect()
        assert gone() is None
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)

"""Time that passes only when nothing is left to do: a busy machine makes a test slower, and changes no result."""

from trio.testing import MockClock, active_thread_count, wait_all_tasks_blocked, wait_all_threads_completed

STEP_SECONDS = 0.025


async def pass_time(clock: MockClock) -> None:
    """Let `clock`, which must stand still by itself, go on step by step for ever.

    What a socket sends to its own machine is there at once. `autojump_threshold` would not do: it does not wait for
    worker threads.
    """
    while True:
        await wait_all_tasks_blocked()
        if active_thread_count():
            await wait_all_threads_completed()
        else:
            clock.jump(STEP_SECONDS)

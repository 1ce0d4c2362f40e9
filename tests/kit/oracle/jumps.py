"""Time that passes only when nothing is left to do: a busy machine makes a test slower, and changes no result."""

from trio.testing import MockClock, active_thread_count, wait_all_tasks_blocked, wait_all_threads_completed

STEP_SECONDS = 0.025
QUIET_SECONDS = 0.001
"""Of real time: a busy kernel may hand over later what a socket sent to its own machine."""


async def pass_time(clock: MockClock) -> None:
    """Let `clock`, which must stand still by itself, go on step by step for ever.

    `autojump_threshold` would not do: it does not wait for worker threads.
    """
    while True:
        await wait_all_tasks_blocked(QUIET_SECONDS)
        if active_thread_count():
            await wait_all_threads_completed()
        else:
            clock.jump(STEP_SECONDS)

"""Rules of waiting: it is bounded, tells what did not come, and a node that answers late is no failure."""

import pytest
import trio.testing

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode
from devnet.demo.story import until
from member.codes import NodeCode


async def test_a_node_that_does_not_answer_is_asked_again(autojump_clock: trio.testing.MockClock) -> None:
    answers = iter([None, LocalFault(NodeCode.NODE_UNREACHABLE, "n0"), 7])

    async def look() -> int | None:
        answer = next(answers)
        if isinstance(answer, LocalFault):
            raise answer
        return answer

    assert await until("seven", 10, look) == 7


async def test_every_other_fault_ends_the_wait(autojump_clock: trio.testing.MockClock) -> None:
    async def look() -> None:
        raise LocalFault(NodeCode.NODE_ANSWER, "n0")

    with pytest.raises(LocalFault) as fault:
        await until("an answer", 10, look)
    assert fault.value.code is NodeCode.NODE_ANSWER


async def test_what_does_not_come_is_named(autojump_clock: trio.testing.MockClock) -> None:
    async def look() -> None:
        raise LocalFault(NodeCode.NODE_UNREACHABLE, "n0")

    with pytest.raises(LocalFault) as fault:
        await until("a sign of life", 10, look)
    assert (fault.value.code, fault.value.at) == (DevnetCode.STORY_STUCK, "a sign of life")

"""What runs on a worker of a Dask cluster: shards by name, asked by the process that joins the proof.

Rule: a shard lives until its prover ends it or is silent for long, so a prover that died leaves no holdings behind for
ever. Work is done in a thread: the worker's loop goes on answering its scheduler. Answers are `shard_answers`.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from clearing.base.errors import LocalFault
from proofs.algebra.srs import basis
from proofs.epoch.shard_answers import HOLD, encode_answer, encode_refusal
from proofs.errors import ProofCode
from proofs.linear.prover import random_scalar
from proofs.linear.shard import Shard

END = "end"
SILENT_SECONDS = 3600
"""And one more for each account: longer than its prover waits for the others' round."""


@dataclass
class _Kept:
    shard: Shard
    seconds: int
    expiry: asyncio.TimerHandle | None = None


_KEPT: dict[bytes, _Kept] = {}


async def serve(name: bytes, call: str, *arguments: object) -> bytes:
    """What that call of the shard of this name gives, as bytes; HOLD makes it, END frees it.

    Raises KeyError for a name that no shard has.
    """
    if call == END:
        _forget(name)
        return b""
    loop = asyncio.get_running_loop()
    if call == HOLD:
        _KEPT[name] = kept = await loop.run_in_executor(None, _hold, *arguments)
        answer = encode_answer(HOLD, None)
    else:
        kept = _KEPT[name]
        if kept.expiry is not None:
            kept.expiry.cancel()
        answer = await loop.run_in_executor(None, _answer, kept.shard, call, arguments)
    kept.expiry = loop.call_later(kept.seconds, _forget, name)
    return answer


def _hold(*arguments: Any) -> _Kept:
    layout, witnesses, keys = arguments
    return _Kept(
        Shard(layout, basis(layout.size), witnesses, random_scalar, keys=keys), SILENT_SECONDS + len(witnesses)
    )


def _answer(shard: Shard, call: str, arguments: tuple[object, ...]) -> bytes:
    try:
        return encode_answer(call, getattr(shard, call)(*arguments))
    except LocalFault as fault:
        if not isinstance(fault.code, ProofCode):
            raise
        return encode_refusal(fault)


def _forget(name: bytes) -> None:
    kept = _KEPT.pop(name, None)
    if kept is not None and kept.expiry is not None:
        kept.expiry.cancel()

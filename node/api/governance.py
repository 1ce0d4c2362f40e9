"""Routes of governance.

Rule: what is in blocks anybody may read; what a proposal would do, a member is told of its own accounts. Trying one
out builds risk arrays anew, so the node does it for one asker at a time, and the next only a second after.
"""

from starlette.responses import Response

from clearing.genesis import Genesis, genesis_to_json
from node.api.handlers import Call
from node.api.light import Turnstile
from node.api.problems import ApiRefusal
from node.codes import NodeCode

EFFECT_EVERY_S = 1.0
_turnstile = Turnstile(EFFECT_EVERY_S)
_written: list[tuple[Genesis, bytes]] = []
"""The newest terms that were asked for, and their JSON."""


def governance(call: Call) -> object:
    """Proposals, amendments, halts."""
    return call.view.governance()


def terms(call: Call) -> Response:
    """Genesis as amended; written once for each terms, for it may be long and anybody may ask."""
    genesis = call.view.terms()
    if not _written or _written[0][0] is not genesis:
        _written[:] = [(genesis, genesis_to_json(genesis))]
    return Response(_written[0][1], media_type="application/json")


def amendments(call: Call) -> Response:
    """All amendments, certified."""
    found = call.view.amendments()
    if found is None:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, "amendments", why="nothing was ever proposed")
    return Response(found, media_type="application/octet-stream")


def effect(call: Call) -> object:
    """What a proposal would do to the accounts of who asks."""
    wait_ms = _turnstile.wait_ms()
    if wait_ms:
        refusal = ApiRefusal(429, NodeCode.API_RATE, "effect", wait_ms=wait_ms)
        refusal.headers["Retry-After"] = str(-(-wait_ms // 1000))
        raise refusal
    found = call.view.effect(int(call.parameters["number"]), call.signer)
    if found is None:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, "proposal", number=call.parameters["number"])
    return found

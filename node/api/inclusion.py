"""The route by which a member gets seed and holdings of its own account at an epoch's snapshot.

Rule: as for every own account; and its answers are secret: `Route.secret` keeps them out of caches and clear channels.
The epoch's file is read in a worker thread, so that consensus does not wait.
"""

import ipaddress

from clearing.base.errors import Rejected
from node.api.handlers import Call, own_account
from node.api.inclusion_shapes import InclusionView
from node.api.problems import ApiRefusal
from node.api.workers import run_in_worker
from node.codes import NodeCode


async def inclusion(call: Call) -> object:
    """Seed, holdings and height of an own account; 404 for an epoch that is not kept, 501 where none is."""
    account, text = own_account(call), call.parameters["epoch"]
    question = call.view.inclusion(account, None if text == "latest" else int(text))
    if isinstance(question, Rejected):
        raise ApiRefusal(501, question.code, question.at, **dict(question.values))
    found = await run_in_worker(question.answer)
    if found is None:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, "epoch", epoch=text, account=account)
    return InclusionView(
        epoch=found.epoch,
        height=found.height,
        account=found.account,
        seed=found.seed.hex(),
        holdings={name: str(amount) for name, amount in found.holdings.items()},
        package=question.package,
    )


def is_loopback(host: str) -> bool:
    """Whether what this address is given or asked never leaves the machine. Of names only `localhost` is believed."""
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"

"""The routes of the default fund: what it is made of, and the opening of the account that holds it.

Rule: both are public. An epoch's file is read in a worker thread, so that consensus does not wait.
"""

from clearing.base.errors import Rejected
from clearing.base.ids import FUND_ACCOUNT
from node.api.fund_shapes import FundOpening
from node.api.handlers import Call
from node.api.problems import ApiRefusal
from node.api.workers import run_in_worker
from node.codes import NodeCode


def fund(call: Call) -> object:
    """Size, composition, calls."""
    return call.view.fund()


async def opening(call: Call) -> object:
    """Seed and holdings of the fund's account; 404 for an epoch that is not kept or has no fund, 501 where none is."""
    text = call.parameters["epoch"]
    question = call.view.inclusion(FUND_ACCOUNT, None if text == "latest" else int(text))
    if isinstance(question, Rejected):
        raise ApiRefusal(501, question.code, question.at, **dict(question.values))
    found = await run_in_worker(question.answer)
    if found is None:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, "epoch", epoch=text, account=FUND_ACCOUNT)
    return FundOpening(
        epoch=found.epoch,
        height=found.height,
        account=found.account,
        seed=found.seed.hex(),
        holdings={name: str(amount) for name, amount in found.holdings.items()},
    )

"""The route by which a member gets its own leaves of the exit tree.

Rule: as for every own account; and its answers are secret: `Route.secret` keeps them out of caches and clear channels.
The epoch's file is read in a worker thread, so that consensus does not wait.
"""

from node.api.exit_shapes import ExitLeafView, ExitView
from node.api.handlers import Call, own_account
from node.api.problems import ApiRefusal
from node.api.render import hexed
from node.api.workers import run_in_worker
from node.codes import NodeCode
from node.epochs.own_exits import OwnExit, OwnLeaf


async def own_exit(call: Call) -> object:
    """The leaves of an own account with their paths; 404 for an epoch that is not kept."""
    account, text = own_account(call), call.parameters.get("epoch")
    question = call.view.exit(account, None if text is None else int(text))
    found = await run_in_worker(question.answer) if question is not None else None
    if found is None:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, "epoch", epoch=text or "newest", account=account)
    return exit_view(found)


def exit_view(found: OwnExit) -> ExitView:
    """As it is shown."""
    return ExitView(
        epoch=found.epoch,
        height=found.height,
        account=found.account,
        exit_root=hexed(found.root),
        leaf_count=found.count,
        leaves=tuple(_leaf(each) for each in found.leaves),
    )


def _leaf(own: OwnLeaf) -> ExitLeafView:
    leaf = own.leaf
    return ExitLeafView(
        index=own.index,
        chain_id=leaf.chain_id,
        vault=hexed(leaf.vault),
        token=hexed(leaf.token),
        to=hexed(leaf.to),
        amount=str(leaf.amount),
        salt=hexed(leaf.salt),
        path=tuple(hexed(each) for each in own.path),
    )

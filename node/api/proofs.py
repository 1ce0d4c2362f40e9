"""Epoch packages, and what a member needs of its own beside one: seed and holdings, exit leaves."""

import ipaddress

from starlette.responses import Response

from clearing.base.errors import Rejected
from member.api.proofs import PACKAGES_MAX, ExitLeafView, ExitView, InclusionView, PackagePage
from member.api.types import hexed
from member.codes import NodeCode
from node.api.calls import ApiCall, ApiRefusal, number_or_latest, own_account, run_in_worker
from node.epochs.exits import AccountExit, ExitLeafProof


async def inclusion(call: ApiCall) -> object:
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


async def own_exit(call: ApiCall) -> object:
    """The leaves of an own account with their paths; 404 for an epoch that is not kept."""
    account, text = own_account(call), call.parameters.get("epoch")
    question = call.view.exit(account, None if text is None else int(text))
    found = await run_in_worker(question.answer) if question is not None else None
    if found is None:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, "epoch", epoch=text or "newest", account=account)
    return exit_view(found)


def exit_view(found: AccountExit) -> ExitView:
    """As it is shown."""
    return ExitView(
        epoch=found.epoch,
        height=found.height,
        account=found.account,
        exit_root=hexed(found.root),
        leaf_count=found.count,
        leaves=tuple(_leaf(leaf) for leaf in found.leaves),
    )


def _leaf(own: ExitLeafProof) -> ExitLeafView:
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


def proofs(call: ApiCall) -> object:
    """One page of the packages that this node keeps."""
    after = int(call.parameters.get("after", "-1"))
    found = tuple(call.view.packages(after, PACKAGES_MAX))
    return PackagePage(packages=found, next=str(found[-1].epoch) if len(found) == PACKAGES_MAX else "")


def proof(call: ApiCall) -> Response:
    """The bytes of an epoch package."""
    found = call.view.package(number_or_latest(call.parameters["epoch"]))
    if found is None:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, "epoch", epoch=call.parameters["epoch"])
    headers = {
        "ETag": f'"{found.digest.hex()}"',
        "Crossclear-Epoch": str(found.epoch),
        "Crossclear-Height": str(found.height),
        "Content-Disposition": f'attachment; filename="epoch-{found.epoch}.ccp"',
    }
    return Response(found.data, 200, headers, media_type="application/octet-stream")

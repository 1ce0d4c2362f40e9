"""Epoch packages, and what a member needs of its own beside one: seed and holdings, exit leaves."""

from functools import partial

from starlette.responses import Response

from clearing.state.record_opening import RecordOpening
from member.api.proofs import (
    EXIT_KIND_NAMES,
    PACKAGES_MAX,
    ExitLeafView,
    ExitTotalsView,
    ExitView,
    InclusionView,
    PackageLine,
    PackagePage,
    RootOpeningView,
    SealKeyView,
)
from member.api.types import hexed
from member.codes import NodeCode
from node.api.calls import (
    ACCOUNT,
    NUMBER,
    OCTETS,
    ApiCall,
    ApiRefusal,
    Parameter,
    Routes,
    known,
    number_or_latest,
    own_account,
    owner_of,
    run_in_worker,
)
from node.epochs.member_files import AccountAtEpoch, AccountExit, ExitLeafProof, ExitTotalsProof

routes = Routes()


@routes.get(
    "/v1/accounts/{account}/inclusion/{epoch}",
    ACCOUNT,
    Parameter("epoch", "path", f"latest|{NUMBER}", "epoch; `latest`: of the newest package here"),
    signed=True,
    secret=True,
    refusals=(403, 404, 501),
)
async def inclusion(call: ApiCall) -> InclusionView:
    """Seed and holdings of an own account at an epoch's snapshot, for `crossclear verify`. Only on the node's own
    machine or over TLS; the newest epochs are kept."""
    found, package = await account_at_epoch(call, own_account(call))
    return InclusionView(
        epoch=found.epoch,
        height=found.height,
        account=found.account,
        seed=found.seed.hex(),
        holdings={name: str(amount) for name, amount in found.holdings.items()},
        package=package,
        owner=hexed(found.bound),
        answer=call.view.holdings.signed(found).hex() if call.view.holdings is not None else "",
    )


@routes.get("/v1/seal-key", refusals=(501,))
def seal_key(call: ApiCall) -> SealKeyView:
    """The key for which an owner seals the seed that it chooses for its account's commitments."""
    if call.view.holdings is None or not call.view.holdings.seal_key:
        raise ApiRefusal(501, NodeCode.API_NO_SEEDS, "seal key")
    return SealKeyView(seal_key=hexed(call.view.holdings.seal_key))


async def account_at_epoch(call: ApiCall, account: int) -> tuple[AccountAtEpoch, bool]:
    """An account at the epoch that is asked for, and whether its package is here.

    Raises ApiRefusal 404 for an epoch that is not kept or of a former owner, 501 where no seeds are.
    """
    view, text = call.view, call.parameters["epoch"]
    if view.holdings is None:
        raise ApiRefusal(501, NodeCode.API_NO_SEEDS, "inclusion")
    epoch, kept = number_or_latest(text), view.holdings.epochs
    if epoch is None:
        newest = view.newest_package()
        epoch = newest if newest in kept else max(kept, default=0)
    find = partial(view.holdings.own, account, owner_of(call.state, account), epoch)
    package = view.has_package(epoch)
    return known(await run_in_worker(find), "epoch", epoch=text, account=account), package


@routes.get(
    "/v1/accounts/{account}/exit",
    ACCOUNT,
    Parameter("epoch", "query", NUMBER, "epoch; default the newest", required=False),
    name="exit",
    signed=True,
    secret=True,
    refusals=(403, 404),
)
async def own_exit(call: ApiCall) -> ExitView:
    """What an own account could withdraw if everything ended at an epoch: its leaves of the exit tree with their paths.
    Vaults pay by the tree of the epoch before the newest closed one: fetch each epoch's before the next one closes.
    Only on the node's own machine or over TLS; the newest epochs are kept."""
    account, text, exits = own_account(call), call.parameters.get("epoch"), call.view.exits
    found = None
    if exits is not None and exits.epochs:
        epoch = exits.epochs[-1] if text is None else int(text)
        found = await run_in_worker(partial(exits.own, account, owner_of(call.state, account), epoch))
    found = known(found, "epoch", epoch=text or "newest", account=account)
    return exit_view(found, call.state.now.epoch)


def exit_view(found: AccountExit, newest_epoch: int) -> ExitView:
    """The leaves of an account in JSON's terms. `newest_epoch`: that has closed."""
    return ExitView(
        epoch=found.epoch,
        height=found.height,
        header_epoch=max(newest_epoch - 1, 0),
        account=found.account,
        exit_root=hexed(found.root),
        opening=_opening(found.opening),
        leaf_count=found.count,
        leaves=tuple(_leaf(leaf) for leaf in found.leaves),
        totals=tuple(_totals(totals) for totals in found.totals),
    )


def _opening(found: RecordOpening) -> RootOpeningView:
    return RootOpeningView(
        salt=hexed(found.salt),
        below=tuple(map(hexed, found.below)),
        above=tuple(map(hexed, found.above)),
        path=tuple(map(hexed, found.path)),
    )


def _leaf(own: ExitLeafProof) -> ExitLeafView:
    leaf = own.leaf
    return ExitLeafView(
        index=own.index,
        kind=EXIT_KIND_NAMES[leaf.kind],
        number=leaf.number,
        chain_id=leaf.chain_id,
        vault=hexed(leaf.vault),
        token=hexed(leaf.token),
        to=hexed(leaf.to),
        amount=str(leaf.amount),
        salt=hexed(leaf.salt),
        not_after_s=leaf.not_after_s,
        path=tuple(hexed(sibling) for sibling in own.path),
    )


def _totals(found: ExitTotalsProof) -> ExitTotalsView:
    totals = found.totals
    return ExitTotalsView(
        index=found.index,
        chain_id=totals.chain_id,
        vault=hexed(totals.vault),
        token=hexed(totals.token),
        accounts=str(totals.accounts),
        seniors=str(totals.seniors),
        counted=str(totals.counted),
        deposit_cursor=totals.deposit_cursor,
        withdrawals_count=totals.withdrawals_count,
        path=tuple(hexed(sibling) for sibling in found.path),
    )


@routes.get("/v1/proofs", Parameter("after", "query", NUMBER, "`next` of the page before", required=False))
def proofs(call: ApiCall) -> PackagePage:
    """The epoch packages that this node keeps, page by page. Each epoch is proven by some of the validators only."""
    records = call.view.packages(int(call.parameters.get("after", "-1")), PACKAGES_MAX)
    lines = tuple(
        PackageLine(epoch=record.epoch, height=record.height, bytes=record.size, sha256=hexed(record.digest))
        for record in records
    )
    return PackagePage(packages=lines, next=str(lines[-1].epoch) if len(lines) == PACKAGES_MAX else "")


@routes.get(
    "/v1/proofs/{epoch}",
    Parameter("epoch", "path", f"latest|{NUMBER}", "epoch, or `latest`"),
    media=OCTETS,
    refusals=(404,),
)
def proof(call: ApiCall) -> Response:
    """An epoch package, for `crossclear verify`."""
    text = call.parameters["epoch"]
    found = known(call.view.package(number_or_latest(text)), "epoch", epoch=text)
    headers = {
        "ETag": f'"{found.digest.hex()}"',
        "Crossclear-Epoch": str(found.epoch),
        "Crossclear-Height": str(found.height),
        "Content-Disposition": f'attachment; filename="epoch-{found.epoch}.ccp"',
    }
    return Response(found.data, 200, headers, media_type=OCTETS)

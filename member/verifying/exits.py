"""Exit files: a member's payments in an exit tree, and their check against a certified header. Offline.

Rule: nothing in the file is trusted: the root is in the state of the height at which the epoch closed, that height's
header is final under the set that the caller trusts, every leaf is hashed again. So a file can be checked when it is
fetched, an epoch before a header carries its root. It knows no network and no keys.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from clearing.base.certificate import verify_finality
from clearing.base.codec import decode, encode
from clearing.base.errors import BaseCode, CrossclearError, RemoteFault
from clearing.base.ids import Hash32
from clearing.base.merkle import verify_merkle_proof
from clearing.base.plain_json import read_json
from clearing.base.validators import check_validator_set
from clearing.epochs.exit_tree import check_exit_root
from clearing.schema.records.exits import ExitLeaf, ExitRecord, ExitTotals, encoded_ring
from clearing.state.record_opening import RecordOpening
from consensus.light_client import LightBlock
from member.api.chain import LIGHT_BLOCK_BYTES_MAX
from member.api.proofs import EXIT_KIND_NAMES, ExitLeafView, ExitTotalsView, ExitView
from member.api.types import Body, Hex, hexed, octets
from member.durable_files import write_whole
from member.verifying.package import UNTRUSTED, Checked, TrustAnchor, VerificationReport
from proofs.epoch.epoch_number import check_epoch_number
from proofs.errors import Inconclusive
from proofs.verify.freshness import check_set_in_force, set_limits
from proofs.verify.verdict import printable

FILE_BYTES_MAX = 16 << 20
CLAIM = "if everything ended at this epoch, the vaults would owe these payments to these addresses"
LIMITS = (
    "that these are all leaves of the account: compare the amounts with your own records",
    "that a vault pays by this root: it pays by that in the newest header it knows. Headers carry this one from the"
    " close of the next epoch to that of the one after it",
)
_MEANINGS = {
    "certificate": "A quorum of the validators signed the header of the height at which the epoch closed.",
    "root": "The state of that height has the root of this epoch's tree.",
    "leaves": "Each payment is in that tree, with this address and this amount.",
    "totals": "What each vault owes in all in each token is in that tree, so that it can be shown to the vault.",
}
_AMOUNT_MAX = 2**256 - 1
_KINDS = {name: kind for kind, name in EXIT_KIND_NAMES.items()}


class ExitFile(Body, frozen=True):
    """`crossclear exit show --out`: an account's leaves and the light block of their height."""

    format: Literal["crossclear.exit.v1"]
    exit: ExitView
    block: Annotated[Hex, msgspec.Meta(max_length=2 + 2 * LIGHT_BLOCK_BYTES_MAX)]
    """Header, certificate and both validator sets of the exit's height, as GET /v1/light/{height} gives them."""


def exit_file(exit_: ExitView, block: bytes) -> ExitFile:
    """What is kept of an answer."""
    return ExitFile(format="crossclear.exit.v1", exit=exit_, block=hexed(block))


def write_exit_file(path: Path, exit_: ExitView, block: LightBlock) -> None:
    """Write what is kept of an answer, mode 0600: the salts in it are secret."""
    data = msgspec.json.encode(exit_file(exit_, encode(block)))
    write_whole(path, msgspec.json.format(data, indent=1) + b"\n", 0o600)


def read_exit_file(data: bytes) -> ExitFile:
    """The file out of anybody's bytes. Raises RemoteFault OVERSIZE, MALFORMED."""
    if len(data) > FILE_BYTES_MAX:
        raise RemoteFault(BaseCode.OVERSIZE, "exit file", bytes=len(data), limit=FILE_BYTES_MAX)
    try:
        return read_json(data, ExitFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteFault(BaseCode.MALFORMED, "exit file", why=str(error)[:200]) from None


def block_of(file: ExitFile) -> LightBlock:
    """The light block in a file. Raises RemoteFault MALFORMED."""
    return decode(bytes.fromhex(file.block[2:]), LightBlock, LIGHT_BLOCK_BYTES_MAX)


def verify_exit(
    file: ExitFile, size: int, anchor: TrustAnchor, block: LightBlock, name: str = ""
) -> VerificationReport:
    """Whether every leaf is under the exit root in the state of the header of `block`, and that header is final.

    The certificate stays open where the file's own validators were taken: anybody can make such a file."""
    started = time.perf_counter()
    checks: list[Checked] = []
    for check, run in (("certificate", _certificate), ("root", _root), ("leaves", _leaves), ("totals", _token_totals)):
        try:
            found = run(file.exit, anchor, block)
            whole = not isinstance(found, Inconclusive)
            checks.append(Checked(check, ok=True, detail=str(found), meaning=_MEANINGS[check], complete=whole))
        except CrossclearError as fault:
            code = f"{fault.code.label} {fault.code.name.lower()}"
            checks.append(Checked(check, ok=False, detail=printable(str(fault)), meaning=_MEANINGS[check], code=code))
            break
    good = all(check.ok for check in checks)
    limits = (*LIMITS, *set_limits(anchor.freshness, trusted=anchor.validators_hash is not None))
    limits = limits if _is_anchored(anchor) else (*limits, UNTRUSTED)
    return VerificationReport(
        ok=good,
        height=block.header.height,
        network=block.header.network.hex(),
        checks=tuple(checks),
        bytes=size,
        seconds=round(time.perf_counter() - started, 6),
        epoch=file.exit.epoch,
        not_run=tuple(list(_MEANINGS)[len(checks) :]),
        claim=CLAIM if good else "",
        attested=_words(file.exit, block) if good else {},
        not_proven=limits if good else (),
        file=printable(name),
    )


def _words(exit_: ExitView, block: LightBlock) -> dict[str, str]:
    """What is the validators' word: all that the vaults would owe is what they certified at that time and height."""
    header = block.header
    return {
        "header_time_ms": str(header.time_ms),
        "header_height": str(header.height),
        "epoch": str(exit_.epoch),
        "exit_root": octets(exit_.exit_root).hex(),
    }


def leaf_of(account: int, view: ExitLeafView) -> ExitLeaf:
    """The leaf that is hashed. Raises RemoteFault OUT_OF_RANGE for an amount that no token can have."""
    vault, token, to, salt = map(octets, (view.vault, view.token, view.to, view.salt))
    amount = _amount(view.index, view.amount)
    return ExitLeaf(
        _KINDS[view.kind], view.number, account, view.chain_id, vault, token, to, amount, salt, view.not_after_s
    )


def totals_of(view: ExitTotalsView) -> ExitTotals:
    """The leaf that is hashed. Raises RemoteFault OUT_OF_RANGE for an amount that no token can have."""
    return ExitTotals(
        chain_id=view.chain_id,
        vault=octets(view.vault),
        token=octets(view.token),
        accounts=_amount(view.index, view.accounts),
        seniors=_amount(view.index, view.seniors),
        counted=_amount(view.index, view.counted),
        deposit_cursor=view.deposit_cursor,
        withdrawals_count=view.withdrawals_count,
    )


def _amount(index: int, text: str) -> int:
    amount = int(text)
    if amount > _AMOUNT_MAX:
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "leaf.amount", index=index)
    return amount


def _certificate(_: ExitView, anchor: TrustAnchor, block: LightBlock) -> str:
    header, validators = block.header, block.validators
    check_validator_set(validators)  # its hash alone does not say that each owner knows the secret of its key
    for at, trusted, found in (
        ("network", anchor.network, header.network),
        ("validators", anchor.validators_hash, validators.hash),
    ):
        if trusted is not None and trusted != found:
            raise RemoteFault(BaseCode.WRONG_VALUE, at, trusted=trusted, found=found)
    verify_finality(header, block.certificate, validators, header.network)
    if anchor.freshness is not None:  # a set that has retired loses nothing by signing another state
        check_set_in_force(anchor.freshness)
    final = f"header {header.height} is final under {len(validators.validators)} validators"
    return final if _is_anchored(anchor) else Inconclusive(f"{final}, whom the file itself names")


def _is_anchored(anchor: TrustAnchor) -> bool:
    return anchor.network is not None and anchor.validators_hash is not None


def _root(exit_: ExitView, _: TrustAnchor, block: LightBlock) -> str:
    record = ExitRecord(exit_.epoch, exit_.height, exit_.leaf_count, octets(exit_.exit_root))
    check_epoch_number(record.epoch, record.height, "exit root")
    shown = exit_.opening
    below, above, path = (tuple(map(octets, found)) for found in (shown.below, shown.above, shown.path))
    check_exit_root(block.header, record, RecordOpening(octets(shown.salt), below, above, path))
    return f"epoch {exit_.epoch} closed at height {exit_.height} with this root of {exit_.leaf_count} leaves"


def _leaves(exit_: ExitView, _: TrustAnchor, __: LightBlock) -> str:
    if not exit_.leaves:
        raise RemoteFault(BaseCode.MALFORMED, "leaves", why="the file has none: there is nothing to check")
    for leaf in exit_.leaves:
        if leaf.kind == "account" and leaf.number != exit_.account:
            raise RemoteFault(BaseCode.WRONG_VALUE, "leaves", index=leaf.index, account=leaf.number)
    encoded = [leaf_of(exit_.account, leaf).encoded(exit_.epoch) for leaf in exit_.leaves]
    _check_paths(exit_, exit_.leaves, encoded)
    return f"{len(exit_.leaves)} of {exit_.leaf_count} leaves, of account {exit_.account}"


def _token_totals(exit_: ExitView, _: TrustAnchor, __: LightBlock) -> str:
    paid = {(leaf.chain_id, leaf.vault, leaf.token) for leaf in exit_.leaves}
    totals = {(entry.chain_id, entry.vault, entry.token) for entry in exit_.totals}
    if not paid <= totals:
        raise RemoteFault(BaseCode.MALFORMED, "totals", why="tokens that are paid have none")
    # Each names the next: when all are proven, none is left out.
    _check_paths(exit_, exit_.totals, encoded_ring([totals_of(entry) for entry in exit_.totals], exit_.epoch))
    return f"the totals of all {len(totals)} tokens"


def _check_paths(exit_: ExitView, views: Sequence[ExitLeafView | ExitTotalsView], encoded: list[bytes]) -> None:
    if len({view.index for view in views}) != len(views):
        raise RemoteFault(BaseCode.MALFORMED, "leaves", why="a leaf is listed twice")
    for view, leaf in zip(views, encoded, strict=True):
        path = [octets(sibling) for sibling in view.path]
        verify_merkle_proof(Hash32(octets(exit_.exit_root)), exit_.leaf_count, view.index, leaf, path)

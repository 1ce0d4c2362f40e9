"""Exit files: a member's exit leaves, and their check against a certified header. Offline.

Rule: nothing in the file is trusted: the root is the header's, the header is final under the set that the caller
trusts, every leaf is hashed again. It knows no network and no keys.
"""

import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from clearing.base.certificate import verify_finality
from clearing.base.codec import decode, encode
from clearing.base.errors import BaseCode, CrossclearError, RemoteFault
from clearing.base.merkle import verify_merkle_proof
from clearing.base.plain_json import read_json
from clearing.schema.records.withdrawals import ExitLeaf
from consensus.light_client import LightBlock
from member.api.chain import LIGHT_BLOCK_BYTES_MAX
from member.api.proofs import ExitLeafView, ExitView
from member.api.types import Body, Hex, hexed
from member.durable_files import write_whole
from member.verifying.package import Checked, TrustAnchor, VerificationReport, read_limited
from proofs.epoch.package import PACKAGE_BYTES_MAX, read_package
from proofs.verify.verdict import printable

FILE_BYTES_MAX = 16 << 20
CLAIM = "if everything ended at this epoch, the vaults would owe these payments to these addresses"
LIMITS = (
    "that these are all leaves of the account: compare the amounts with your own records",
    "that a vault pays on this root: it does when the network is halted for good and its contract accepts exits",
)
_UNTRUSTED = "nothing but the file itself was trusted: pass --genesis or --validators-hash, or anybody may have made it"
_MEANINGS = {
    "certificate": "A quorum of the validators signed the header that carries the root.",
    "root": "The leaves are of the epoch and the tree whose root this header carries.",
    "leaves": "Each payment is in that tree, with this address and this amount.",
}
_AMOUNT_MAX = 2**256 - 1


class ExitFile(Body, frozen=True):
    """`crossclear exit show --out`: an account's leaves and the light block of their height."""

    format: Literal["crossclear.exit.v1"]
    exit: ExitView
    block: Annotated[Hex, msgspec.Meta(max_length=2 + 2 * LIGHT_BLOCK_BYTES_MAX)]
    """Header, certificate and both validator sets, as GET /v1/light/{height} gives them."""


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


def block_of_package(path: Path) -> LightBlock:
    """The light block in an epoch package. Raises LocalFault for an unreadable path, RemoteFault for a bad file."""
    found = read_package(read_limited(path, PACKAGE_BYTES_MAX))
    return LightBlock(found.header, found.certificate, found.validators, found.validators)


def verify_exit(
    file: ExitFile, size: int, anchor: TrustAnchor, block: LightBlock, name: str = ""
) -> VerificationReport:
    """Whether every leaf is under the exit root of the header of `block`, and that header is final."""
    started = time.perf_counter()
    checks: list[Checked] = []
    for check, run in (("certificate", _certificate), ("root", _root), ("leaves", _leaves)):
        try:
            checks.append(Checked(check, ok=True, detail=run(file.exit, anchor, block), meaning=_MEANINGS[check]))
        except CrossclearError as fault:
            code = f"{fault.code.label} {fault.code.name.lower()}"
            checks.append(Checked(check, ok=False, detail=printable(str(fault)), meaning=_MEANINGS[check], code=code))
            break
    good = all(check.ok for check in checks)
    limits = LIMITS if anchor.network is not None and anchor.validators_hash is not None else (*LIMITS, _UNTRUSTED)
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
        not_proven=limits if good else (),
        file=printable(name),
    )


def _leaf_of(account: int, view: ExitLeafView) -> ExitLeaf:
    """The leaf that is hashed. Raises RemoteFault OUT_OF_RANGE for an amount that no token can have."""
    amount = int(view.amount)
    if amount > _AMOUNT_MAX:
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "leaf.amount", index=view.index)
    vault, token, to, salt = (bytes.fromhex(text[2:]) for text in (view.vault, view.token, view.to, view.salt))
    return ExitLeaf(account, 0, view.chain_id, vault, token, to, amount, salt)


def _certificate(_: ExitView, anchor: TrustAnchor, block: LightBlock) -> str:
    header, validators = block.header, block.validators
    for at, trusted, found in (
        ("network", anchor.network, header.network),
        ("validators", anchor.validators_hash, validators.hash),
    ):
        if trusted is not None and trusted != found:
            raise RemoteFault(BaseCode.WRONG_VALUE, at, trusted=trusted, found=found)
    verify_finality(header, block.certificate, validators, header.network)
    return f"header {header.height} is final under {len(validators.validators)} validators"


def _root(exit_: ExitView, _: TrustAnchor, block: LightBlock) -> str:
    header = block.header
    found = bytes.fromhex(exit_.exit_root[2:])
    if (header.exit_root, header.epoch) != (found, exit_.epoch):
        raise RemoteFault(
            BaseCode.WRONG_VALUE,
            "exit root",
            certified=header.exit_root,
            found=found,
            certified_epoch=header.epoch,
            epoch=exit_.epoch,
        )
    return f"height {header.height} carries the root of epoch {exit_.epoch}"


def _leaves(exit_: ExitView, _: TrustAnchor, block: LightBlock) -> str:
    places = [leaf.index for leaf in exit_.leaves]
    if len(set(places)) != len(places):
        raise RemoteFault(BaseCode.MALFORMED, "leaves", why="a leaf is listed twice")
    for leaf in exit_.leaves:
        path = [bytes.fromhex(sibling[2:]) for sibling in leaf.path]
        encoded = _leaf_of(exit_.account, leaf).encoded(exit_.epoch)
        verify_merkle_proof(block.header.exit_root, exit_.leaf_count, leaf.index, encoded, path)
    if not exit_.leaves:
        raise RemoteFault(BaseCode.MALFORMED, "leaves", why="the file has none: there is nothing to check")
    return f"{len(exit_.leaves)} of {exit_.leaf_count} leaves, of account {exit_.account}"

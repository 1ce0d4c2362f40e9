"""Changes of validators in files, so that each operator can sign where its key is, without a network.

Rule: a file contains the set that the change starts from and the change; its reader computes everything else, and
an inconsistent file is refused before anything is signed or sent. An approval leaves the change as
it was. The network id comes from the signer's own genesis, never from the file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from clearing.base.codec import encode
from clearing.base.errors import LocalFault, Rejected, RemoteFault
from clearing.base.ids import NetworkId
from clearing.base.plain_json import read_json
from clearing.base.validators import Validator, ValidatorSet, check_validator_set
from clearing.schema.blocks.transaction import Transaction, transaction_bytes_max
from clearing.schema.requests.validators import Approval, ValidatorChange, with_approval
from clearing.validators.set_changes import changed_set, check_new_validators, moved_power
from member.api.chain import ValidatorsView, ValidatorView, validator_view
from member.api.submit import SubmitBody, body_of, transaction_of
from member.api.types import Body, Hash
from member.codes import NodeCode
from member.signing.requests import sign_approval

CHANGE_FILE_BYTES_MAX = 1 << 18


class Card(Body, frozen=True):
    """What a new validator publishes: the public part of its keys, as `crossclear init --output json` prints it."""

    envelope: str
    validator: str
    possession: str
    checkpoint: str
    checkpoint_possession: str
    relayer: str = ""


class ChangeFile(Body, frozen=True):
    """A change and what it starts from. `request` is as `POST /v1/submit` takes it."""

    network: Hash
    validators: tuple[ValidatorView, ...]
    request: SubmitBody


@dataclass(frozen=True, slots=True)
class CheckedChange:
    """A consistent file."""

    network: NetworkId
    before: ValidatorSet
    after: ValidatorSet
    request: ValidatorChange

    @property
    def moved(self) -> tuple[int, int]:
        """Power that leaves, and that enters."""
        return moved_power(self.before, self.after)

    @property
    def approved(self) -> tuple[int, ...]:
        """Indices of the approvals."""
        return tuple(approval.validator for approval in self.request.approvals)

    @property
    def approved_power(self) -> int:
        """Their power."""
        return sum(self.before.validators[index].power for index in self.approved)


def set_from_view(view: Sequence[ValidatorView]) -> ValidatorSet:
    """The set in the API or in a file, its proofs of possession checked. Raises LocalFault CHANGE_FILE."""
    try:
        found = ValidatorSet(
            tuple(
                Validator(
                    _hex(validator.envelope_key, 32),
                    _hex(validator.bls_key, 48),
                    validator.power,
                    _hex(validator.possession, 96),
                    _hex(validator.evm_address, 20),
                    _hex(validator.evm_possession, 65),
                )
                for validator in view
            )
        )
        check_validator_set(found)
    except RemoteFault as fault:
        raise LocalFault(NodeCode.CHANGE_FILE, "validators", why=str(fault)) from None
    return found


def read_card(path: Path) -> Card:
    """The card in a file. Raises ValueError for one that is unreadable or malformed."""
    try:
        with path.open("rb") as file:
            return read_json(file.read(CHANGE_FILE_BYTES_MAX), Card)
    except (OSError, msgspec.DecodeError) as error:
        raise ValueError(str(error)) from None


def newcomer(card: Card, power: int) -> Validator:
    """A validator out of its card. Raises LocalFault CHANGE_FILE."""
    return Validator(
        _hex(card.envelope, 32),
        _hex(card.validator, 48),
        power,
        _hex(card.possession, 96),
        _hex(card.checkpoint, 20),
        _hex(card.checkpoint_possession, 65),
    )


def propose(
    current: ValidatorsView,
    left: Sequence[bytes],
    entered: Sequence[Validator],
    powers: dict[bytes, int],
    until_ms: int,
) -> CheckedChange:
    """A change of the set that a node serves, without approvals.

    `powers`: new ones of remaining validators, by envelope key. Raises LocalFault CHANGE_FILE with what forbids it.
    """
    before = set_from_view(current.validators)
    present = {validator.envelope_key: validator for validator in before.validators}
    strangers = [key for key in powers if key not in present]
    if strangers:
        raise LocalFault(NodeCode.CHANGE_FILE, "power", stranger=strangers[0])
    staying = [msgspec.structs.replace(present[key], power=power) for key, power in powers.items()]
    ordered = tuple(sorted((*entered, *staying), key=lambda each: each.envelope_key))
    after = _made(before, tuple(sorted(left)), ordered)
    request = ValidatorChange(
        number=current.number + 1,
        before=before.hash,
        after=after.hash,
        left=tuple(sorted(left)),
        entered=ordered,
        not_after_ms=until_ms,
        approvals=(),
    )
    return CheckedChange(NetworkId(_hex(current.network, 32)), before, after, request)


def encode_change(change: CheckedChange) -> bytes:
    """The file."""
    file = ChangeFile(
        network="0x" + change.network.hex(),
        validators=tuple(validator_view(validator) for validator in change.before.validators),
        request=SubmitBody(transactions=(body_of(change.request),)),
    )
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def read_change(path: Path) -> CheckedChange:
    """Read a file and compute all of it again. Raises LocalFault CHANGE_FILE naming what does not fit."""
    try:
        data = path.read_bytes() if path.stat().st_size <= CHANGE_FILE_BYTES_MAX else b""
        file = read_json(data, ChangeFile)
        requests = tuple(transaction_of(transaction) for transaction in file.request.transactions)
    except (OSError, msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise LocalFault(NodeCode.CHANGE_FILE, str(path), why=str(error)) from None
    request: Transaction = requests[0]
    if len(requests) != 1 or not isinstance(request, ValidatorChange):
        raise LocalFault(NodeCode.CHANGE_FILE, str(path), requests=len(requests))
    before = set_from_view(file.validators)
    after = _made(before, request.left, request.entered)
    for name, stated, computed in (("before", request.before, before.hash), ("after", request.after, after.hash)):
        if stated != computed:
            raise LocalFault(NodeCode.CHANGE_FILE, f"{path}: {name}", stated=stated, computed=computed)
    change = CheckedChange(NetworkId(_hex(file.network, 32)), before, after, request)
    if any(index >= len(before.validators) for index in change.approved):
        raise LocalFault(NodeCode.CHANGE_FILE, f"{path}: approvals", validators=len(before.validators))
    if len(encode((request,))) > transaction_bytes_max(request):
        raise LocalFault(
            NodeCode.CHANGE_FILE, str(path), bytes=len(encode((request,))), limit=transaction_bytes_max(request)
        )
    return change


def approve_change(change: CheckedChange, network: NetworkId, own_key: bytes, secret: bytes) -> CheckedChange:
    """The change with the approval by this envelope key.

    Raises LocalFault: CHANGE_FILE for another network's, NOT_IN_THE_SET.
    """
    if change.network != network:
        raise LocalFault(NodeCode.CHANGE_FILE, "network", stated=change.network, own=network)
    index = change.before.index_of.get(own_key)
    if index is None:
        raise LocalFault(NodeCode.NOT_IN_THE_SET, "envelope", key=own_key)
    signed = with_approval(change.request, sign_approval(change.request, network, index, secret))
    return CheckedChange(change.network, change.before, change.after, signed)


def joined(changes: Sequence[CheckedChange]) -> CheckedChange:
    """One change with the approvals of all these files. Raises LocalFault CHANGE_FILE when they are not one change."""
    first, *others = changes
    approvals: dict[int, Approval] = {approval.validator: approval for approval in first.request.approvals}
    for change in others:
        if change.request.digest(change.network) != first.request.digest(first.network):
            raise LocalFault(NodeCode.CHANGE_FILE, "files", why="the files name different changes")
        approvals.update((approval.validator, approval) for approval in change.request.approvals)
    ordered = tuple(approvals[index] for index in sorted(approvals))
    request = msgspec.structs.replace(first.request, approvals=ordered)
    return CheckedChange(first.network, first.before, first.after, request)


def _made(before: ValidatorSet, left: tuple[bytes, ...], entered: tuple[Validator, ...]) -> ValidatorSet:
    """The resulting set. Raises LocalFault CHANGE_FILE with the refusal that the network would give."""
    after = changed_set(before, left, entered)
    if isinstance(after, Rejected):
        raise _refused(after)
    refusal = check_new_validators(entered)
    if refusal is not None:
        raise _refused(refusal)
    return after


def _refused(refusal: Rejected) -> LocalFault:
    values = {name: value for name, value in refusal.values if name not in ("code", "at")}
    return LocalFault(NodeCode.CHANGE_FILE, refusal.at, refusal=f"{refusal.code.label} {refusal.code.name}", **values)


def _hex(text: str, size: int) -> bytes:
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        data = b""
    if len(data) != size:
        raise LocalFault(NodeCode.CHANGE_FILE, "hex", text=text[:200], bytes=size)
    return data

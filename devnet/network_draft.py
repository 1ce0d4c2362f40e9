"""A network before it begins: a folder with a draft that operators add to, and the genesis that becomes of it.

Rule: a draft has public keys, addresses and figures. The only secret in the folder is the network seed, which every
validator is handed. An addition is appended as text, so that comments stay, and only when nothing is wrong with it.
"""

import secrets
import tomllib
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from clearing.base.errors import CrossclearError, LocalFault
from clearing.base.known_types import known_type
from clearing.base.validators import Validator, ValidatorSet, check_possession
from clearing.genesis.json import genesis_to_json
from clearing.schema.terms.genesis import Genesis
from devnet.codes import DevnetCode
from devnet.genesis import DeployedChain, MemberIdentity, build_genesis
from devnet.market import CONFIGS, Market, load_market
from devnet.risk_set import RISK_SET, with_tables
from member.durable_files import write_new, write_whole
from member.keys.secret_files import make_secret_folder, write_secret
from member.signing.validator_changes import Card, newcomer

DRAFT, MARKET, SEED, GENESIS, PEERS = "network.toml", "market.toml", "network-seed", "genesis.json", "peers.toml"
DRAFT_BYTES_MAX = 1 << 20
AddressHex = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{40}$")]
Number = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Name = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_.-]{1,40}$")]
_TEMPLATE = """# The draft of a network. Every operator may read it: it has public keys only.
# `crossclear genesis add-validator|add-member|add-chain` append to it, and so may you. `crossclear genesis check` tells
# every mistake, and `crossclear genesis build` makes genesis.json of it. The figures are in market.toml beside it.

name = "{name}"
house = "{house}"   # the address whose key signs for the house's own account
"""


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of the draft."""


TableKind = TypeVar("TableKind", bound=Table)


class DraftValidator(Table, frozen=True):
    """One `[[validators]]`: a card, its power, and where its node listens."""

    envelope: str
    validator: str
    possession: str
    checkpoint: str
    checkpoint_possession: str
    address: Annotated[str, msgspec.Meta(pattern=r"^.{1,250}:[0-9]{1,5}$")]
    """HOST:PORT of its peers' connections."""
    power: Annotated[int, msgspec.Meta(ge=1, le=2**40)] = 1


class DraftMember(Table, frozen=True):
    """One `[[members]]`: it has one account, with its own number."""

    id: Number
    name: Name
    address: AddressHex
    """Of the key that signs for it."""


class DraftToken(Table, frozen=True):
    """A token of the market file on one chain."""

    symbol: Name
    address: AddressHex
    balance_slot: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    """The slot of the mapping of balances, for storage proofs; left out where it is not known."""


class DraftChain(Table, frozen=True):
    """One `[[chains]]` with its vault."""

    chain_id: Number
    name: Name
    vault: AddressHex
    vault_block: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    tokens: tuple[DraftToken, ...]


class Draft(Table, frozen=True):
    """network.toml."""

    name: Name
    house: AddressHex
    validators: tuple[DraftValidator, ...] = ()
    members: tuple[DraftMember, ...] = ()
    chains: tuple[DraftChain, ...] = ()


def new_draft(folder: Path, name: str, house: str) -> None:
    """Make the folder (mode 0700) with a draft, a market file to edit, and a new network seed (mode 0600).

    Raises LocalFault OUTPUT_EXISTS, KEY_EXISTS, BAD_DRAFT.
    """
    text = _TEMPLATE.format(name=name, house=house)
    _parse(folder / DRAFT, text)
    make_secret_folder(folder)
    write_new(folder / DRAFT, text.encode())
    market = with_tables((CONFIGS / "market.toml").read_text("utf-8"), RISK_SET.read_text("utf-8"))
    write_new(folder / MARKET, market.encode())
    write_secret(folder / SEED, secrets.token_hex(32).encode() + b"\n")


def read_draft(folder: Path) -> Draft:
    """The draft of a folder. Raises LocalFault BAD_DRAFT."""
    path = folder / DRAFT
    try:
        with path.open("rb") as file:
            text = file.read(DRAFT_BYTES_MAX).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LocalFault(DevnetCode.BAD_DRAFT, str(path), why=str(error)) from None
    return _parse(path, text)


def table_of(kind: type[TableKind], fields: Mapping[str, Any]) -> TableKind:
    """A table out of plain values. Raises LocalFault BAD_DRAFT."""
    try:
        return msgspec.convert(dict(fields), known_type(kind))
    except msgspec.ValidationError as error:
        raise LocalFault(DevnetCode.BAD_DRAFT, kind.__name__, why=str(error)) from None


def add_table(folder: Path, kind: str, table: Table) -> Draft:
    """Append a table to the draft. Raises LocalFault BAD_DRAFT for one with which the draft has a mistake."""
    draft, path = read_draft(folder), folder / DRAFT
    listed = {kind: (*getattr(draft, kind), table)}
    changed = msgspec.structs.replace(draft, **listed)
    place = f"{kind}[{len(listed[kind]) - 1}]"
    for mistake in draft_mistakes(folder, changed):
        if mistake.at.startswith(place):
            raise mistake
    text = path.read_text(encoding="utf-8").rstrip("\n") + f"\n\n[[{kind}]]\n{_toml_lines(table)}\n"
    if _parse(path, text) != changed:
        raise LocalFault(DevnetCode.BAD_DRAFT, str(path), why="tables cannot be appended behind an inline list")
    write_whole(path, text.encode(), 0o600)
    return changed


def draft_mistakes(folder: Path, draft: Draft) -> list[LocalFault]:
    """Every mistake of a draft that can be found without building it; each names its table."""
    return [*_validator_mistakes(draft), *_member_mistakes(draft), *_chain_mistakes(folder, draft)]


def build_draft(folder: Path, draft: Draft, time_ms: int) -> Genesis:
    """The genesis of a draft without mistakes.

    Raises LocalFault MARKET_FILE_INVALID, and BAD_DRAFT for what the rules of a genesis refuse.
    """
    market = load_market(folder / MARKET)
    try:
        return _build(market, draft, time_ms)
    except CrossclearError as fault:
        if isinstance(fault.code, DevnetCode):
            raise
        raise LocalFault(DevnetCode.BAD_DRAFT, fault.at, why=str(fault)) from fault


def _build(market: Market, draft: Draft, time_ms: int) -> Genesis:
    ordered = sorted((_validator(each) for each in draft.validators), key=lambda each: each.envelope_key)
    return build_genesis(
        market,
        name=draft.name,
        time_ms=time_ms,
        validators=ValidatorSet(tuple(ordered)),
        chains=tuple(_chain(each) for each in draft.chains),
        house=MemberIdentity(0, "house", _bytes(draft.house)),
        members=tuple(
            MemberIdentity(each.id, each.name, _bytes(each.address))
            for each in sorted(draft.members, key=lambda each: each.id)
        ),
    )


def write_genesis(folder: Path, draft: Draft, genesis: Genesis) -> None:
    """Write genesis.json and peers.toml into the folder. Raises LocalFault OUTPUT_EXISTS."""
    write_new(folder / GENESIS, genesis_to_json(genesis))
    lines = ["# The validators of the network, for [[p2p.peers]]; a node leaves itself out."]
    for each in sorted(draft.validators, key=lambda each: each.envelope):
        host, _, port = each.address.rpartition(":")
        lines += ["", "[[p2p.peers]]", f"key = {_toml(each.envelope)}", f"host = {_toml(host)}", f"port = {port}"]
    write_new(folder / PEERS, "\n".join([*lines, ""]).encode())


def _parse(path: Path, text: str) -> Draft:
    try:
        return msgspec.convert(tomllib.loads(text), known_type(Draft))
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise LocalFault(DevnetCode.BAD_DRAFT, str(path), why=str(error)) from None


def _mistake(place: str, value: object, why: str) -> LocalFault:
    return LocalFault(DevnetCode.BAD_DRAFT, place, value=str(value), why=why)


def _repeated(kind: str, field: str, values: Iterable[Hashable]) -> Iterator[LocalFault]:
    seen: set[Hashable] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield _mistake(f"{kind}[{index}].{field}", value, "another has the same: give each its own")
        seen.add(value)


def _validator_mistakes(draft: Draft) -> Iterator[LocalFault]:
    if not draft.validators:
        yield _mistake("validators", "", "there is none: `crossclear genesis add-validator`")
    for field in ("envelope", "validator", "checkpoint", "address"):
        yield from _repeated("validators", field, (getattr(each, field) for each in draft.validators))
    for index, each in enumerate(draft.validators):
        try:
            check_possession(_validator(each))
        except CrossclearError as fault:
            yield _mistake(f"validators[{index}]", each.envelope[:16], f"its card proves no keys: {fault}")
        if not 0 < int(each.address.rpartition(":")[2]) < 2**16:
            yield _mistake(f"validators[{index}].address", each.address, "no such port")


def _member_mistakes(draft: Draft) -> Iterator[LocalFault]:
    for field in ("id", "name", "address"):
        values: Sequence[Any] = [getattr(each, field) for each in draft.members]
        yield from _repeated("members", field, [each.lower() if field == "address" else each for each in values])


def _chain_mistakes(folder: Path, draft: Draft) -> Iterator[LocalFault]:
    for field in ("chain_id", "name"):
        yield from _repeated("chains", field, (getattr(each, field) for each in draft.chains))
    try:
        market: Market | None = load_market(folder / MARKET)
    except LocalFault as fault:
        market = None
        yield fault
    known = {token.symbol for token in market.tokens} if market is not None else set()
    for index, chain in enumerate(draft.chains):
        yield from _repeated(f"chains[{index}].tokens", "symbol", (each.symbol for each in chain.tokens))
        yield from _repeated(f"chains[{index}].tokens", "address", (each.address.lower() for each in chain.tokens))
        for position, token in enumerate(chain.tokens):
            if market is not None and token.symbol not in known:
                listed = ", ".join(sorted(known))
                yield _mistake(f"chains[{index}].tokens[{position}].symbol", token.symbol, f"market.toml has {listed}")


def _validator(each: DraftValidator) -> Validator:
    return newcomer(
        Card(each.envelope, each.validator, each.possession, each.checkpoint, each.checkpoint_possession), each.power
    )


def _chain(each: DraftChain) -> DeployedChain:
    slots = {token.symbol: token.balance_slot for token in each.tokens}
    tokens = {token.symbol: _bytes(token.address) for token in each.tokens}
    return DeployedChain(each.chain_id, each.name, _bytes(each.vault), each.vault_block, tokens, slots)


def _bytes(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x"))


def _toml_lines(table: Table) -> str:
    return "\n".join(f"{name} = {_toml(value)}" for name, value in msgspec.to_builtins(table).items())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return msgspec.json.encode(value).decode()

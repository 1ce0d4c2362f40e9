"""`crossclear governance show|propose|vote|dry-run|effect|amendments|halt`: who may change the rules, and how."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import (
    FILE,
    HOME,
    NEW_FILE,
    NEW_FOLDER,
    NUMBER,
    MemberKey,
    account_options,
    hex_option,
    password_option,
    together,
    url_option,
    weak_keys_option,
    whole_number,
)
from cli.output import output_option, say, show, tell
from member.printing.governance import dry_run_fields

if TYPE_CHECKING:
    from clearing.schema.requests.governance import Amendment
    from clearing.schema.terms.genesis import Genesis

_own_keys = together(
    click.option("--home", type=NEW_FOLDER, default=Path(), help="The folder with the keys."),
    click.option("--key", "key_name", help="The house's trade key in HOME/keys; without it the envelope key signs."),
    password_option,
    weak_keys_option,
    click.option("--genesis", type=FILE, help="The network's; default: HOME/genesis.json."),
    click.option(
        "--minutes", type=click.IntRange(1, 10_080), default=5, show_default=True, help="How long the request is valid."
    ),
)

_change_options = together(
    click.option("--set", "places", multiple=True, metavar="PATH=JSON", help="A place of genesis; @FILE reads JSON."),
    click.option("--unlist", multiple=True, metavar="PATH", help="Remove an element from its list."),
    click.option("--validators", type=FILE, help="A file of `crossclear validators propose`."),
    click.option("--halt", metavar="INSTRUMENT=HEIGHT", help="Halt an instrument until a height."),
    click.option("--resume", type=NUMBER, metavar="INSTRUMENT", help="End a halt."),
    click.option("--detach", type=NUMBER, metavar="CHAIN", help="Detach the vault on a chain."),
    click.option("--guardian", metavar="CHAIN=ADDRESS", help="Give the place of a vault's guardian to another key."),
    click.option("--suspense", metavar="ACCOUNT:CURRENCY:UNITS", help="Assign money in suspense to an account."),
    click.option("--upgrade", metavar="VERSION=HEIGHT", help="Schedule or move an upgrade of the protocol."),
    click.option("--cancel-upgrade", type=NUMBER, metavar="HEIGHT", help="Cancel the upgrade scheduled for HEIGHT."),
    click.option("--release-asset", type=NUMBER, metavar="ASSET", help="End the halt of an asset."),
)


_KINDS_OF_OPTIONS = (
    "validators",
    "halt",
    "resume",
    "detach",
    "guardian",
    "suspense",
    "release_asset",
    "upgrade",
    "cancel_upgrade",
)


@click.group()
def governance() -> None:
    """Change the rules: propose, vote, try a change on every account.

    More than two thirds of the power must be for a change. Then its timelock runs, and every vote can still be
    withdrawn. Some fields are immutable, and some bounds no vote can pass.
    """


@governance.command("show")
@url_option
@output_option
def show_(url: str, output: str) -> None:
    """Print open proposals, amendments, halts and detached vaults.

    Example: crossclear governance show
    """
    from member.client.ask import ask_node
    from member.printing.governance import describe_governance

    view = ask_node(url, lambda client: client.governance())
    show(view, describe_governance(view), output)


@governance.command()
@_change_options
@click.option("--reason", default="", help="Why, for those who vote.")
@_own_keys
@url_option
@output_option
def propose(reason: str, url: str, output: str, **options: Any) -> None:
    """Sign a proposal and submit it. Exits with 6 when the node refuses it.

    Example: crossclear governance propose --set risk.groups.1.range_ppm=400000 --reason "wider range" --home HOME
    """
    from member.client.ask import ask_node, proposal_number, submit_one
    from member.printing.governance import describe_amendment
    from member.signing.governance import seat_of, sign_proposal

    terms = ask_node(url, lambda client: client.terms())
    scheduled = ask_node(url, lambda client: client.governance()).protocol.next_height if options["upgrade"] else 0
    amendment = _amendment(terms, options, scheduled)
    network, secret = _network(options), _secret(options)
    seat = None
    if options["key_name"] is None:
        seat = seat_of(ask_node(url, lambda client: client.validators()), _public(secret))
    request = sign_proposal(amendment, reason, _until(options), network, seat, secret)
    proposal = request.content(network).hex()
    changes = describe_amendment(amendment, terms)
    show({"proposal": proposal, "changes": changes}, "\n".join([f"proposal {proposal}", *changes]), output)
    ask_node(url, lambda client: submit_one(client, request))
    number = ask_node(url, lambda client: proposal_number(client, "0x" + proposal))
    say(f"proposal {number} can be voted on: `crossclear governance vote {number}`")


@governance.command()
@click.argument("number", type=NUMBER)
@click.option("--for/--against", "approve", default=None, help="The vote; a later one replaces an earlier one.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_own_keys
@url_option
@output_option
def vote(number: int, approve: bool | None, url: str, output: str, *, yes: bool, **options: Any) -> None:
    """Vote on proposal NUMBER with the own envelope key. What is signed is recomputed and printed first.

    Example: crossclear governance vote 7 --yes --home HOME
    """
    from member.client.ask import ask_node, submit_one
    from member.printing.governance import describe_amendment
    from member.signing.governance import check_made_of, find_proposal, make_vote, seat_of

    if approve is None:
        raise click.UsageError("say --for or --against")
    network, secret = _network(options), _secret({**options, "key_name": None})
    found = find_proposal(ask_node(url, lambda client: client.governance()), number, network)
    terms = ask_node(url, lambda client: client.terms())
    say("\n".join([f"proposal {number}, {found.view.hash}", *describe_amendment(found.proposal.amendment, terms)]))
    if approve:
        check_made_of(found.proposal.amendment, terms)
    if not yes:
        click.confirm(f"vote {'for' if approve else 'AGAINST'} it?", abort=True, err=True)
    seat = seat_of(ask_node(url, lambda client: client.validators()), _public(secret))
    request = make_vote(found, network, seat, _public(secret), secret, _until(options), approve=approve)
    ask_node(url, lambda client: submit_one(client, request))
    data = {"proposal": found.view.hash, "approve": approve, "revision": request.revision, "validator": seat}
    show(data, f"voted {'for' if approve else 'against'} as validator {seat}, revision {request.revision}", output)


@governance.command("dry-run")
@_change_options
@click.option("--proposal", type=NUMBER, help="A proposal under way, in place of changes.")
@click.option("--height", type=click.IntRange(min=0), help="Default: the highest on disk.")
@click.option("--home", type=HOME, required=True, help="A node's.")
@output_option
def dry_run_(proposal: int | None, height: int | None, home: Path, output: str, **options: Any) -> int:
    """Try a change on the state on a node's own disk, stopped or running: every account's margin before and after.

    Shows everybody's margins: for operators. `effect` shows members their own accounts. Exits with 6 when the change
    would be refused.

    Example: crossclear governance dry-run --set risk.groups.1.range_ppm=400000 --home HOME
    """
    from clearing.base.errors import Rejected
    from clearing.governance.dry_run import amendment_impact
    from clearing.state.protocol_version import protocol_of
    from cli.output import ExitCode
    from member.printing.governance import describe_amendment, describe_dry_run
    from node.api.governance import proposal_numbered
    from node.offline.state_at import state_of_home

    state = state_of_home(home, height)
    if proposal is not None:
        amendment = proposal_numbered(state, proposal)
        if amendment is None:
            raise click.BadParameter("no proposal with this number is open", param_hint="--proposal")
    else:
        amendment = _amendment(state.terms.genesis, options, protocol_of(state).next_height)
    found = amendment_impact(state, amendment)
    lines = describe_amendment(amendment, state.terms.genesis)
    if isinstance(found, Rejected):
        show({"refused": str(found)}, "\n".join([*lines, f"refused: {found}"]), output)
        return ExitCode.VERIFICATION
    show(dry_run_fields(found), "\n".join([*lines, *describe_dry_run(found)]), output)
    return ExitCode.OK


@governance.command()
@click.argument("number", type=NUMBER)
@account_options
@output_option
def effect(number: int, output: str, key: MemberKey) -> None:
    """Print what proposal NUMBER would do to the margins of the own accounts if it took effect now.

    Example: crossclear governance effect 7 --home HOME
    """
    from member.printing.governance import describe_effect

    view = key.ask(lambda client: client.effect(number))
    show(view, describe_effect(view), output)


@governance.command()
@click.option("--out", type=NEW_FILE, required=True, help="A new file.")
@url_option
@output_option
def amendments(out: Path, url: str, output: str) -> None:
    """Fetch all amendments with their certificate, for `crossclear verify --genesis G --amendments FILE`.

    Example: crossclear governance amendments --out amendments
    """
    from clearing.governance.certified_amendments import read_amendments
    from member.client.ask import ask_node
    from member.durable_files import write_new

    data = ask_node(url, lambda client: client.amendments())
    found = read_amendments(data)
    write_new(out, data)
    count, height = len(found.amendments), found.header.height
    data_told = {"amendments": count, "height": height, "file": str(out)}
    tell(data_told, f"{count} amendments, certified at height {height}: {out}", output)


@governance.command()
@click.argument("instrument", type=click.IntRange(1, 2**32 - 1))
@click.option("--until", type=NUMBER, required=True, metavar="HEIGHT", help="The height at which trading continues.")
@_own_keys
@url_option
@output_option
def halt(instrument: int, until: int, url: str, output: str, **options: Any) -> None:
    """Halt INSTRUMENT in an emergency, in the house's name alone: until HEIGHT it can only be reduced.

    Example: crossclear governance halt 4 --until 120000 --key house --home HOME
    """
    from member.client.ask import ask_node, submit_one
    from member.signing.governance import sign_halt

    if options["key_name"] is None:
        raise click.UsageError("--key names the house's trade key")
    view = ask_node(url, lambda client: client.governance())
    request = sign_halt(view, instrument, until, _until(options), _network(options), _secret(options))
    result = ask_node(url, lambda client: submit_one(client, request))
    data = {"instrument": instrument, "until": until, "hash": result.hash}
    tell(data, f"instrument {instrument} is to be halted until height {until}", output)


def _amendment(terms: "Genesis", options: dict[str, Any], scheduled: int) -> "Amendment":
    """The change that the options state: exactly one kind. `scheduled`: height of the upgrade that is moved, or 0."""
    from clearing.schema.requests import governance as kinds
    from member.signing.governance import terms_amendment
    from member.signing.validator_changes import read_change

    kinds_given = [name for name in _KINDS_OF_OPTIONS if options[name] is not None]
    kinds_given += ["terms"] if options["places"] or options["unlist"] else []
    if len(kinds_given) != 1:
        raise click.UsageError("name one kind of change: --set and --unlist, or one of the others")
    if kinds_given == ["terms"]:
        places = [(path, _text(value)) for path, value in (_split(place, "=", "--set") for place in options["places"])]
        return terms_amendment(terms, places, options["unlist"])
    if options["validators"] is not None:
        request = read_change(options["validators"]).request
        return kinds.ValidatorsAmendment(request.before, request.left, request.entered)
    if options["halt"] is not None:
        instrument, until = _split(options["halt"], "=", "--halt")
        return kinds.InstrumentHalt(whole_number("--halt", instrument), whole_number("--halt", until))
    if options["resume"] is not None:
        return kinds.InstrumentResumption(options["resume"])
    if options["detach"] is not None:
        return kinds.VaultDetachment(options["detach"], _vault_on(terms, options["detach"], "--detach"))
    if options["guardian"] is not None:
        chain, address = _split(options["guardian"], "=", "--guardian")
        chain_id = whole_number("--guardian", chain)
        vault = _vault_on(terms, chain_id, "--guardian")
        return kinds.GuardianOrder(chain_id, vault, hex_option("--guardian", address, 20) or b"")
    if options["upgrade"] is not None:
        version, height = (whole_number("--upgrade", part) for part in _split(options["upgrade"], "=", "--upgrade"))
        return kinds.ProtocolUpgrade(version, height, scheduled)
    if options["cancel_upgrade"] is not None:
        return kinds.UpgradeCancellation(options["cancel_upgrade"])
    if options["release_asset"] is not None:
        return kinds.AssetRelease(options["release_asset"])
    parts = [whole_number("--suspense", part) for part in options["suspense"].split(":")]
    if len(parts) != 3:
        raise click.BadParameter("expected ACCOUNT:CURRENCY:UNITS", param_hint="--suspense")
    return kinds.SuspenseAssignment(*parts)


def _vault_on(terms: "Genesis", chain_id: int, option: str) -> bytes:
    for chain in terms.chains:
        if chain.chain_id == chain_id:
            return chain.vault
    raise click.BadParameter("no such chain is listed", param_hint=option)


def _split(text: str, mark: str, option: str) -> tuple[str, str]:
    name, found, rest = text.partition(mark)
    if not found or not name:
        raise click.BadParameter(f"expected NAME{mark}VALUE, got {text!r}", param_hint=option)
    return name, rest


def _text(value: str) -> str:
    if not value.startswith("@"):
        return value
    try:
        with Path(value[1:]).open("rb") as file:
            return file.read(1 << 20).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{value[1:]}: {error}", param_hint="--set") from None


def _until(options: dict[str, Any]) -> int:
    minutes: int = options["minutes"]
    return time.time_ns() // 1_000_000 + minutes * 60_000


def _network(options: dict[str, Any]) -> Any:
    from clearing.schema.terms.genesis import network_id
    from node.genesis_file import read_genesis

    return network_id(read_genesis(options["genesis"] or options["home"] / "genesis.json"))


def _secret(options: dict[str, Any]) -> bytes:
    from member.keys.key_folder import PASSWORD_FILE, KeyKind, Purpose, read_key, read_own_key
    from member.keys.secret_files import read_password

    home, name, password_file, weak = (options[key] for key in ("home", "key_name", "password_file", "devnet"))
    if name is None:
        return read_own_key(home, Purpose.ENVELOPE, password_file, allow_weak=weak)
    return read_key(
        home, name, KeyKind.SECP256K1, read_password(password_file or home / PASSWORD_FILE), allow_weak=weak
    )


def _public(secret: bytes) -> bytes:
    from clearing.base import ed25519

    return ed25519.public_key(secret)

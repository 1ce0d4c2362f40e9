"""`crossclear governance show|propose|vote|dry-run|effect|amendments|halt`: who may change the rules, and how."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.options import account_options, ask
from cli.output import output_option, say, show

if TYPE_CHECKING:
    from clearing.schema.requests.amendments import Amendment
    from clearing.schema.terms.genesis import Genesis
    from member.client.node_client import NodeClient

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_NEW = click.Path(dir_okay=False, path_type=Path)

_NUMBER = click.IntRange(0, 2**63 - 1)

SEEN_SECONDS = 30.0
"""A proposal that is in no block by then was refused in one, most likely."""

_url = click.option("--url", default="http://127.0.0.1:26680", show_default=True, help="A node's API.")


def _own_keys(command: F) -> F:
    """Whose keys."""
    options = (
        click.option("--home", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Of the keys."),
        click.option(
            "--key", "key_name", help="The house's trade key in HOME/keys; without it the envelope key signs."
        ),
        click.option("--password-file", type=_NEW, help="Default: HOME/password."),
        click.option("--devnet", is_flag=True, help="Accept weakly derived keystores."),
        click.option("--genesis", type=_FILE, help="The network's; default: HOME/genesis.json."),
        click.option(
            "--minutes",
            type=click.IntRange(1, 10_080),
            default=5,
            show_default=True,
            help="How long the request is valid.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _what(command: F) -> F:
    """What is to be changed."""
    options = (
        click.option(
            "--set", "places", multiple=True, metavar="PATH=JSON", help="A place of genesis; @FILE reads JSON."
        ),
        click.option("--unlist", multiple=True, metavar="PATH", help="Remove an element from its list."),
        click.option("--validators", type=_FILE, help="A file of `crossclear validators propose`."),
        click.option("--halt", metavar="INSTRUMENT=HEIGHT", help="Halt an instrument until a height."),
        click.option("--resume", type=_NUMBER, metavar="INSTRUMENT", help="End a halt."),
        click.option("--detach", type=_NUMBER, metavar="CHAIN", help="Detach the vault on a chain."),
        click.option("--suspense", metavar="ACCOUNT:CURRENCY:UNITS", help="Assign money in suspense to an account."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def governance() -> None:
    """Change the rules: propose, vote, try a change on every account.

    More than two thirds of the power must be for a change. Then its timelock runs, and every vote can still be
    withdrawn. Some fields are immutable, and some bounds no vote can pass.
    """


@governance.command("show")
@_url
@output_option
def show_(url: str, output: str) -> None:
    """Print proposals under way, amendments, halts and detached vaults."""
    from member.signing.governance import describe_governance

    view = _ask(url, lambda client: client.governance())
    show(view, describe_governance(view), output)


@governance.command()
@_what
@click.option("--reason", default="", help="Why, for those who vote.")
@_own_keys
@_url
@output_option
def propose(reason: str, url: str, output: str, **options: Any) -> None:
    """Sign a proposal and submit it. Exits with 6 when the node refuses it."""
    from member.signing.governance import describe_amendment, seat_of, sign_proposal

    terms: Genesis = _ask(url, lambda client: client.terms())
    amendment = _amendment(terms, options)
    network, secret = _network(options), _secret(options)
    seat = None
    if options["key_name"] is None:
        seat = seat_of(_ask(url, lambda client: client.validators()), _public(secret))
    request = sign_proposal(amendment, reason, _until(options), network, seat, secret)
    lines = [f"proposal {request.content(network).hex()}", *describe_amendment(amendment, terms)]
    show({"proposal": request.content(network).hex(), "changes": lines[1:]}, "\n".join(lines), output)
    _submit(url, request)
    _await(url, "0x" + request.content(network).hex())


@governance.command()
@click.argument("number", type=_NUMBER)
@click.option("--for/--against", "approve", default=None, help="The vote; a later one replaces an earlier one.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_own_keys
@_url
@output_option
def vote(number: int, approve: bool | None, url: str, output: str, *, yes: bool, **options: Any) -> None:
    """Vote on proposal NUMBER with the own envelope key. What is signed is computed again and printed first."""
    from member.signing.governance import check_names_what_is, describe_amendment, find_proposal, make_vote, seat_of

    if approve is None:
        raise click.UsageError("say --for or --against")
    network, secret = _network(options), _secret({**options, "key_name": None})
    shown = find_proposal(_ask(url, lambda client: client.governance()), number, network)
    terms: Genesis = _ask(url, lambda client: client.terms())
    lines = [f"proposal {number}, {shown.view.hash}", *describe_amendment(shown.proposal.amendment, terms)]
    say("\n".join(lines))
    if approve:
        check_names_what_is(shown.proposal.amendment, terms)
    if not yes:
        click.confirm(f"vote {'for' if approve else 'AGAINST'} it?", abort=True, err=True)
    seat = seat_of(_ask(url, lambda client: client.validators()), _public(secret))
    request = make_vote(shown, network, seat, _public(secret), secret, _until(options), approve=approve)
    _submit(url, request)
    data = {"proposal": shown.view.hash, "approve": approve, "revision": request.revision, "validator": seat}
    show(data, f"voted {'for' if approve else 'against'} as validator {seat}, revision {request.revision}", output)


@governance.command("dry-run")
@_what
@click.option("--proposal", type=_NUMBER, help="A proposal under way, in place of changes.")
@click.option("--height", type=click.IntRange(min=0), help="Default: the highest on disk.")
@click.option("--home", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="A node's.")
@output_option
def dry_run_(proposal: int | None, height: int | None, home: Path, output: str, **options: Any) -> int:
    """Try a change on the state on a node's own disk, stopped or running: every account's margin before and after.

    Shows everybody's margins: for operators. `effect` shows members their own accounts. Exits with 6 when the change
    would be refused.
    """
    from clearing.base.errors import Rejected
    from clearing.governance.dry_run import amendment_impact
    from cli.output import ExitCode
    from member.signing.governance import describe_amendment, describe_dry_run
    from node.api.governance import proposal_numbered
    from node.offline.state_at import state_of_home

    state = state_of_home(home, height)
    if proposal is not None:
        amendment = proposal_numbered(state, proposal)
        if amendment is None:
            raise click.BadParameter("none with this number is under way", param_hint="--proposal")
    else:
        amendment = _amendment(state.terms.genesis, options)
    found = amendment_impact(state, amendment)
    lines = describe_amendment(amendment, state.terms.genesis)
    if isinstance(found, Rejected):
        show({"refused": str(found)}, "\n".join([*lines, f"refused: {found}"]), output)
        return ExitCode.VERIFICATION
    show(_data_of(found), "\n".join([*lines, *describe_dry_run(found)]), output)
    return ExitCode.OK


@governance.command()
@click.argument("number", type=_NUMBER)
@account_options
@output_option
def effect(number: int, output: str, **key: Any) -> None:
    """Print what proposal NUMBER would do to the margins of the own accounts if it took effect now."""
    from member.signing.governance import describe_effect

    view = ask(lambda client: client.effect(number), **key)
    show(view, describe_effect(view), output)


@governance.command()
@click.option("--out", type=_NEW, required=True, help="A new file.")
@_url
def amendments(out: Path, url: str) -> None:
    """Fetch all amendments with their certificate, for `crossclear verify --genesis G --amendments FILE`."""
    from clearing.governance.certified_amendments import read_amendments
    from member.durable_files import write_new

    data: bytes = _ask(url, lambda client: client.amendments())
    found = read_amendments(data)
    write_new(out, data)
    say(f"{len(found.amendments)} amendments, certified at height {found.header.height}: {out}")


@governance.command()
@click.argument("instrument", type=click.IntRange(1, 2**32 - 1))
@click.option("--until", type=_NUMBER, required=True, metavar="HEIGHT", help="The height at which trading continues.")
@_own_keys
@_url
def halt(instrument: int, until: int, url: str, **options: Any) -> None:
    """Halt INSTRUMENT in the house's name alone, for an emergency: until HEIGHT it can only be reduced."""
    from clearing.schema.requests.governance import EmergencyHalt
    from member.signing.requests import UNSIGNED, signed

    if options["key_name"] is None:
        raise click.UsageError("--key names the house's trade key")
    view = _ask(url, lambda client: client.governance())
    number = next((each.halts for each in view.halts if each.instrument == instrument), 0)
    plain = EmergencyHalt(instrument, until, number, _until(options), UNSIGNED)
    _submit(url, signed(_network(options), plain, signature=_secret(options)))
    say(f"instrument {instrument} is to be halted until height {until}")


def _await(url: str, wanted: str) -> None:
    """Wait until a proposal is in a block. Raises RemoteFault when a block's judgement, or time, was against it."""
    from clearing.base.errors import RemoteFault
    from member.codes import NodeCode

    deadline = time.monotonic() + SEEN_SECONDS
    while time.monotonic() < deadline:
        shown = _ask(url, lambda client: client.governance())
        number = next((proposal.number for proposal in shown.proposals if proposal.hash == wanted), None)
        if number is not None:
            say(f"proposal {number} can be voted on: `crossclear governance vote {number}`")
            return
        time.sleep(0.5)
    why = "no block took it: `crossclear governance dry-run` tells why it may not be"
    raise RemoteFault(NodeCode.CHANGE_FILE, "proposal", hash=wanted, why=why)


def _amendment(terms: "Genesis", options: dict[str, Any]) -> "Amendment":
    """What the options say, exactly one kind of it."""
    from clearing.schema.requests import amendments as kinds
    from member.signing.governance import terms_amendment
    from member.signing.validator_changes import read_change

    said = [name for name in ("validators", "halt", "resume", "detach", "suspense") if options[name] is not None]
    said += ["terms"] if options["places"] or options["unlist"] else []
    if len(said) != 1:
        raise click.UsageError("name one kind of change: --set and --unlist, or one of the others")
    if said == ["terms"]:
        places = [(path, _text(value)) for path, value in (_split(each, "=", "--set") for each in options["places"])]
        return terms_amendment(terms, places, options["unlist"])
    if options["validators"] is not None:
        request = read_change(options["validators"]).request
        return kinds.ValidatorsAmendment(request.before, request.left, request.entered)
    if options["halt"] is not None:
        instrument, until = _split(options["halt"], "=", "--halt")
        return kinds.InstrumentHalt(_whole(instrument, "--halt"), _whole(until, "--halt"))
    if options["resume"] is not None:
        return kinds.InstrumentResumption(options["resume"])
    if options["detach"] is not None:
        vault = next((chain.vault for chain in terms.chains if chain.chain_id == options["detach"]), None)
        if vault is None:
            raise click.BadParameter("no such chain is listed", param_hint="--detach")
        return kinds.VaultDetachment(options["detach"], vault)
    parts = [_whole(each, "--suspense") for each in options["suspense"].split(":")]
    if len(parts) != 3:
        raise click.BadParameter("expected ACCOUNT:CURRENCY:UNITS", param_hint="--suspense")
    return kinds.SuspenseAssignment(*parts)


def _data_of(found: Any) -> Any:
    return {
        "height": found.height,
        "initial_before": str(found.initial_before),
        "initial_after": str(found.initial_after),
        "called": list(found.called_accounts),
        "liquidated": list(found.liquidated_accounts),
        "accounts": [
            {
                "account": account.account,
                "member": account.member,
                "equity_before": str(account.before.equity),
                "equity_after": str(account.after.equity),
                "initial_before": str(account.before.initial),
                "initial_after": str(account.after.initial),
                "initial_ok": account.after.initial_ok,
                "maintenance_ok": account.after.maintenance_ok,
            }
            for account in found.accounts
        ],
    }


def _split(text: str, mark: str, option: str) -> tuple[str, str]:
    name, found, rest = text.partition(mark)
    if not found or not name:
        raise click.BadParameter(f"expected NAME{mark}VALUE, got {text!r}", param_hint=option)
    return name, rest


def _whole(text: str, option: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise click.BadParameter(f"expected a whole number, got {text!r}", param_hint=option)
    return int(text)


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
    from node.app.process import read_genesis

    return network_id(read_genesis(options["genesis"] or options["home"] / "genesis.json"))


def _secret(options: dict[str, Any]) -> bytes:
    from member.keys.key_folder import KIND_OF, PASSWORD_FILE, KeyKind, Purpose, read_key
    from member.keys.secret_files import read_password

    home, name = options["home"], options["key_name"]
    password = read_password(options["password_file"] or home / PASSWORD_FILE)
    kind = KIND_OF[Purpose.ENVELOPE] if name is None else KeyKind.SECP256K1
    return read_key(home, name or Purpose.ENVELOPE.value, kind, password, allow_weak=options["devnet"])


def _public(secret: bytes) -> bytes:
    from clearing.base import ed25519

    return ed25519.public_key(secret)


def _submit(url: str, request: Any) -> None:
    from clearing.base.errors import RemoteFault
    from member.codes import NodeCode

    result = _ask(url, lambda client: client.submit((request,))).results[0]
    if result.problem is not None:
        raise RemoteFault(NodeCode.CHANGE_FILE, result.problem.at, code=result.problem.code, why=result.problem.message)


def _ask(url: str, question: "Callable[[NodeClient], Any]") -> Any:
    import trio

    from clearing.base.ids import ZERO_HASH, NetworkId
    from member.client.node_client import NodeClient

    async def main() -> Any:
        async with NodeClient(url, NetworkId(ZERO_HASH)) as client:
            return await question(client)

    return trio.run(main)

"""`crossclear statement DAY`: of a running node, or out of a block log."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.margin_of_account import account_options, ask

if TYPE_CHECKING:
    from node.api.statement_shapes import MemberStatement

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("day", metavar="DAY")
@account_options
@click.option("--log", type=_FILE, help="Made from this block log instead of a node's recent days.")
@click.option("--genesis", type=_FILE, help="With --log.")
@click.option("--member", type=click.IntRange(0, 2**63 - 1), help="With --log: whose statement.")
@click.option("--cut-torn-tail", is_flag=True, help="With --log: accept one that ends inside a record.")
@click.option("--output", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
def statement(
    day: str,
    log: Path | None,
    genesis: Path | None,
    member: int | None,
    cut_torn_tail: bool,
    output: str,
    **key: Any,
) -> None:
    """Print a member's statement of DAY (YYYY-MM-DD in UTC, by block time) as CSV or JSON.

    Opening balance, transfers by code and closing balance reconcile to the ledger for every account and currency. A
    node keeps recent days and shows a member its own. With --log every block is executed and checked again: --home is
    then a node's folder, whose network seed salts the roots.
    """
    import msgspec

    from node.statements.statement import as_csv, day_number

    try:
        number = day_number(day)
    except ValueError:
        raise click.BadParameter(f"expected YYYY-MM-DD, got {day!r}", param_hint="DAY") from None
    if log is None:
        told: MemberStatement = ask(lambda client: client.statement(day), **key)
    elif genesis is None or member is None:
        raise click.UsageError("--log needs --genesis and --member")
    else:
        told = _replayed(log, genesis, member, number, key, cut_torn_tail=cut_torn_tail)
    data = as_csv(told) if output == "csv" else msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"
    click.echo(data, nl=False)


def _replayed(
    log: Path, genesis: Path, member: int, number: int, key: dict[str, Any], *, cut_torn_tail: bool
) -> "MemberStatement":
    """Raises LocalFault API_NOT_FOUND for a day or member that the log does not have."""
    from clearing.base.errors import LocalFault
    from clearing.genesis import check_genesis, genesis_from_json
    from node.codes import NodeCode
    from node.keys.files import read_password
    from node.keys.ring import KIND_OF, PASSWORD_FILE, Purpose, read_key
    from node.replay import state_salt
    from node.statements.replayed import statement_of_log
    from node.store.block_log import read_block_log

    terms = genesis_from_json(genesis.read_bytes())
    check_genesis(terms)
    home: Path = key["home"]
    password = read_password(key["password_file"] or home / PASSWORD_FILE)
    purpose = Purpose.NETWORK_SEED
    seed = read_key(home, purpose.value, KIND_OF[purpose], password, allow_weak=key["devnet"])
    blocks = read_block_log(log, cut_torn_tail=cut_torn_tail)
    found = statement_of_log(terms, state_salt(seed), blocks, member, number)
    if found is None:
        raise LocalFault(NodeCode.API_NOT_FOUND, "statement", member=member, day=number)
    return found

"""`crossclear history`: a network's blocks, receipts, balances, margins and prices in PostgreSQL or SQLite."""

from pathlib import Path

import click

from cli.options import HOME
from cli.output import output_option, say, show

_database = click.option(
    "--database",
    required=True,
    envvar="CROSSCLEAR_HISTORY_DATABASE",
    help="postgresql://USER@HOST/NAME or sqlite:///FILE; also CROSSCLEAR_HISTORY_DATABASE.",
)


@click.group()
def history() -> None:
    """Write the history of a network to a database, and ask it."""


@history.command("run")
@click.option("--home", type=HOME, required=True, help="The node's folder; the node may run.")
@_database
@click.option("--once", is_flag=True, help="End when the history has all blocks of the home.")
@output_option
def run_history(home: Path, database: str, once: bool, output: str) -> None:
    """Execute the blocks of a home and write what they did, then follow the home until interrupted.

    A run goes on where the last one ended. The history shows every account: it is for the operator.

    Example: crossclear history run --home HOME --database postgresql://crossclear@localhost/history
    """
    from node.history.indexer import index

    found = index(home, database, follow=not once, progress=lambda height: say(f"height {height}"))
    text = f"heights {found.first} to {found.last}" if found.last else "nothing new"
    show({"first": found.first, "last": found.last}, text, output)


@history.command("query")
@click.argument("name", required=False)
@_database
@click.option("--set", "values", multiple=True, metavar="NAME=NUMBER", help="A parameter of the query.")
@output_option
def query(name: str | None, database: str, values: tuple[str, ...], output: str) -> None:
    """Answer an example query by its NAME, or list the examples.

    Example: crossclear history query balances_at --set account=1 --set height=100 --database sqlite:///history.db
    """
    from node.history.database import answer
    from node.history.examples import examples

    known = examples()
    if name is None:
        listed = [
            {"name": each.name, "parameters": list(each.parameters), "answers": each.answers} for each in known.values()
        ]
        width = max(map(len, known))
        show(listed, "\n".join(f"{each.name:<{width}}  {each.answers}" for each in known.values()), output)
        return
    if name not in known:
        raise click.BadParameter(f"no example is called {name}; without a name they are listed", param_hint="NAME")
    example, given = known[name], dict(_number(each) for each in values)
    if set(given) != set(example.parameters):
        needed = ", ".join(example.parameters) or "no parameter"
        raise click.UsageError(f"{name} takes {needed}")
    columns, rows = answer(database, example.sql, given)
    data = [dict(zip(columns, row, strict=True)) for row in rows]
    show(data, "\n".join("\t".join(map(str, line)) for line in (columns, *rows)), output)


def _number(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    if not value.lstrip("-").isdecimal():
        raise click.BadParameter(f"expected NAME=NUMBER, got {text!r}", param_hint="--set")
    return name, int(value)

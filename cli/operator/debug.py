"""`crossclear debug statediff`: what two nodes' states differ in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cli.output import ExitCode, output_option, say, show


@click.group()
def debug() -> None:
    """Find the reason when nodes disagree. Shows positions: for operators only."""


@debug.command()
@click.argument("a", type=click.Path(exists=True, path_type=Path))
@click.argument("b", type=click.Path(exists=True, path_type=Path))
@click.option("--height", type=click.IntRange(min=0), help="Default: the highest that both have.")
@click.option("--genesis", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="When A and B are files.")
@output_option
def statediff(a: Path, b: Path, height: int | None, genesis: Path | None, output: str) -> int:
    """Compare the states of two homes, or of files that `debug export` wrote: roots per module, then records.

    Executes from each home's own saved state, and prints the first height that differs from the certified header. Exits
    with 6 when the states differ.
    """
    from node.offline.state_diff import state_diff

    folder = next((each for each in (a, b) if each.is_dir()), None)
    if folder is None and genesis is None:
        raise click.UsageError("--genesis is needed to read two files")
    terms, salt = _terms(genesis, folder)
    at = height if height is not None else _common(a, b, terms, salt)
    sides = [_side(each, terms, salt, at) for each in (a, b)]
    if sides[0].height != sides[1].height:
        raise click.UsageError(f"the states are of heights {sides[0].height} and {sides[1].height}")
    found = state_diff(sides[0].state, sides[1].state)
    told = [
        f"{name}: at height {difference.height} the header states other roots of {', '.join(difference.modules)}"
        for name, side in zip("AB", sides, strict=True)
        for difference in side.differences
    ]
    data = {"height": sides[0].height, "headers": told, "diff": found}
    show(data, "\n".join([f"height {sides[0].height}", *told, *_lines(found)]), output)
    return ExitCode.OK if found.equal and not told else ExitCode.VERIFICATION


@debug.command()
@click.option("--home", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--height", type=click.IntRange(min=0), help="Default: the highest.")
@click.option("--to", "target", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A new file.")
def export(home: Path, height: int | None, target: Path) -> None:
    """Write the state of a height into a file of mode 0600, for `debug statediff` elsewhere. Contains all positions."""
    from node.offline.state_at import state_at, write_state

    terms, salt = _terms(None, home)
    with _store(home, terms) as store:
        found = state_at(terms, salt, store, store.height() if height is None else height)
    write_state(target, found)
    say(f"height {found.height}: {target}")


def _terms(genesis: Path | None, home: Path | None) -> tuple[Any, bytes]:
    """Genesis, and the salt of a home's roots; zeros without one, which still compares tables."""
    from clearing.genesis.checks import check_genesis
    from clearing.genesis.json import genesis_from_json
    from member.keys.key_folder import KIND_OF, Purpose, read_key
    from member.keys.secret_files import read_password
    from node.agreement.application import state_salt

    if home is None:
        terms = genesis_from_json((genesis or Path("genesis.json")).read_bytes())
        check_genesis(terms)
        return terms, bytes(32)
    config = _config(home)
    terms = genesis_from_json(config.path(config.node.genesis).read_bytes())
    check_genesis(terms)
    password = read_password(config.path(config.node.password_file))
    purpose = Purpose.NETWORK_SEED
    seed = read_key(config.home, purpose.value, KIND_OF[purpose], password, allow_weak=config.node.devnet)
    return terms, state_salt(seed)


def _config(home: Path) -> Any:
    import os

    from node.config_sources import load_config

    return load_config(home / "node.toml", os.environ).config


@contextmanager
def _store(home: Path, terms: Any) -> Iterator[Any]:
    from clearing.base.errors import LocalFault
    from clearing.schema.terms.genesis import network_id
    from member.codes import NodeCode
    from node.store.store import Store

    database = _config(home).path("node.sqlite")
    if not database.exists():
        raise LocalFault(NodeCode.STORE_GAP, str(database), height=0)
    with Store(database, network_id(terms)) as store:
        yield store


def _common(a: Path, b: Path, terms: Any, salt: bytes) -> int:
    from node.offline.state_at import exported_state, read_state

    heights: list[int] = []
    for each in (a, b):
        if each.is_dir():
            with _store(each, terms) as store:
                heights.append(store.height())
        else:
            heights.append(exported_state(terms, salt, read_state(each))[0])
    files = [height for each, height in zip((a, b), heights, strict=True) if not each.is_dir()]
    return files[0] if files else min(heights)


def _side(path: Path, terms: Any, salt: bytes, height: int) -> Any:
    from node.offline.state_at import StateAt, exported_state, read_state, state_at

    if path.is_dir():
        with _store(path, terms) as store:
            return state_at(terms, salt, store, height)
    found, state = exported_state(terms, salt, read_state(path))
    return StateAt(found, state, None, (), found)


def _lines(found: Any) -> list[str]:
    lines = [
        f"{'same' if module.equal else 'DIFF'} {module.module:<12} {module.a[:16]} {module.b[:16]}"
        for module in found.modules
    ]
    for table in found.tables:
        lines.append(
            f"{table.module} {table.table}: {table.only_a} only in A, {table.only_b} only in B, {table.changed} changed"
        )
        for record in table.records:
            lines += [f"  {record.key}", f"    A {record.a or '-'}", f"    B {record.b or '-'}"]
    return lines

"""`crossclear show FILE`."""

from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def show(file: Path) -> None:
    """Print the raw content of a package or another MessagePack file as JSON, bytes as hex. Checks nothing."""
    from node.show import FILE_BYTES_MAX, show_messagepack

    with file.open("rb") as opened:
        click.echo(show_messagepack(opened.read(FILE_BYTES_MAX + 1)))

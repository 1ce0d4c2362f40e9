"""`crossclear explain CODE`."""

import click

from node.cli.output import output_option, show


@click.command()
@click.argument("code", required=False)
@click.option("--all", "everything", is_flag=True, help="All codes, by number.")
@output_option
def explain(code: str | None, everything: bool, output: str) -> None:
    """Tell what CODE means (R0203, 203 or its name) and what to do about it."""
    from node.explain import all_explanations
    from node.explain import explain as explained

    if (code is None) != everything:
        raise click.UsageError("give a code, or --all")
    found = all_explanations() if code is None else explained(code)
    text = "\n".join(f"{each.label} {each.name} ({each.package})\n    {each.remedy}" for each in found)
    show(found, text, output)

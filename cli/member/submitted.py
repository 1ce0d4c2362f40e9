"""How commands say what became of one request that they submitted."""

from typing import TYPE_CHECKING

import msgspec

from cli.options import listing_if_read
from cli.output import ExitCode, show

if TYPE_CHECKING:
    from cli.options import MemberKey
    from member.api.submit import SubmitResult
    from member.api.transactions import TransactionView


def print_result(what: str, result: "SubmitResult", output: str, **more: object) -> ExitCode:
    """Print the result, in JSON after the fields `more`; returns `exit_code`."""
    problem = f"\n  {result.problem.code}: {result.problem.message}" if result.problem is not None else ""
    text = f"{what}: {result.status}, transaction {result.hash}{problem}"
    show({**more, **msgspec.structs.asdict(result)}, text, output)
    return exit_code(result)


def wait_and_print(key: "MemberKey", what: str, result: "SubmitResult", output: str, **more: object) -> ExitCode:
    """Wait until a block has the request, and print what became of it; returns OK where it was applied.

    Where that cannot be asked the result alone is printed, as the request stands. Raises as `fate_of`.
    """
    from member.client.fates import fate_now

    if result.status == "refused":
        return print_result(what, result, output, **more)
    try:
        fate = key.ask(lambda client: fate_now(client, result.hash))
    except BaseException:
        print_result(what, result, output, **more)
        raise
    show({**more, "result": result, "transaction": fate}, f"{what}\n{fate_words(key.url, fate, output)}", output)
    return ExitCode.OK if fate.state == "applied" else ExitCode.VERIFICATION


def fate_words(url: str, fate: "TransactionView", output: str) -> str:
    """What became of a transaction, by names and in units where the node says them; empty where JSON is printed."""
    from member.printing.transactions import transaction_text

    if output == "json":
        return ""
    return transaction_text(fate, listing_if_read(url))


def exit_code(result: "SubmitResult") -> ExitCode:
    """OK where the node has the request, VERIFICATION where it refused it."""
    return ExitCode.OK if result.status in ("accepted", "known") else ExitCode.VERIFICATION

"""How commands say what became of one request that they submitted."""

from typing import TYPE_CHECKING

import msgspec

from cli.output import ExitCode, show

if TYPE_CHECKING:
    from member.api.submit import SubmitResult


def print_result(what: str, result: "SubmitResult", output: str, **more: object) -> ExitCode:
    """Print the result, in JSON after the fields `more`; returns `exit_code`."""
    problem = f"\n  {result.problem.code}: {result.problem.message}" if result.problem is not None else ""
    text = f"{what}: {result.status}, transaction {result.hash}{problem}"
    show({**more, **msgspec.structs.asdict(result)}, text, output)
    return exit_code(result)


def exit_code(result: "SubmitResult") -> ExitCode:
    """OK where the node has the request, VERIFICATION where it refused it."""
    return ExitCode.OK if result.status in ("accepted", "known") else ExitCode.VERIFICATION

"""`crossclear`: the verbs, and how each ending becomes an exit code.

Rule: stdout is data, stderr is talk. Importing this module imports click and nothing heavy; a verb's module is imported
when the verb is used, so that `verify` starts at once.
"""

import importlib
import sys
from collections.abc import Sequence

import click

from cli.output import ExitCode, exit_of, say_failure

VERBS: dict[str, tuple[str, str]] = {
    "init": ("cli.operator.setup:init", "Make keys and node.toml for one node."),
    "testnet": ("cli.operator.setup:testnet", "Write genesis and the homes of several nodes."),
    "join": ("cli.operator.setup:join", "Join a running network with one command: make a home, sync, run."),
    "start": ("cli.operator.run:start", "Run a node until it is stopped."),
    "status": ("cli.operator.status:status", "Show the state of a running node."),
    "devnet": ("cli.operator.run:devnet", "Run a whole network on this machine."),
    "verify": ("cli.member.verify:verify", "Check an epoch package offline."),
    "proof": ("cli.member.proof:proof", "Proofs as files: make, verify, show, and whole histories."),
    "exit": ("cli.member.exit:exit_", "What an own account could withdraw if everything ended."),
    "onchain": ("cli.member.onchain:onchain", "Show a contract on a chain that one account is solvent."),
    "explain": ("cli.explain:explain", "Explain a code and what to do about it."),
    "keys": ("cli.operator.keys:keys", "Make, list, import and export keys."),
    "replay": ("cli.operator.recovery:replay", "Execute a block log again and compare every root."),
    "wal": ("cli.operator.recovery:wal", "Inspect the consensus log of a stopped node, and repair it."),
    "rollback": ("cli.operator.recovery:rollback", "Take a stopped node one height back."),
    "debug": ("cli.operator.debug:debug", "Compare the states of two nodes."),
    "light": ("cli.member.light:light", "Check headers without a node, by certificates alone."),
    "signer": ("cli.operator.signer:signer", "Keep a validator's keys in a process of their own."),
    "margin": ("cli.member.margin:margin", "Evaluate margins: of a portfolio in a file, with every intermediate."),
    "settle": ("cli.runs:settle", "Pay, settle and allocate losses from a file, with every intermediate."),
    "liquidation": ("cli.member.losses:liquidation", "How much is closed, in which steps, at which discount."),
    "liquidations": ("cli.member.losses:liquidations", "Margin calls and liquidations, every step recomputed."),
    "waterfall": ("cli.member.losses:waterfall", "Who bears the loss of a default, with every share."),
    "statement": ("cli.member.statement:statement", "A member's day: balances, transfers, positions, fees, margin."),
    "backtest": ("cli.backtest:backtest", "Test ranges and margins on recorded prices."),
    "fund": ("cli.member.fund:fund", "The default fund: who contributes what, and a check that it covers."),
    "withdrawals": ("cli.member.withdrawals:withdrawals", "Show and cancel the withdrawals of an own account."),
    "validators": (
        "cli.operator.validators:validators",
        "Show the validator set; propose, approve and submit changes.",
    ),
    "governance": ("cli.operator.governance:governance", "Change the rules: propose, vote, try out, follow."),
    "config": ("cli.operator.config:config", "Check and show settings."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All verbs, in the order of a first day with the program."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a verb's module."""
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in VERBS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crossclear")
def cli() -> None:
    """A clearing house that runs as a network of peers.

    Exit codes: 0 ok, 1 unexpected, 2 usage, 3 settings invalid, 4 node unreachable, 5 not ready, 6 verification failed,
    7 refused for safety, 70 bug, 130 interrupted.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code."""
    try:
        result = cli.main(list(arguments) if arguments is not None else None, "crossclear", standalone_mode=False)
    except click.ClickException as error:
        error.show(sys.stderr)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.UNEXPECTED
    except (Exception, BaseExceptionGroup) as error:
        code = exit_of(error)
        say_failure(error, code)
        return code
    return int(result) if isinstance(result, int) else ExitCode.OK


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run())

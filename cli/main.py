"""`crossclear`: the verbs, and how each ending becomes an exit code.

Rule: data goes to stdout, everything else to stderr. Importing this module imports click and nothing heavy; a verb's
module is imported when the verb is used, so that `verify` starts at once.
"""

import importlib
import sys
from collections.abc import Sequence

import click

from cli.output import ExitCode, asks_for_json, exit_of, say, say_failure, say_failure_as_json

GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "For operators of a node": {
        "init": ("cli.operator.setup:init", "Make keys and node.toml for one node."),
        "testnet": ("cli.operator.setup:testnet", "Write genesis and the homes of several nodes."),
        "genesis": (
            "cli.operator.genesis:genesis",
            "Begin a network from validators' cards: draft, genesis, homes.",
        ),
        "join": ("cli.operator.setup:join", "Join a running network with one command: make a home, sync, run."),
        "start": ("cli.operator.run:start", "Run a node until it is stopped."),
        "status": ("cli.operator.run:status", "Show the state of a running node."),
        "check": ("cli.operator.run:check", "Say in one line how a node is, for a monitoring system."),
        "config": ("cli.operator.run:config", "Check and show settings."),
        "keys": ("cli.operator.keys:keys", "Make, list, import and export keys."),
        "signer": ("cli.operator.keys:signer", "Keep a validator's keys in a process of their own."),
        "chains": ("cli.operator.chains:chains", "Show halted chains of a node, and release one."),
        "doctor": ("cli.operator.doctor:doctor", "Examine machine, settings, peers and endpoints of a node."),
        "oracle": ("cli.operator.oracle:oracle", "Try the price sources of a node: answers, verdicts, vote."),
        "drill": ("cli.operator.drill:drill", "Rehearse a member's default on a copy of a state: who pays what."),
        "disclosure": (
            "cli.operator.disclosure:disclosure",
            "Print a day's quantitative disclosure (CPMI-IOSCO) as data with definitions.",
        ),
        "vault": (
            "cli.operator.vaults.group:vault",
            "Deploy, check, follow, update and pause a vault; state silence, refund deposits.",
        ),
        "validators": (
            "cli.operator.validators:validators",
            "Show the validator set; propose, approve and submit changes.",
        ),
        "governance": ("cli.operator.governance:governance", "Change the rules: propose, vote, try out, follow."),
        "history": ("cli.operator.history:history", "Write a network's history to PostgreSQL or SQLite, and ask it."),
        "chain": ("cli.operator.recovery:chain", "Write the blocks of a node to a log that anybody can replay."),
        "backup": ("cli.operator.backup:backup", "Make, check and restore backups of a node's blocks."),
        "replay": ("cli.operator.recovery:replay", "Execute a block log again and compare every root."),
        "wal": ("cli.operator.recovery:wal", "Inspect the consensus log of a stopped node, and repair it."),
        "rollback": ("cli.operator.recovery:rollback", "Remove the newest block of a stopped node."),
        "debug": ("cli.operator.recovery:debug", "Compare the states of two nodes."),
    },
    "For members": {
        "account": ("cli.member.account:account", "Show an own account: equity, margins, holdings, positions."),
        "trade": ("cli.member.trade:trade", "Trade with another member: propose, confirm, follow."),
        "margin": ("cli.member.margin:margin", "Explain and simulate margins, or evaluate a portfolio in a file."),
        "statement": (
            "cli.member.statement:statement",
            "Print a member's day: balances, transfers, positions, fees, margin.",
        ),
        "collateral": ("cli.member.collateral:collateral", "Submit deposits to a node, and follow them to the credit."),
        "deposit": ("cli.member.deposits:deposit", "Pay tokens into a vault, by names and in units."),
        "deposits": ("cli.member.deposits:deposits", "See what became of a deposit."),
        "transactions": ("cli.member.transactions:transactions", "See what became of a transaction."),
        "withdrawals": ("cli.member.withdrawals:withdrawals", "Request, follow, cancel and claim withdrawals."),
        "bids": ("cli.member.bids:bids", "Auctions in defaults and liquidations: what is for sale, bid, reveal."),
        "affiliates": ("cli.member.affiliates:affiliates", "See, declare and end affiliations of own accounts."),
        "standby": ("cli.member.standby:standby", "See, name and end the standby member of a client."),
        "porting": ("cli.member.porting:porting", "Move a client to another member: what is open, request, sign."),
        "exit": ("cli.member.exit:exit_", "Show what an own account could withdraw if everything ended."),
        "proof": ("cli.member.proof:proof", "Make, check and inspect proofs, and whole histories."),
        "onchain": ("cli.member.onchain:onchain", "Prove to a contract that one account is solvent."),
        "watch": ("cli.member.watch:watch", "Print live what happens at the network and in own accounts."),
        "liquidations": (
            "cli.member.losses:liquidations",
            "Explain margin calls and liquidations, every step recomputed.",
        ),
        "fund": ("cli.member.losses:fund", "Show, explain and verify the default fund."),
    },
    "For anybody": {
        "verify": ("cli.member.verify:verify", "Check an epoch package offline."),
        "light": ("cli.member.light:light", "Check headers without a node, by certificates alone."),
        "explain": ("cli.explain:explain", "Explain a code and what to do about it."),
        "devnet": ("cli.operator.run:devnet", "Run a whole network on this machine."),
    },
    "For risk managers, from a file": {
        "settle": ("cli.lab:settle", "Pay, settle and allocate losses from a file, with every intermediate."),
        "liquidation": ("cli.member.losses:liquidation", "Size and stage liquidations: steps, slices, discounts."),
        "waterfall": (
            "cli.member.losses:waterfall",
            "Allocate the loss of a default, or explain a network's defaults.",
        ),
        "backtest": ("cli.lab:backtest", "Test ranges and margins on recorded prices."),
    },
}
"""The verbs by reader: where each is, and its line in the list."""
VERBS = {verb: found for group in GROUPS.values() for verb, found in group.items()}


class LazyGroup(click.Group):
    """A group whose commands are imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All verbs, by reader."""
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
        for reader, verbs in GROUPS.items():
            with formatter.section(reader):
                formatter.write_dl([(verb, description) for verb, (_, description) in verbs.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crossclear")
def cli() -> None:
    """A clearing house that runs as a network of peers.

    Exit codes: 0 ok, 1 unexpected, 2 usage, 3 settings invalid, 4 node unreachable, 5 not ready, 6 verification failed,
    7 refused for safety, 70 bug, 130 interrupted.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code. Where JSON is asked for, a failure is printed in JSON, too, on stderr."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    say_why = say_failure_as_json if asks_for_json(words) else say_failure
    try:
        result = cli.main(words, "crossclear", standalone_mode=False)
    except click.ClickException as error:
        if say_why is say_failure:
            error.show(sys.stderr)
        else:
            say_why(error, ExitCode(error.exit_code))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.UNEXPECTED
    except (Exception, BaseExceptionGroup) as error:
        code = exit_of(error)
        say_why(error, code)
        return code
    return int(result) if isinstance(result, int) else ExitCode.OK


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run())

"""`crossclear proof accuse|rotate-seed|epoch-seed`: an owner's leaf, the seeds that open it, a node's lie about it."""

from pathlib import Path

import click

from cli.member.submitted import exit_code
from cli.options import FILE, NEW_FILE, NUMBER, MemberKey, account_options
from cli.output import ExitCode, output_option, say, show, tell
from cli.trust_options import Trust, trust_options
from cli.verdict_options import WantedVerdict, time_options


@click.command()
@click.argument("answer", type=FILE)
@click.option("--package", type=FILE, required=True, help="The certified epoch package of the answer's epoch.")
@trust_options()
@time_options(age=False)
@output_option
def accuse(answer: Path, package: Path, trust: Trust, wanted: WantedVerdict, output: str) -> int:
    """Check whether ANSWER, which a node signed about an account, is refuted by the certified PACKAGE.

    `proof inputs` writes the answer. Anybody can check it, and learns seed and holdings of that one epoch from it.
    Exits with 0 when a validator signed a leaf that the certified list lacks, and with 6 when nothing is shown against
    it, when the signer is none of the validators, or when you do not name both network and validators that you trust:
    anybody can make up a key, or a set and its list. A set that has retired could certify another list, so what you
    trust must have been in force lately (`--set-known-at`); the answer and the package may be of any age.

    Example: crossclear proof accuse own/answer.cci --package epoch.ccp --genesis genesis.json
    """
    from member.verifying.accusations import accuse_files
    from member.verifying.package import package_file

    certified = package_file(package)
    anchor, light_check = trust.anchor_of(certified)
    if light_check is not None and not light_check.ok:
        say(f"light client: {light_check.detail}")
        return ExitCode.VERIFICATION
    report = accuse_files(answer, certified, wanted.fresh(anchor))
    show(report, report.detail, output)
    return ExitCode.OK if report.is_evidence else ExitCode.VERIFICATION


@click.command(name="rotate-seed")
@click.option("--account", type=NUMBER, required=True, help="Own account; its owner's key signs.")
@click.option("--root", "root_file", type=NEW_FILE, required=True, help="New file of 64 hex digits for the root seed.")
@account_options
@output_option
def rotate_seed(account: int, root_file: Path, key: MemberKey, output: str) -> int:
    """Choose a new root seed for an account's commitments, from the next epoch on.

    It is drawn here, written to a file that only you can read, and sent to the validators sealed. Each epoch's seed
    follows from it (`proof epoch-seed`), so you need no node to find your own leaf. Earlier epochs keep their seeds:
    who learns the new root can open none of them.

    Example: crossclear proof rotate-seed --account 1 --root root --key trade --home HOME
    """
    import secrets

    from member.client.downloads import refuse_existing
    from member.client.seed_rotation import rotate_seed as rotated
    from member.keys.secret_files import write_secret

    refuse_existing(root_file)
    root = secrets.token_bytes(32)
    write_secret(root_file, root.hex().encode() + b"\n")  # before it is in use: a lost root would leave no own check
    result = key.ask(lambda client: rotated(client, account, root))
    problem = "" if result.problem is None else f"refused, {result.problem.code}: {result.problem.message}"
    show(result, problem or f"{root_file}: root seed of account {account} from the next epoch on", output)
    return exit_code(result)


@click.command(name="epoch-seed")
@click.argument("root", type=FILE)
@click.option("--account", type=NUMBER, required=True, help="Own account.")
@click.option("--epoch", type=NUMBER, required=True, help="Of the package to be checked.")
@click.option("--out", type=NEW_FILE, required=True, help="New file for the epoch's seed, as `verify` takes it.")
@output_option
def epoch_seed(root: Path, account: int, epoch: int, out: Path, output: str) -> int:
    """Write the seed of one epoch that follows from an own ROOT seed. It opens no other epoch. Uses no network.

    Example: crossclear proof epoch-seed root --account 1 --epoch 5 --out seed
    """
    from member.client.downloads import refuse_existing
    from member.keys.secret_files import write_secret
    from member.verifying.package import read_hex32
    from proofs.algebra.commitment import epoch_seed as seed_of_epoch

    refuse_existing(out)
    write_secret(out, seed_of_epoch(read_hex32(root), account, epoch).hex().encode() + b"\n")
    tell({"file": str(out)}, f"{out}: seed of account {account} at epoch {epoch}", output)
    return ExitCode.OK

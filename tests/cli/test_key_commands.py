"""A home says that its keys signed nothing only as long as that is certain."""

from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from cli.output import ExitCode
from devnet.testnet import create_testnet
from member.keys.key_folder import KeyKind, read_key
from member.keys.secret_files import read_password
from node.signer.sign_state import SIGN_STATE, SignedStep, SignStateFile
from tests.kit.command_line import CommandLine
from tests.kit.node.house_alone import house_alone


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return (
        create_testnet(tmp_path / "net", partial(house_alone, time_ms=1_000), validators=1, devnet=True, seed=1)
        .nodes[0]
        .home
    )


def import_voting_key(cli: CommandLine, home: Path, code: int = 0) -> str:
    secret = home / "secret"
    if not secret.exists():
        password = read_password(home / "password")
        key = read_key(home, "validator", KeyKind.BLS, password, allow_weak=True)
        secret.write_text(key.hex())
        secret.chmod(0o600)
        (home / "keys" / "validator.json").unlink()
    words = ("--kind", "bls", "--secret-file", secret, "--home", home, "--devnet")
    return cli("keys", "import", "validator", *words, code=code).err


def test_an_imported_voting_key_is_not_taken_for_one_that_never_signed(cli: CommandLine, home: Path) -> None:
    assert (home / SIGN_STATE).stat().st_mode & 0o777 == 0o600
    assert "may have signed" in import_voting_key(cli, home)
    assert not (home / SIGN_STATE).exists()


def test_an_import_keeps_what_the_home_signed(cli: CommandLine, home: Path) -> None:
    with closing(SignStateFile(home / SIGN_STATE)) as guard:
        guard.advance(SignedStep(7, 0, 1), b"d" * 32)
    assert "may have signed" not in import_voting_key(cli, home)
    with closing(SignStateFile(home / SIGN_STATE)) as guard:
        assert guard.last == SignedStep(7, 0, 1)


def test_no_voting_key_is_imported_into_the_home_of_a_node_that_runs(cli: CommandLine, home: Path) -> None:
    with closing(SignStateFile(home / SIGN_STATE)):
        import_voting_key(cli, home, code=ExitCode.SAFETY)
    assert not (home / "keys" / "validator.json").exists()


def test_a_new_voting_key_and_a_new_home_signed_nothing(cli: CommandLine, home: Path, tmp_path: Path) -> None:
    (home / SIGN_STATE).unlink()
    (home / "keys" / "validator.json").unlink()
    cli("keys", "new", "validator", "--kind", "bls", "--home", home, "--devnet")
    cli("init", "--home", tmp_path / "made", "--devnet")
    for each in (home, tmp_path / "made"):
        with closing(SignStateFile(each / SIGN_STATE)) as guard:
            assert guard.last == SignedStep()
        (each / "keys" / "validator.json").unlink()
    with closing(SignStateFile(home / SIGN_STATE)) as guard:
        guard.advance(SignedStep(7, 0, 1), b"d" * 32)
    cli("keys", "new", "validator", "--kind", "bls", "--home", home, "--devnet")
    with closing(SignStateFile(home / SIGN_STATE)) as guard:
        assert guard.last == SignedStep(7, 0, 1), "what another key signed is kept, too"

"""One mutant against the tests of the contracts: compile it, deploy it in the vault's place, and see which test fails.

Rule: a process judges many mutants, one after the other, so that it imports and loads the compiler once. Chains run
without the limit on code. Tests that found a fault of the same file come first, then those of its subject; the first
that fails ends the run.
"""

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

import bridge.contracts
from bridge.contracts.compile import CompileError
from devnet.toolchain import ANVIL_VARIABLE, anvil_path
from tests.mutation.compiler import MutantCompiler
from tests.mutation.operators import Mutant

TESTS = Path(__file__).resolve().parents[1] / "bridge" / "contracts"
FIRST = {
    "Deposits.sol": ("deposits", "reentrancy", "weird_tokens"),
    "WithdrawalsTree.sol": ("withdrawals", "batches", "guardian_orders"),
    "Checkpoints.sol": ("checkpoints", "batches", "events", "conflicts", "escape"),
    "Pauses.sol": ("pauses", "conflicts"),
    "Guardian.sol": ("cold_quorum", "guardian_orders", "events", "pauses", "conflicts", "deposits", "escape"),
    "ColdQuorum.sol": ("cold_quorum",),
    "Outflows.sol": ("withdrawals", "weird_tokens", "batches", "escape"),
    "Finality.sol": ("checkpoints", "conflicts"),
    "MerkleTree.sol": ("escape",),
    "ValidatorSetCode.sol": ("certificate_verifier", "checkpoints"),
    "Bls12381.sol": ("bls_vectors", "certificate_verifier", "checkpoints"),
    "BlsCertificateVerifier.sol": ("certificate_verifier", "checkpoints"),
    "EcdsaCertificateVerifier.sol": ("ecdsa_certificates",),
    "Escape.sol": ("escape", "reentrancy", "events", "conflicts"),
    "Payments.sol": ("batches", "withdrawals", "reentrancy", "conflicts", "pauses", "weird_tokens"),
    "Evidence.sol": ("conflicts", "events"),
    "VaultState.sol": ("settings", "deposits", "withdrawals", "pauses", "batches", "checkpoints"),
    "Vault.sol": ("settings", "deposits", "cold_quorum"),
    "VaultExtension.sol": ("deposits",),
    "ExitTree.sol": ("escape",),
}
"""Tests to try first, by the mutant's file."""
LAST = (
    *("deposits", "withdrawals", "batches", "checkpoints", "cold_quorum", "guardian_orders", "pauses", "conflicts"),
    *("settings", "events", "reentrancy", "certificate_verifier", "ecdsa_certificates", "bls_vectors", "refunds"),
    *("weird_tokens", "known_attacks", "attacks_on_the_escape", "escape"),
)
SECONDS_MAX = 900
"""Of all tests of one mutant; one that never ends is killed."""
# Calls of unoptimised code cost more, and its size passes the limit.
_CHAIN = """#!/bin/sh
for option do shift; [ "$option" = --enable-tx-gas-limit ] || set -- "$@" "$option"; done
exec "{anvil}" "$@" --disable-code-size-limit --gas-limit 1000000000
"""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant. `by` is the test that failed, or the error."""

    mutant: Mutant
    outcome: str
    """`killed`, `survived`, `same` when the compiler makes the same code of it, `invalid` when it makes none, or
    `error` when its process died."""
    by: str = ""


class Bench:
    """What a process judges mutants with. It deploys from a folder of its own, on chains without the limit on code."""

    def __init__(self, sound: Mapping[str, bytes]) -> None:
        self._sound = dict(sound)
        self._compiler = MutantCompiler(sound)
        self._folder = Path(tempfile.mkdtemp(prefix="mutants-"))
        shutil.copytree(bridge.contracts.ARTIFACTS, self._folder / "artifacts")
        bridge.contracts.ARTIFACTS = self._folder / "artifacts"
        chain = self._folder / "anvil"
        chain.write_text(_CHAIN.format(anvil=anvil_path()), encoding="utf-8")
        chain.chmod(0o700)
        os.environ[ANVIL_VARIABLE] = str(chain)
        signal.signal(signal.SIGALRM, _end)
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        atexit.register(self._compiler.close)

    def judge(self, mutant: Mutant, found_before: Mapping[str, int], *, quick: bool = False) -> Verdict:
        """Run the tests on a mutant, or to be quick those of its subject alone. `found_before`: how many faults of this
        file each test found."""
        try:
            artifacts = self.compiled(mutant.file, mutant.source)
        except CompileError:
            return Verdict(mutant, "invalid")
        if artifacts == self._sound:
            return Verdict(mutant, "same")
        names = (*FIRST[mutant.file], *(() if quick else LAST))
        by = self.failing_test(artifacts, names, found_before)
        return Verdict(mutant, "killed" if by else "survived", by)

    def compiled(self, file: str, source: str) -> dict[str, bytes]:
        """The artifacts with this source of one file. Raises CompileError."""
        return self._compiler.compiled(file, source)

    def deploy(self, artifacts: Mapping[str, bytes]) -> None:
        """From here on this process deploys these."""
        for name, content in artifacts.items():
            (self._folder / "artifacts" / name).write_bytes(content)
        bridge.contracts.load_artifact.cache_clear()

    def failing_test(
        self,
        artifacts: Mapping[str, bytes] | None = None,
        names: Sequence[str] = LAST,
        found_before: Mapping[str, int] | None = None,
    ) -> str:
        """The first test that fails when these artifacts, else the sound ones, are deployed; empty when none does."""
        self.deploy(artifacts or self._sound)
        files = [path for name in dict.fromkeys(names) for path in sorted(TESTS.glob(f"test_*{name}.py"))]
        options = ["-x", "-q", "-p", "no:cacheprovider", f"--basetemp={self._folder}/tests"]
        order, found = _Order(found_before or {}), _FirstFailure()
        signal.alarm(SECONDS_MAX)
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            code = pytest.main([*options, *map(str, files)], plugins=[order, found])
        signal.alarm(0)
        return found.name or ("" if code == pytest.ExitCode.OK else f"pytest ended with {code}")


class _Order:
    """A plug-in of pytest: tests that found faults before come first, by how many."""

    def __init__(self, found_before: Mapping[str, int]) -> None:
        self._found_before = found_before

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: -self._found_before.get(short(item.nodeid), 0))


class _FirstFailure:
    """A plug-in of pytest that keeps the name of the test that failed."""

    name = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.name:
            self.name = short(report.nodeid)


def short(nodeid: str) -> str:
    """A test's file and name."""
    file, _, name = nodeid.partition("::")
    return f"{file.rpartition('/')[2]}::{name}"


def _end(*_: object) -> None:
    raise TimeoutError(f"the tests of one mutant take more than {SECONDS_MAX} s")

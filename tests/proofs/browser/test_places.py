"""The verifier's commitments to one at single places are those of the ceremony: its build takes no others."""

import subprocess
from pathlib import Path

import pytest

from clearing.margin.statement.snapshot import RiskSnapshot
from devnet.toolchain import BROWSER, node_path
from tests.kit.proofs import small_market
from tests.kit.proofs.second_verifier import SecondVerifier, refused_by

POINTS = BROWSER.parent / "data" / "lagrange_2048.bin"
WIDTH, COUNT = 96, 512
"""Bytes of a point, and how many are taken."""


def built(points: bytes, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "points"
    file.write_bytes(points)
    command = [str(node_path()), "scripts/places.mjs", str(file), "build/powers.ts", str(folder / "places.ts")]
    return subprocess.run(command, cwd=BROWSER, capture_output=True, text=True, check=False)


def test_the_build_takes_the_points_of_the_ceremony(built_verifier: None, tmp_path: Path) -> None:
    assert built(POINTS.read_bytes(), tmp_path).returncode == 0
    assert (tmp_path / "places.ts").read_text() == (BROWSER / "build" / "places.ts").read_text()


@pytest.mark.parametrize("change", ["two changed places", "one point twice", "a flipped bit", "cut short"])
def test_the_build_refuses_other_points(built_verifier: None, tmp_path: Path, change: str) -> None:
    data = bytearray(POINTS.read_bytes())
    first, last = slice(0, WIDTH), slice((COUNT - 1) * WIDTH, COUNT * WIDTH)
    if change == "two changed places":
        data[first], data[last] = data[last], data[first]
    elif change == "one point twice":
        data[first] = data[last]
    elif change == "a flipped bit":
        data[COUNT * WIDTH - 1] ^= 1
    else:
        data = data[: COUNT * WIDTH - 1]
    assert built(bytes(data), tmp_path).returncode != 0
    assert not (tmp_path / "places.ts").exists()


@pytest.fixture(scope="module")
def shot() -> RiskSnapshot:
    return small_market.snapshot()


@pytest.fixture(scope="module")
def package(shot: RiskSnapshot) -> bytes:
    return small_market.honest(shot, size=2048)


@pytest.mark.parametrize("more", [0, 1])
def test_the_own_account_is_found_on_the_domain_of_networks_by_its_holdings_alone(
    second: SecondVerifier, shot: RiskSnapshot, package: bytes, more: int
) -> None:
    own = shot.accounts[-1]
    names = [slot.name for slot in shot.statement.slots]
    held = dict(zip(names, own.values, strict=False))
    held[names[0]] += more
    seed = small_market.seeds()[own.account].hex()
    holdings = {name: str(value) for name, value in held.items() if value}
    given = {"account": str(own.account), "owner": own.owner.hex(), "seed": seed, "holdings": holdings}
    assert refused_by(second.ask(file=package, own=given)) == ("inclusion" if more else "")

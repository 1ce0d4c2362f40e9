"""The contracts' curve code and the chain's precompiles against vectors that others wrote."""

import gzip
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.deploy import deploy
from clearing.base import bls
from clearing.base.errors import RemoteFault
from node.devnet.anvil import Anvil, anvil_chain
from tests.bridge.contracts.vault_chain import USER, ChainUser

pytestmark = pytest.mark.chain
PRECOMPILES = {
    "add_G1": 0x0B,
    "msm_G1": 0x0C,
    "mul_G1": 0x0C,
    "add_G2": 0x0D,
    "mul_G2": 0x0E,
    "msm_G2": 0x0E,
    "pairing_check": 0x0F,
    "map_fp_to_G1": 0x10,
    "map_fp2_to_G2": 0x11,
}


class Harness:
    """`BlsHarness` on a chain; a refused call is None."""

    def __init__(self, chain: Anvil) -> None:
        self.chain = chain
        self.user = ChainUser(chain)
        self.contract = self.user.contract("BlsHarness", deploy(self.user.web3, USER, "BlsHarness"))

    def call(self, name: str, *arguments: Any) -> Any:
        function = getattr(self.contract.functions, name)(*arguments)
        body = {"to": self.contract.address, "data": function._encode_transaction_data(), "gas": hex(10**7)}
        answer = self.raw([body])[0]
        return None if answer is None else self.user.web3.codec.decode(_outputs(function.abi), answer)[0]

    def raw(self, calls: list[dict[str, str]]) -> list[bytes | None]:
        batch = [
            {"jsonrpc": "2.0", "id": number, "method": "eth_call", "params": [call, "latest"]}
            for number, call in enumerate(calls)
        ]
        answers = sorted(self.chain._client.post(self.chain.url, json=batch).json(), key=lambda a: a["id"])
        return [bytes.fromhex(answer["result"][2:]) if "result" in answer else None for answer in answers]


def _outputs(abi: Any) -> list[str]:
    return [entry["type"] for entry in abi["outputs"]]


@pytest.fixture(scope="module")
def harness(anvil_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with anvil_chain(31337, tmp_path_factory.mktemp("chain")) as chain:
        yield Harness(chain)


def eip2537(folder: Path, name: str) -> list[dict[str, Any]]:
    plain, packed = folder / "eip2537" / f"{name}_bls.json", folder / "eip2537" / f"{name}_bls.json.gz"
    cases: list[dict[str, Any]] = json.loads(
        plain.read_bytes() if plain.is_file() else gzip.decompress(packed.read_bytes())
    )
    return cases


def bls_cases(folder: Path, kind: str) -> list[tuple[str, dict[str, Any], Any]]:
    found = []
    with tarfile.open(folder / "bls" / "bls12-381-tests.tgz") as archive:
        for member in archive:
            if member.isfile() and f"/{kind}/" in member.name:
                case = json.load(archive.extractfile(member))  # type: ignore[arg-type]
                found.append((member.name, case["input"], case["output"]))
    return sorted(found, key=lambda case: case[0])


def test_hash_to_g2_is_rfc_9380s(harness: Harness, vectors_dir: Path) -> None:
    suite = json.loads((vectors_dir / "rfc9380" / "BLS12381G2_XMD-SHA-256_SSWU_RO_.json").read_bytes())
    assert len(suite["vectors"]) == 5
    for vector in suite["vectors"]:
        numbers = (*vector["P"]["x"].split(","), *vector["P"]["y"].split(","))
        expected = b"".join(int(number, 16).to_bytes(64, "big") for number in numbers)
        assert harness.call("hashToG2", vector["msg"].encode(), suite["dst"].encode()) == expected


def test_hash_to_g2_takes_no_tag_that_its_length_byte_cannot_tell(harness: Harness) -> None:
    assert harness.call("hashToG2", b"", bytes(255)) is not None
    assert harness.call("hashToG2", b"", bytes(256)) is None


def test_sums_of_keys_are_eip_2537s(harness: Harness, vectors_dir: Path) -> None:
    for case in eip2537(vectors_dir, "add_G1"):
        given = bytes.fromhex(case["Input"])
        assert harness.call("addG1", given[:128], given[128:]) == bytes.fromhex(case["Expected"]), case["Name"]
    for case in eip2537(vectors_dir, "fail-add_G1"):
        given = bytes.fromhex(case["Input"])
        assert harness.call("addG1", given[:128], given[128:]) is None, case["Name"]


@pytest.mark.parametrize("name", sorted(PRECOMPILES))
def test_the_chains_precompiles_are_eip_2537s(harness: Harness, vectors_dir: Path, name: str) -> None:
    good = [] if name == "msm_G2" else eip2537(vectors_dir, name)  # of which only failing cases are there
    cases = good + eip2537(vectors_dir, f"fail-{name}")
    to = f"0x{PRECOMPILES[name]:040x}"
    calls = [{"to": to, "data": "0x" + case["Input"], "gas": hex(16_000_000)} for case in cases]
    answers = [answer for at in range(0, len(calls), 20) for answer in harness.raw(calls[at : at + 20])]
    for case, answer in zip(cases, answers, strict=True):
        expected = bytes.fromhex(case["Expected"]) if "Expected" in case else None
        assert answer == expected, case["Name"]


def verdict(harness: Harness, keys: list[bytes], message: bytes, signature: bytes) -> bool:
    """What the contracts say, adding keys as the verifier does; what is no point cannot even be shown."""
    try:
        points = [b"".join(bls.key_coordinates(key)) for key in keys]
        shown = bls.signature_coordinates(signature)
    except RemoteFault:
        return False
    total = points[0]
    for point in points[1:]:
        total = harness.call("addG1", total, point)
    return harness.call("verify", total, message, bls.SIGNATURE_DST, shown) is True


def test_signatures_of_others_are_judged_alike(harness: Harness, vectors_dir: Path) -> None:
    seen = set()
    for name, given, output in bls_cases(vectors_dir, "verify"):
        key, message, signature = (bytes.fromhex(given[part][2:]) for part in ("pubkey", "message", "signature"))
        assert verdict(harness, [key], message, signature) is output, name
        seen.add(output)
    assert seen == {True, False}


def test_aggregates_of_others_are_judged_alike(harness: Harness, vectors_dir: Path) -> None:
    seen = set()
    for name, given, output in bls_cases(vectors_dir, "fast_aggregate_verify"):
        keys = [bytes.fromhex(key[2:]) for key in given["pubkeys"]]
        message, signature = bytes.fromhex(given["message"][2:]), bytes.fromhex(given["signature"][2:])
        assert bool(keys and verdict(harness, keys, message, signature)) is output, name
        seen.add(output)
    assert seen == {True, False}


def test_a_point_outside_the_subgroup_is_refused(harness: Harness, vectors_dir: Path) -> None:
    # On the curve but in no subgroup: the sum takes it, the pairing must not.
    cases = [
        c
        for c in eip2537(vectors_dir, "fail-pairing_check")
        if "subgroup" in c["Name"] or "subgroup" in c["ExpectedError"]
    ]
    assert cases
    for case in cases:
        given = bytes.fromhex(case["Input"])
        for at in range(0, len(given), 384):
            pair = given[at : at + 384]
            assert harness.call("verify", pair[:128], b"m", b"d", pair[128:]) is not True

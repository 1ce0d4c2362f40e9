"""The contracts' curve code and the chain's precompiles against vectors that others wrote."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.contracts.deploy import deploy
from clearing.base import bls
from clearing.base.errors import RemoteFault
from devnet.anvil import Anvil, anvil_chain
from tests.kit.bridge.vault_chain import USER, ChainUser
from tests.kit.vectors.others import PRECOMPILES, hash_suite, precompile_cases, signature_cases, unhex

pytestmark = pytest.mark.chain
ADDRESSES = {
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


def test_hash_to_g2_is_rfc_9380s(harness: Harness, vectors_dir: Path) -> None:
    suite = hash_suite(vectors_dir, "BLS12381G2_XMD-SHA-256_SSWU_RO_")
    for vector in suite["vectors"]:
        numbers = (*vector["P"]["x"].split(","), *vector["P"]["y"].split(","))
        expected = b"".join(int(number, 16).to_bytes(64, "big") for number in numbers)
        assert harness.call("hashToG2", vector["msg"].encode(), suite["dst"].encode()) == expected


def test_hash_to_g2_takes_no_tag_that_its_length_byte_cannot_tell(harness: Harness) -> None:
    assert harness.call("hashToG2", b"", bytes(255)) is not None
    assert harness.call("hashToG2", b"", bytes(256)) is None


def test_hash_to_g2_is_that_of_other_signers(harness: Harness, vectors_dir: Path) -> None:
    for name, given, output in signature_cases(vectors_dir, "hash_to_G2"):
        expected = b"".join(unhex(part).rjust(64, b"\0") for axis in "xy" for part in output[axis].split(","))
        tag = b"QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_"
        assert harness.call("hashToG2", given["msg"].encode(), tag) == expected, name


def test_sums_of_keys_are_eip_2537s(harness: Harness, vectors_dir: Path) -> None:
    for name in ("add_G1", "fail-add_G1"):
        for case, given, expected in precompile_cases(vectors_dir, name):
            assert harness.call("addG1", given[:128], given[128:]) == expected, case


@pytest.mark.parametrize("name", sorted(PRECOMPILES))
def test_the_chains_precompiles_are_eip_2537s(harness: Harness, vectors_dir: Path, name: str) -> None:
    cases = precompile_cases(vectors_dir, name)
    to = f"0x{ADDRESSES[name.removeprefix('fail-')]:040x}"
    calls = [{"to": to, "data": "0x" + given.hex(), "gas": hex(16_000_000)} for _, given, _ in cases]
    answers = [answer for at in range(0, len(calls), 20) for answer in harness.raw(calls[at : at + 20])]
    for (case, _, expected), answer in zip(cases, answers, strict=True):
        assert answer == expected, case


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
    for name, given, output in signature_cases(vectors_dir, "verify"):
        key, message, signature = (bytes.fromhex(given[part][2:]) for part in ("pubkey", "message", "signature"))
        assert verdict(harness, [key], message, signature) is output, name
        seen.add(output)
    assert seen == {True, False}


def test_aggregates_of_others_are_judged_alike(harness: Harness, vectors_dir: Path) -> None:
    seen = set()
    for name, given, output in signature_cases(vectors_dir, "fast_aggregate_verify"):
        keys = [bytes.fromhex(key[2:]) for key in given["pubkeys"]]
        message, signature = bytes.fromhex(given["message"][2:]), bytes.fromhex(given["signature"][2:])
        assert bool(keys and verdict(harness, keys, message, signature)) is output, name
        seen.add(output)
    assert seen == {True, False}


def test_a_point_outside_the_subgroup_is_refused(harness: Harness, vectors_dir: Path) -> None:
    # On the curve but in no subgroup: the sum takes it, the pairing must not.
    cases = [
        (name, given) for name, given, _ in precompile_cases(vectors_dir, "fail-pairing_check") if "subgroup" in name
    ]
    assert len(cases) == 8
    for name, given in cases:
        for at in range(0, len(given), 384):
            pair = given[at : at + 384]
            assert harness.call("verify", pair[:128], b"m", b"d", pair[128:]) is not True, name


def test_a_key_that_holds_a_pair_of_its_own_is_no_key(harness: Harness) -> None:
    """The pairing precompile takes any number of pairs: one more would let anybody choose the product."""
    point = b"".join(bls.key_coordinates(bls.public_key(7)))
    signature = bls.signature_coordinates(bls.sign(7, b"m"))
    assert harness.call("verify", point, b"m", bls.SIGNATURE_DST, signature) is True
    longer = point + bytes(256) + harness.call("negated", point)
    assert harness.call("verify", longer, b"m", bls.SIGNATURE_DST, signature) is None


@pytest.mark.parametrize(("left", "right"), [(0, 128), (128, 0), (127, 129), (129, 127), (256, 128), (128, 256)])
def test_only_whole_points_are_added(harness: Harness, left: int, right: int) -> None:
    assert harness.call("addG1", bytes(left), bytes(right)) is None


def test_a_point_and_its_negation_cancel_out(harness: Harness) -> None:
    infinity = bytes(128)
    for secret in (1, 2, 10**30, bls.GROUP_ORDER - 1):
        point = b"".join(bls.key_coordinates(bls.public_key(secret)))
        assert harness.call("negated", point) == bls.negative_sum([point])
        assert harness.call("addG1", point, harness.call("negated", point)) == infinity
    assert harness.call("negated", infinity) == infinity

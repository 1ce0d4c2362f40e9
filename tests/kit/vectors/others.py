"""Vectors that other people wrote, by folder, with how many cases each file must hold.

A file that is missing, or holds another number, fails: nothing is exercised by halves unseen. Whether the whole folder
may be missing is `vectors_dir`'s affair.
"""

import gzip
import json
import tarfile
from pathlib import Path
from typing import Any

PRECOMPILES = {
    "add_G1": 9, "add_G2": 9, "map_fp2_to_G2": 5, "map_fp_to_G1": 5, "msm_G1": 163, "mul_G1": 11, "mul_G2": 11,
    "pairing_check": 15, "fail-add_G1": 7, "fail-add_G2": 7, "fail-map_fp2_to_G2": 5, "fail-map_fp_to_G1": 5,
    "fail-msm_G1": 8, "fail-msm_G2": 8, "fail-mul_G1": 8, "fail-mul_G2": 8, "fail-pairing_check": 25,
}  # fmt: skip
SIGNATURES = {
    "aggregate": 6,
    "aggregate_verify": 5,
    "batch_verify": 4,
    "deserialization_G1": 16,
    "deserialization_G2": 18,
    "fast_aggregate_verify": 12,
    "hash_to_G2": 4,
    "sign": 10,
    "verify": 29,
}
OPENINGS = 122
HASHED = {f"BLS12381G{group}_XMD-SHA-256_SSWU_RO_": 5 for group in (1, 2)}
HASHED |= {f"expand_message_xmd_SHA256_{length}": 10 for length in (256, 38)}
FILES = {
    *(f"eip2537/{name}_bls.json" + (".gz" if name == "msm_G1" else "") for name in PRECOMPILES),
    *(f"rfc9380/{name}.json" for name in HASHED),
    "bls/bls12-381-tests.tgz",
    "kzg/verify_kzg_proof.tgz",
}


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def precompile_cases(folder: Path, name: str) -> list[tuple[str, bytes, bytes | None]]:
    """(name, input, expected output); None where the call must fail."""
    path = folder / "eip2537" / f"{name}_bls.json"
    data = path.read_bytes() if path.is_file() else gzip.decompress(path.with_suffix(".json.gz").read_bytes())
    found = [
        (case["Name"], unhex(case["Input"]), unhex(case["Expected"]) if "Expected" in case else None)
        for case in json.loads(data)
    ]
    assert len(found) == PRECOMPILES[name]
    assert all((expected is None) is name.startswith("fail") for _, _, expected in found)
    return found


def archived(file: Path, kind: str = "") -> list[tuple[list[str], bytes]]:
    """(steps of the path, content) of the files in an archive, of one kind if it is named."""
    with tarfile.open(file) as archive:
        members = [(member, member.name.split("/")) for member in archive if member.isfile()]
        chosen = [(member, steps) for member, steps in members if kind in ("", steps[1])]
        return [(steps, archive.extractfile(member).read()) for member, steps in chosen]  # type: ignore[union-attr]


def signature_cases(folder: Path, kind: str) -> list[tuple[str, Any, Any]]:
    """(name, input, output)."""
    found = []
    for steps, data in archived(folder / "bls" / "bls12-381-tests.tgz", kind):
        case = json.loads(data)
        found.append((steps[-1], case["input"], case["output"]))
    assert len(found) == SIGNATURES[kind]
    return sorted(found, key=lambda case: case[0])


def opening_cases(folder: Path) -> list[tuple[str, tuple[bytes, bytes, bytes, bytes], bool | None]]:
    """(name, (commitment, z, y, proof), verdict); None where the input must be refused."""
    found = []
    for steps, data in archived(folder / "kzg" / "verify_kzg_proof.tgz"):
        # YAML of two levels, read without a YAML library.
        pairs = (line.partition(":") for line in data.decode().splitlines())
        given = {key.strip(): value.strip(" '\"") for key, _, value in pairs}
        shown = tuple(unhex(given[name]) for name in ("commitment", "z", "y", "proof"))
        found.append((steps[2], shown, {"true": True, "false": False, "null": None}[given["output"]]))
    assert len(found) == OPENINGS
    return sorted(found)  # type: ignore[return-value]


def hash_suite(folder: Path, name: str) -> dict[str, Any]:
    """A file of RFC 9380's."""
    suite: dict[str, Any] = json.loads((folder / "rfc9380" / f"{name}.json").read_bytes())
    assert len(suite.get("vectors", suite.get("tests"))) == HASHED[name]
    return suite

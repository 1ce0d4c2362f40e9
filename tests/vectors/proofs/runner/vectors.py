"""Reads the vectors of `v2/good` and `v2/bad`, makes their files, and judges them.

`further.json` has the same form as `vectors.json`: what later attacks found.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.vectors.proofs.runner import genesis, inclusion, onchain_files, times
from tests.vectors.proofs.runner.encoding import Reader, Refused
from tests.vectors.proofs.runner.statement import PUBLIC, slots_of
from tests.vectors.proofs.runner.verify import Package, Trusted, failed_answer, failed_check, failed_standalone

FOLDER = Path(__file__).resolve().parents[1] / "v2"
FILES = ("vectors.json", "further.json")
"""Of packages, standalone proofs and answers."""
Answer = dict[str, str]


def read(name: str, *files: str) -> list[dict[str, Any]]:
    """The vectors of the folder `good` or `bad`; without named files, all but those on chain."""
    found: list[dict[str, Any]] = []
    for file in files or FILES:
        path = FOLDER / name / file
        if path.exists():
            found += json.loads(path.read_text(encoding="utf-8"))["vectors"]
    return found


def made(file: dict[str, Any]) -> bytes:
    """The file: a frozen one, with some bytes replaced. The edits are in order and do not overlap."""
    base, parts, done = (FOLDER / "good" / file["base"]).read_bytes(), [], 0
    for edit in file["edits"]:
        parts += [base[done : int(edit["at"])], bytes.fromhex(edit["insert"])]
        done = int(edit["at"]) + int(edit["remove"])
    data = b"".join((*parts, base[done:]))
    if hashlib.sha256(data).hexdigest() != file["sha256"]:
        raise ValueError("another file than was meant")
    return data


def judged_onchain(vector: dict[str, Any]) -> Answer:
    """The code that refuses a file for a contract."""
    file = made(vector["file"])
    try:
        if vector["kind"] == "onchain_epoch":
            onchain_files.check_epoch(file, made(vector["package"]))
        else:
            onchain_files.check_account(file)
    except Refused as refused:
        return {"code": refused.args[0]}
    return {"code": ""}


def judged(vector: dict[str, Any]) -> Answer:
    """Which check refuses a vector, and by which code; for an answer also how a package contradicts it."""
    if vector["kind"].startswith("onchain"):
        return judged_onchain(vector)
    package = made(vector["package"])
    trusted = trusted_of(vector["trusted"], package)
    if vector["kind"] == "package":
        return dict(zip(("refused_by", "code"), failed_check(package, trusted), strict=True))
    file = made(vector["file"])
    if vector["kind"] == "standalone":
        return dict(zip(("refused_by", "code"), failed_standalone(file, package, trusted), strict=True))
    found = failed_answer(file, package, trusted)
    return dict(zip(("refused_by", "code", "contradiction"), found, strict=True))


def expected(vector: dict[str, Any]) -> Answer:
    return {name: vector[name] for name in ("refused_by", "code", "contradiction") if name in vector}


def trusted_of(given: dict[str, Any], package: bytes) -> Trusted:
    return Trusted(
        network=bytes.fromhex(given["network"]) if "network" in given else None,
        validators_hash=bytes.fromhex(given["validators_hash"]) if "validators_hash" in given else None,
        genesis=_genesis(given["genesis"]) if "genesis" in given else None,
        wanted=_wanted(given["freshness"]) if "freshness" in given else None,
        own=_own(given["own"], package) if "own" in given else None,
        strict="strict" in given,
        allowed=tuple(given["strict"]["allowed"]) if "strict" in given else (),
    )


def _genesis(given: dict[str, str]) -> dict[str, Any]:
    kinds = genesis.KINDS | ({"surfaces": genesis.SURFACES} if "surfaces" in given else {})
    parts = {name: Reader(bytes.fromhex(given[name])).whole(kind) for name, kind in kinds.items()}
    return parts | {"time_ms": int(given["time_ms"])}


def _wanted(given: dict[str, str]) -> times.Wanted:
    return times.Wanted(
        now_ms=int(given["now_ms"]),
        max_age_ms=None if given["max_age_ms"] == "any" else int(given["max_age_ms"]),
        min_height=int(given["min_height"]),
        set_known_ms=None if given["set_known_ms"] == "unknown" else int(given["set_known_ms"]),
        trusting_period_ms=int(given["trusting_period_ms"]),
    )


def _own(given: dict[str, Any], package: bytes) -> inclusion.Own:
    """Values are those of the public slots, in order."""
    stated = Package(package).stated
    names = [stated["slots"][j]["name"] for j in slots_of(stated, *PUBLIC)]
    return inclusion.Own(
        account=int(given["account"]),
        owner=bytes.fromhex(given["owner"]),
        seed=bytes.fromhex(given["seed"]),
        holdings=dict(zip(names, map(int, given["public_values"]), strict=True)),
    )

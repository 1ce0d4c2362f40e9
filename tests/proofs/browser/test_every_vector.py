"""The verifier in TypeScript judges every vector of `tests/vectors/proofs/v2` as it says: check, code, contradiction.

A Node script reads the files itself, as a stranger's program would: `proofs/browser/scripts/vectors.mjs`.
"""

import json
import subprocess
from pathlib import Path

import pytest

from devnet.toolchain import BROWSER, node_path

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "proofs" / "v2"


@pytest.fixture(scope="module")
def judged(built_verifier: None) -> dict[str, list[dict[str, object]]]:
    command = [str(node_path()), str(BROWSER / "scripts" / "vectors.mjs"), str(VECTORS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["file"]: line["judged"] for line in lines}


def test_every_vector_of_every_file_is_judged(judged: dict[str, list[dict[str, object]]]) -> None:
    files = {path: json.loads(path.read_text()) for path in VECTORS.glob("*/*.json")}
    names = {
        str(path.relative_to(VECTORS)): [
            vector.get("name", vector.get("says"))
            for vector in [*content.get("vectors", ()), *content.get("signatures", ())]
        ]
        for path, content in files.items()
        if {"vectors", "signatures"} & set(content)
    }
    assert {file: [each["name"] for each in vectors] for file, vectors in judged.items()} == names
    assert names["bad/vectors.json"]


def test_each_is_judged_as_it_says(judged: dict[str, list[dict[str, object]]]) -> None:
    others = {
        f"{file} {each['name']}": (each["found"], each["wanted"])
        for file, vectors in judged.items()
        for each in vectors
        if not each["agrees"]
    }
    assert others == {}

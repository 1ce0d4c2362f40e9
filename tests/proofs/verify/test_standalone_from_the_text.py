"""A second reader's verifier of standalone proofs, written from the specification alone, gives the vectors' answers."""

import ast
import json
from pathlib import Path

import pytest

from tests.vectors.proofs.one_account.verify import verify

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "proofs" / "v2"


def listed(folder):
    found = json.loads((VECTORS / folder / "vectors.json").read_text("utf-8"))["vectors"]
    return [each for each in found if each["kind"] == "standalone"]


def made(file):
    """The bytes of a vector, by its README."""
    base, data, at = (VECTORS / "good" / file["base"]).read_bytes(), b"", 0
    for edit in file["edits"]:
        data += base[at : int(edit["at"])] + bytes.fromhex(edit["insert"])
        at = int(edit["at"]) + int(edit["remove"])
    return data + base[at:]


@pytest.mark.parametrize("vector", [*listed("good"), *listed("bad")], ids=lambda vector: vector["name"])
def test_it_gives_the_check_and_the_code_of_each_vector(vector):
    answer = verify(made(vector["package"]), made(vector["file"]))
    assert answer == (vector["refused_by"], vector["code"])


def test_it_shares_nothing_with_what_it_verifies():
    own, imported = "tests.vectors.proofs.one_account", set()
    for path in (VECTORS.parent / "one_account").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and not node.module.startswith(own):
                imported.add(node.module.split(".")[0])
            elif isinstance(node, ast.Import):
                imported |= {each.name for each in node.names}
    assert imported == {"sys", "hashlib", "itertools", "pathlib", "typing", "coincurve", "py_ecc", "sha3"}

"""Threads that decode a type for the first time, all at once, do not end the process."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
THREADS = """
import sys, threading
import msgspec

sys.setswitchinterval(1e-6)
for number in range(1500):
    names = [f"field_{place}" for place in range(30)]
    options = {"frozen": True, "array_like": True, "forbid_unknown_fields": True}
    inner = msgspec.defstruct(f"Inner{number}", [(name, int) for name in names], **options)
    outer = msgspec.defstruct(f"Outer{number}", [("one", inner), ("others", tuple[inner, ...])], **options)
    value = outer(inner(*range(30)), (inner(*range(30)),) * 3)
    start, read = threading.Barrier(3), []

    def decode_one() -> None:
        start.wait()
        read.append(DECODED)

    threads = [threading.Thread(target=decode_one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == [value] * 3, read
"""


@pytest.mark.parametrize(
    ("imported", "decoded"),
    [
        ("from clearing.base.codec import decode, encode", "decode(encode(value), outer)"),
        (
            "from clearing.base.plain_json import read_json",
            "read_json(msgspec.json.encode(value), outer)",
        ),
        (
            "from crossclear_client.answer_json import read_json",
            "read_json(msgspec.json.encode(value), outer, 'answer')",
        ),
    ],
)
def test_threads_may_decode_a_type_for_the_first_time_at_once(imported: str, decoded: str) -> None:
    program = imported + THREADS.replace("DECODED", decoded)
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")

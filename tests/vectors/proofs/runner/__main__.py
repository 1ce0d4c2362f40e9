"""Says of files whether they are accepted, or which check refuses them and why.

PACKAGE.ccp [FILE.ccs|FILE.cci]     one package, or a file beside one
--vectors                           every vector of v2: prints those that are not judged as they must be
--trace PACKAGE.ccp [FILE.ccs]      every intermediate of a verification, as JSON
"""

import json
import sys
from pathlib import Path

from tests.vectors.proofs.runner import trace, vectors
from tests.vectors.proofs.runner.verify import failed_answer, failed_check, failed_standalone


def wrong() -> list[str]:
    files = [(folder, file) for folder in ("good", "bad") for file in (*vectors.FILES, "onchain.json")]
    every = [vector for folder, file in files for vector in vectors.read(folder, file)]
    found = [(vector["name"], vectors.judged(vector), vectors.expected(vector)) for vector in every]
    print(f"{len(every)} vectors")
    return [f"{name}: {judged}, expected {meant}" for name, judged, meant in found if judged != meant]


def judged(files: list[bytes], suffix: str) -> str:
    if len(files) == 1:
        name, code = failed_check(files[0])
    elif suffix == ".cci":
        name, code, says = failed_answer(files[1], files[0])
        name, code = (name, code) if name else ("the package", f"contradicts the answer's {says}") if says else ("", "")
    else:
        name, code = failed_standalone(files[1], files[0])
    return f"refused by {name}: {code}" if name else ""


arguments = sys.argv[1:]
if arguments == ["--vectors"]:
    lines = wrong()
    print("\n".join(lines) or "all as expected")
    sys.exit(1 if lines else 0)
paths = [Path(each) for each in arguments if each != "--trace"]
if not paths:
    sys.exit(__doc__)
if "--trace" in arguments:
    print(json.dumps(trace.traced(*(path.read_bytes() for path in paths)), indent=1))
    sys.exit(0)
refusal = judged([path.read_bytes() for path in paths], paths[-1].suffix)
print(refusal or "accepted")
sys.exit(1 if refusal else 0)

"""How the tests are spread over several processes: a file to each, the long ones first.

Rule: a long file that is begun last leaves the other processes idle. The demonstration takes minutes of all cores, so
all files that look at it go to one process, which plays it once.
"""

from xdist.scheduler import LoadFileScheduling

DEMO = "tests/e2e/demo/"
FIRST = (
    "tests/e2e/",
    "tests/testnets/",
    "tests/docs/test_tutorials.py",
    "tests/node/sync/",
    "tests/node/durability/",
    "tests/mutation/",
    "tests/sim/",
    "tests/node/oracle/test_surface_fit.py",
    "tests/member/page/",
    "tests/proofs/",
    "tests/benchmarks/",
    "tests/lab/",
    "tests/docs/",
    "tests/consensus/",
)
"""Files and folders with tests of half a minute and more, the longest first."""


class FilesInOrder(LoadFileScheduling):
    """`--dist loadfile`, where the files that share a run go to one process. Begin with `--no-loadscope-reorder`."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def scope_of(nodeid: str) -> str:
    """What a test must share its process with: its file, or the folder of the demonstration."""
    return DEMO if nodeid.startswith(DEMO) else nodeid.split("::", 1)[0]


def place_of(nodeid: str) -> int:
    """How early a test is begun; equal ones keep their order."""
    if nodeid.startswith(DEMO):
        return -1
    return next((place for place, beginning in enumerate(FIRST) if nodeid.startswith(beginning)), len(FIRST))

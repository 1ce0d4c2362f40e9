"""How the tests are spread over several processes: a file to each, the long ones first, and networks one at a time.

Rule: a network of processes may take all cores, and its members answer within blocks, so no two networks run at once.
Their files go to one process, in which also the demonstration is played once for all that look at it. The others are
begun with the longest: a long file that is begun last leaves cores idle.
"""

from xdist.scheduler import LoadFileScheduling

NETWORKS = (
    "tests/e2e/demo/",
    "tests/e2e/",
    "tests/testnets/",
    "tests/docs/test_tutorials.py",
    "tests/node/durability/",
    "tests/node/sync/",
    "tests/node/p2p/",
)
"""Files and folders with tests that start processes of nodes, in the order in which they run."""
LONG = (
    "tests/node/oracle/test_surface_fit.py",
    "tests/sim/",
    "tests/member/page/",
    "tests/proofs/",
    "tests/mutation/",
    "tests/benchmarks/",
    "tests/lab/",
    "tests/docs/",
    "tests/consensus/",
)
"""Of the others, those with tests of half a minute and more, the longest first."""


class FilesInOrder(LoadFileScheduling):
    """`--dist loadfile`, but all networks in one process; `--no-loadscope-reorder` keeps the order."""

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)


def share_of(nodeid: str) -> str:
    """What a test must share its process with: its file, or all networks."""
    return "networks" if nodeid.startswith(NETWORKS) else nodeid.split("::", 1)[0]


def place_of(nodeid: str) -> int:
    """How early a test is begun; equal ones keep their order."""
    order = (*NETWORKS, *LONG)
    return next((place for place, beginning in enumerate(order) if nodeid.startswith(beginning)), len(order))

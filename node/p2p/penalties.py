"""What a fault costs: points by stable code.

Rule: only what a peer did itself, provably, is dear; what may come of being late, behind or of another version is
cheap; a broken path costs nothing. A code that is not named costs `DEFAULT_POINTS`.
"""

from clearing.base.errors import BaseCode, CodeBook
from consensus.codes import ConsensusCode
from node.p2p.codes import P2pCode

DEFAULT_POINTS = 10
PROVABLE = 100
"""Signed by the peer itself, and forbidden: one is enough."""
FORGED = 50
"""No honest program sends it to us over its own connection."""
NONSENSE = 25
STALE = 1
"""Honest peers send it when sets, heights or versions differ for a moment."""

POINTS: dict[CodeBook, int] = {
    ConsensusCode.DOUBLE_SIGN: PROVABLE,
    ConsensusCode.BAD_SHARE: FORGED,
    ConsensusCode.BAD_ENVELOPE: FORGED,
    ConsensusCode.WRONG_HEIGHT: STALE,
    ConsensusCode.WRONG_ROUND: STALE,
    ConsensusCode.NOT_A_VALIDATOR: STALE,
    ConsensusCode.WRONG_PROPOSER: STALE,
    BaseCode.MALFORMED: NONSENSE,
    BaseCode.NON_CANONICAL: NONSENSE,
    BaseCode.OVERSIZE: NONSENSE,
    BaseCode.BAD_POINT: NONSENSE,
    BaseCode.WRONG_VALIDATOR_SET: STALE,
    P2pCode.OVERSIZE_FRAME: FORGED,
    P2pCode.UNEXPECTED_STREAM: NONSENSE,
    P2pCode.FLOOD: NONSENSE,
    P2pCode.BAD_GOSSIP: DEFAULT_POINTS,
    P2pCode.HEARTBEAT_LOST: 0,
    P2pCode.WRITE_STALLED: 0,
    P2pCode.HANDSHAKE_TIMEOUT: 0,
    P2pCode.STREAM_ENDED: 0,
    P2pCode.REPLACED: 0,
    P2pCode.MISBEHAVED: 0,
    P2pCode.BANNED: 0,
    P2pCode.NO_LONGER_ADMITTED: 0,
    P2pCode.WRONG_NETWORK: 0,
    P2pCode.WRONG_VERSION: 0,
}


def points_of(code: CodeBook) -> int:
    """The points that one fault of this code costs."""
    return POINTS.get(code, DEFAULT_POINTS)

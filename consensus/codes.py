"""Stable codes of what consensus refuses (05xx), each with a remedy."""

from clearing.base.errors import CodeBook


class ConsensusCode(CodeBook):
    """Refusals of the agreement layer."""

    WRONG_HEIGHT = 501
    WRONG_ROUND = 502
    NOT_A_VALIDATOR = 503
    WRONG_PROPOSER = 504
    BAD_ENVELOPE = 505
    BAD_PROPOSAL = 506
    BAD_EXTENSION = 507
    BROKEN_LINK = 510
    WRONG_TIME = 511
    WRONG_PAYLOAD_ROOT = 512
    WRONG_ROOTS = 513
    BAD_LAST_COMMIT = 514
    BAD_EXTENDED_COMMIT = 515
    BAD_EVIDENCE = 516
    EVIDENCE_OUT_OF_TIME = 517
    EVIDENCE_REPEATED = 518
    DOUBLE_SIGN = 520
    WAL_CORRUPT = 521
    SIGN_STATE_CORRUPT = 522
    STORE_INCOMPLETE = 523
    BAD_CHUNK = 524
    SNAPSHOT_REFUSED = 525
    NO_ANCHOR = 526
    BAD_BLOCK_RESPONSE = 530
    BAD_SHARE = 531
    TRUST_EXPIRED = 540
    NOT_LATER = 541
    FROM_THE_FUTURE = 542
    NO_WITNESS = 543
    LIGHT_LACKING = 544


REMEDIES: dict[ConsensusCode, str] = {
    ConsensusCode.WRONG_HEIGHT: "The message is for a height that is neither running nor next. Sync the sender.",
    ConsensusCode.WRONG_ROUND: "A round is out of range, for instance a proposal that cites its own or a later one.",
    ConsensusCode.NOT_A_VALIDATOR: "The sender is not in the validator set of this height, or uses another's index.",
    ConsensusCode.WRONG_PROPOSER: "The sender is not the proposer of this height and round.",
    ConsensusCode.BAD_ENVELOPE: "The envelope's signature or sender is wrong. Compare network id and envelope key.",
    ConsensusCode.BAD_PROPOSAL: "The proposal's signature, value or cited certificate doesn't fit its block.",
    ConsensusCode.BAD_EXTENSION: "A precommit's extension is missing, superfluous, too long or wrongly signed.",
    ConsensusCode.BROKEN_LINK: "The header names another parent, network, height or validator set than the chain has.",
    ConsensusCode.WRONG_TIME: "The header's time is not the median of the extension times. Check the node's version.",
    ConsensusCode.WRONG_PAYLOAD_ROOT: "The header does not commit to the block's contents.",
    ConsensusCode.WRONG_ROOTS: (
        "The execution of the block gave other roots than its header states. Compare the versions."
    ),
    ConsensusCode.BAD_LAST_COMMIT: "The block's certificate does not make its parent final.",
    ConsensusCode.BAD_EXTENDED_COMMIT: "The block's extensions are unordered, wrongly signed or under two thirds.",
    ConsensusCode.BAD_EVIDENCE: "A block carries evidence that proves nothing.",
    ConsensusCode.EVIDENCE_OUT_OF_TIME: (
        "The offence is too old or in the future: the validator set of its height is unknown here."
    ),
    ConsensusCode.EVIDENCE_REPEATED: (
        "Everything that this evidence proves is recorded already. A proposer must leave it out."
    ),
    ConsensusCode.DOUBLE_SIGN: "The signer was asked for a second, different signature. Never run one key twice.",
    ConsensusCode.WAL_CORRUPT: "The log is damaged. Cut it with `crossclear wal repair`; never restore an old one.",
    ConsensusCode.SIGN_STATE_CORRUPT: (
        "Both slots of the sign state are damaged, or another version wrote them. Never delete it for a key in use."
    ),
    ConsensusCode.STORE_INCOMPLETE: "The block store lacks a block that the application has or needs. Restore or sync.",
    ConsensusCode.BAD_CHUNK: (
        "A peer sent a chunk that does not belong to the snapshot it offered. The node asks another peer."
    ),
    ConsensusCode.SNAPSHOT_REFUSED: "A fetched snapshot does not have the roots of its certified header, although more"
    " than a third of the power offers it. Stop, and compare the peers' versions.",
    ConsensusCode.NO_ANCHOR: "No peer has a header of the trusted height and hash. Check both, and the peers.",
    ConsensusCode.BAD_BLOCK_RESPONSE: "A peer answered a block request with blocks that don't follow or aren't final.",
    ConsensusCode.BAD_SHARE: "A vote's BLS share does not verify although its envelope does: its sender is at fault.",
    ConsensusCode.TRUST_EXPIRED: (
        "The trusted header is older than the trusting period. Get a newer one from somebody you trust."
    ),
    ConsensusCode.NOT_LATER: "A light client only goes forward: height and time must be above the trusted header's.",
    ConsensusCode.FROM_THE_FUTURE: (
        "The header's time is ahead of this machine's clock. Check the clock, then the sender."
    ),
    ConsensusCode.NO_WITNESS: "No witness confirmed the first server's header. Name other witnesses, or none.",
    ConsensusCode.LIGHT_LACKING: (
        "The server has no light block of this height: it is not decided yet, or before the server's first."
    ),
}

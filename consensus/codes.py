"""Stable codes of what consensus refuses (05xx), each with a remedy."""

from clearing.base.errors import CodeBook


class ConsensusCode(CodeBook):
    """Refusals of the agreement layer."""

    WRONG_HEIGHT = 501, "The message is for a height that is neither running nor next. Sync the sender."
    WRONG_ROUND = 502, "A round is out of range, for instance a proposal that cites its own or a later one."
    NOT_A_VALIDATOR = 503, "The sender is not in the validator set of this height, or uses another's index."
    WRONG_PROPOSER = 504, "The sender is not the proposer of this height and round."
    BAD_ENVELOPE = 505, "The envelope's signature or sender is wrong. Compare network id and envelope key."
    BAD_PROPOSAL = 506, "The proposal's signature, value or cited certificate doesn't fit its block."
    BAD_EXTENSION = 507, "A precommit's extension is missing, superfluous, too long or wrongly signed."
    BROKEN_LINK = 510, "The header names another parent, network, height or validator set than the chain has."
    WRONG_TIME = 511, "The header's time is not the median of the extension times. Check the node's version."
    WRONG_PAYLOAD_ROOT = 512, "The header does not commit to the block's contents."
    WRONG_ROOTS = 513, "The execution of the block gave other roots than its header states. Compare the versions."
    BAD_LAST_COMMIT = 514, "The block's certificate does not make its parent final."
    BAD_EXTENDED_COMMIT = 515, "The block's extensions are unordered, wrongly signed or under two thirds."
    BAD_EVIDENCE = 516, "A block carries evidence that proves nothing."
    EVIDENCE_OUT_OF_TIME = (
        517,
        "The offence is too old or in the future: the validator set of its height is unknown here.",
    )
    EVIDENCE_REPEATED = 518, "Everything that this evidence proves is recorded already. A proposer must leave it out."
    DOUBLE_SIGN = 520, "The signer was asked for a second, different signature. Never run one key twice."
    WAL_CORRUPT = 521, "The log is damaged. Cut it with `crossclear wal repair`; never restore an old one."
    SIGN_STATE_CORRUPT = (
        522,
        "Both slots of the sign state are damaged, or another version wrote them. Never delete it for a key in use.",
    )
    STORE_INCOMPLETE = 523, "The block store lacks a block that the application has or needs. Restore or sync."
    BAD_CHUNK = 524, "A peer sent a chunk that does not belong to the snapshot it offered. The node asks another peer."
    SNAPSHOT_REFUSED = (
        525,
        "A fetched snapshot does not have the roots of its certified header, although more"
        " than a third of the power offers it. Stop, and compare the peers' versions.",
    )
    NO_ANCHOR = 526, "No peer has a header of the trusted height and hash. Check both, and the peers."
    BAD_BLOCK_RESPONSE = 530, "A peer answered a block request with blocks that don't follow or aren't final."
    BAD_SHARE = 531, "A vote's BLS share does not verify although its envelope does: its sender is at fault."
    TRUST_EXPIRED = (
        540,
        "The trusted header is older than the trusting period. Get a newer one from somebody you trust.",
    )
    NOT_LATER = 541, "A light client only goes forward: height and time must be above the trusted header's."
    FROM_THE_FUTURE = 542, "The header's time is ahead of this machine's clock. Check the clock, then the sender."
    NO_WITNESS = 543, "No witness confirmed the first server's header. Name other witnesses, or none."
    LIGHT_LACKING = (
        544,
        "The server has no light block of this height: it is not decided yet, or before the server's first.",
    )

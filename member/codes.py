"""`NodeCode`: what the services of a node and the tools around it refuse, and what to do about any code.

Rule: numbers 08xx, never changed, never used again; each has a remedy in `REMEDIES`. The refusals of other packages
are theirs to name. It stands here because client, verifier and node refuse by the same codes.
"""

import importlib

from clearing.base.errors import CodeBook


class NodeCode(CodeBook):
    """Refusals of the node's services."""

    STORE_GAP = 801
    STORE_CONFLICT = 802
    STORE_CORRUPT = 803
    STORE_OTHER_NETWORK = 804
    STORE_CLOSED = 805
    STORE_VERSION = 806
    BLOCK_LOG_CORRUPT = 807
    BLOCK_LOG_TORN = 808
    POOL_JOURNAL_CORRUPT = 809
    KEY_EXISTS = 810
    KEY_PERMISSIONS = 811
    KEY_PASSWORD = 812
    KEY_FORMAT = 813
    KEY_WEAK = 814
    KEY_MISSING = 815
    SIGN_STATE_MISSING = 816
    CONFIG_SYNTAX = 820
    CONFIG_UNKNOWN_KEY = 821
    CONFIG_VALUE = 822
    CONFIG_MISSING = 823
    MARKET_DATA_UNUSABLE = 825
    EXTRA_MISSING = 826
    POOL_FULL = 830
    POOL_ACCOUNT_LIMIT = 831
    PROVER_LOST = 833
    PROVER_LATE = 834
    BATCH_SHAPE = 836
    BATCH_SENDER = 837
    API_NOT_FOUND = 840
    API_METHOD = 841
    API_PARAMETER = 842
    API_BODY = 843
    API_BODY_TOO_LARGE = 844
    API_RATE = 845
    API_MEDIA_TYPE = 846
    API_UNAUTHENTICATED = 847
    API_FORBIDDEN = 848
    API_STALE_REQUEST = 849
    API_REPLAYED = 850
    API_NOT_READY = 851
    API_INTERNAL = 852
    API_IN_CLEAR = 853
    API_NO_SEEDS = 854
    OUTPUT_EXISTS = 855
    UNKNOWN_CODE = 856
    NODE_UNREACHABLE = 857
    NODE_ANSWER = 858
    LOG_UNUSABLE = 859
    CHANGE_FILE = 827
    NOT_IN_THE_SET = 828
    VOTE_KEY_NOT_LISTED = 829
    NOTHING_BELOW = 817
    SIGNER_SILENT = 818
    SIGNER_CHANNEL = 819
    LIGHT_STORE_UNUSABLE = 838
    LIGHT_ATTACK = 839
    LIGHT_NO_TRUST = 869
    CHAIN_NOT_WATCHED = 860
    SUBMISSIONS_FULL = 861


REMEDIES: dict[NodeCode, str] = {
    NodeCode.STORE_GAP: "Blocks are saved height by height. Replay or sync from the height that the store states.",
    NodeCode.STORE_CONFLICT: "Another value is stored under this key. Stop the node and compare with its peers.",
    NodeCode.STORE_CORRUPT: "A stored record does not match its digest: the disk is failing. Restore or sync again.",
    NodeCode.STORE_OTHER_NETWORK: "The store belongs to another network. Check `node.home` and the genesis file.",
    NodeCode.STORE_CLOSED: "The store is closed. The node is shutting down.",
    NodeCode.STORE_VERSION: "The store was written by another version of this program. Export with that version.",
    NodeCode.BLOCK_LOG_CORRUPT: "A record in the middle of the block log fails its checksum. Export the log again.",
    NodeCode.BLOCK_LOG_TORN: "The block log ends inside a record. Export it again, or read it with the tail cut.",
    NodeCode.POOL_JOURNAL_CORRUPT: (
        "pool.journal is damaged before its tail: the disk is failing. Move the file away, and send its undecided "
        "requests again."
    ),
    NodeCode.KEY_EXISTS: "A key or password file of this name exists and is never overwritten. Choose another name.",
    NodeCode.KEY_PERMISSIONS: (
        "A secret file must be mode 0600 and its folder 0700. Run chmod, then check who may have read it."
    ),
    NodeCode.KEY_PASSWORD: "The password does not open this keystore. Check the password file.",
    NodeCode.KEY_FORMAT: "The file is not a version 4 keystore (EIP-2335), or its parameters are out of bounds.",
    NodeCode.KEY_WEAK: "The keystore has weak scrypt or pbkdf2 parameters, which only a devnet accepts. Make it again.",
    NodeCode.KEY_MISSING: "The home folder lacks this key. Run `crossclear keys list`, then `crossclear keys new`.",
    NodeCode.SIGN_STATE_MISSING: (
        "This node has decided blocks and lost its sign state: it could sign twice. Restore the sign state, or "
        "join with new keys."
    ),
    NodeCode.CONFIG_SYNTAX: "node.toml is not TOML at the stated line.",
    NodeCode.CONFIG_UNKNOWN_KEY: "No such setting. See configs/node.toml for all of them.",
    NodeCode.CONFIG_VALUE: "The setting has the wrong type or is out of bounds. See configs/node.toml.",
    NodeCode.CONFIG_MISSING: "The setting has no default and must be given.",
    NodeCode.MARKET_DATA_UNUSABLE: "The market data file is not usable at the stated line. Rows are unix time, then"
    " open, high, low and close of each series; nothing is repaired.",
    NodeCode.EXTRA_MISSING: "This needs an optional part of the package: install `crossclear[<extra>]`.",
    NodeCode.POOL_FULL: "The mempool is full. Send again after the next blocks.",
    NodeCode.POOL_ACCOUNT_LIMIT: "The account has too many requests waiting. Send again when some are in a block.",
    NodeCode.BATCH_SHAPE: "A batch of trades is empty or has too many transactions.",
    NodeCode.BATCH_SENDER: "Only a validator's batch of trades is accepted. Submit requests to a validator.",
    NodeCode.API_NOT_FOUND: "There is nothing under this path. See /openapi.json.",
    NodeCode.API_METHOD: "The path does not take this method. See /openapi.json.",
    NodeCode.API_PARAMETER: "A parameter is missing, unknown or out of bounds. See /openapi.json.",
    NodeCode.API_BODY: "The request body does not have the stated shape. See /openapi.json.",
    NodeCode.API_BODY_TOO_LARGE: "The request body is longer than the limit. Send fewer transactions at a time.",
    NodeCode.API_RATE: "Too many requests. Wait for the seconds in Retry-After.",
    NodeCode.API_MEDIA_TYPE: "Send application/json or application/msgpack.",
    NodeCode.API_UNAUTHENTICATED: "Sign the request with the member's trade key (docs/reference/api.md, Signing).",
    NodeCode.API_FORBIDDEN: "The key that signed the request does not own this account.",
    NodeCode.API_STALE_REQUEST: "The request's time differs too much from the node's clock. Set the clock, sign again.",
    NodeCode.API_REPLAYED: "The request's nonce was used already. Sign again with a new nonce.",
    NodeCode.API_NOT_READY: "The node has no state to show yet. /readyz says what it waits for.",
    NodeCode.API_INTERNAL: "The node failed on this request. Its log says why.",
    NodeCode.API_IN_CLEAR: (
        "The answer contains secrets and would travel unencrypted. Ask over https, or on the node's own machine. "
        "An operator whose proxy ends TLS before the API sets `api.behind_tls`."
    ),
    NodeCode.CHAIN_NOT_WATCHED: "The network lists the chain, and this node does not watch it yet. Configure the chain "
    "and restart the node, or ask another node.",
    NodeCode.SUBMISSIONS_FULL: "Too many submitted events wait to be proven. Submit it again later; the node's own "
    "watcher finds it too.",
    NodeCode.API_NO_SEEDS: "This node keeps no commitment seeds or no holdings of epochs. Ask a validator's node.",
    NodeCode.OUTPUT_EXISTS: "The output exists and is never overwritten. Choose another folder or file.",
    NodeCode.UNKNOWN_CODE: "No package has a code of this number or name. `crossclear explain --all` lists them.",
    NodeCode.NODE_UNREACHABLE: "No node answers at this address. Check that it is running and that its API is enabled.",
    NodeCode.NODE_ANSWER: (
        "The server at this address does not speak this API, or answers with too much. Check the URL."
    ),
    NodeCode.LOG_UNUSABLE: "The log file cannot be opened. Check `logging.file` and its folder.",
    NodeCode.PROVER_LOST: (
        "Worker processes keep dying on one job, usually because memory is too small. Give them more and restart."
    ),
    NodeCode.PROVER_LATE: (
        "An epoch's commitments take too long for the blocks that need them. Free a core and restart."
    ),
    NodeCode.CHANGE_FILE: "The file describes no change of validators that this network can make. See the values.",
    NodeCode.NOT_IN_THE_SET: "This envelope key is not in the validator set that the change starts from.",
    NodeCode.VOTE_KEY_NOT_LISTED: (
        "The validator set lists another BLS key for this node than it has, so the node does not vote. Install "
        "the listed key, or have the set changed to this one."
    ),
    NodeCode.NOTHING_BELOW: "Rollback takes one height at a time, down to the lowest that a saved state can lead to.",
    NodeCode.SIGNER_SILENT: (
        "The remote signer did not answer in time. Nothing is signed until it does. Check whether it is running."
    ),
    NodeCode.SIGNER_CHANNEL: (
        "The other end of the signer's channel is not the one that the settings name, or speaks another protocol. "
        "Compare `signer.key` with the signer's link key, and its `allow` with this node's."
    ),
    NodeCode.LIGHT_STORE_UNUSABLE: (
        "The light store is damaged, or from another network. Move it away and start from a trusted header again."
    ),
    NodeCode.LIGHT_ATTACK: (
        "Validators certified two headers of one height. Believe neither and keep the evidence file."
    ),
    NodeCode.LIGHT_NO_TRUST: "Nothing is trusted yet: pass --trust HEIGHT:HASH, or --genesis, or a vault's checkpoint.",
}


def remedy_of(code: CodeBook) -> str:
    """What the one who meets this code can do."""
    module = importlib.import_module(type(code).__module__)
    remedies: dict[CodeBook, str] = module.REMEDIES
    return remedies[code]

"""`NodeCode`: what the services of a node and the tools around it refuse, and what to do about it.

Rule: numbers 08xx, never changed, never used again. The refusals of other packages are theirs to name. It stands here
because client, verifier and node refuse by the same codes.
"""

from clearing.base.errors import CodeBook


class NodeCode(CodeBook):
    """Refusals of the node's services."""

    STORE_GAP = 801, "Blocks are saved height by height. Replay or sync from the height that the store states."
    STORE_CONFLICT = 802, "Another value is stored under this key. Stop the node and compare with its peers."
    STORE_CORRUPT = 803, "A stored record does not match its digest: the disk is failing. Restore or sync again."
    STORE_OTHER_NETWORK = 804, "The store belongs to another network. Check `node.home` and the genesis file."
    STORE_CLOSED = 805, "The store is closed. The node is shutting down."
    STORE_VERSION = 806, "The store was written by another version of this program. Export with that version."
    BLOCK_LOG_CORRUPT = 807, "A record in the middle of the block log fails its checksum. Export the log again."
    BLOCK_LOG_TORN = 808, "The block log ends inside a record. Export it again, or read it with the tail cut."
    POOL_JOURNAL_CORRUPT = (
        809,
        "pool.journal is damaged before its tail: the disk is failing. Move the file away, and send its undecided "
        "requests again.",
    )
    KEY_EXISTS = 810, "A key or password file of this name exists and is never overwritten. Choose another name."
    KEY_PERMISSIONS = (
        811,
        "A secret file must be mode 0600 and its folder 0700. Run chmod, then check who may have read it.",
    )
    KEY_PASSWORD = 812, "The password does not open this keystore. Check the password file."
    KEY_FORMAT = 813, "The file is not a version 4 keystore (EIP-2335), or its parameters are out of bounds."
    KEY_WEAK = 814, "The keystore has weak scrypt or pbkdf2 parameters, which only a devnet accepts. Make it again."
    KEY_MISSING = 815, "The home folder lacks this key. Run `crossclear keys list`, then `crossclear keys new`."
    SIGN_STATE_MISSING = (
        816,
        "The key may have signed what this home does not know: it could sign twice. Remove the home's blocks and start "
        "with `state_sync.enabled`, which keeps it silent as long as it must, or join with new keys.",
    )
    CONFIG_SYNTAX = 820, "node.toml is not TOML at the stated line."
    CONFIG_UNKNOWN_KEY = 821, "No such setting. See configs/node.toml for all of them."
    CONFIG_VALUE = 822, "The setting has the wrong type or is out of bounds. See configs/node.toml."
    CONFIG_MISSING = 823, "The setting has no default and must be given."
    MARKET_DATA_UNUSABLE = (
        825,
        "The market data file is not usable at the stated line. Rows are unix time, then"
        " open, high, low and close of each series; nothing is repaired.",
    )
    EXTRA_MISSING = 826, "This needs an optional part of the package: install `crossclear[<extra>]`."
    POOL_FULL = 830, "The mempool is full. Send again after the next blocks."
    POOL_ACCOUNT_LIMIT = 831, "The account has too many requests waiting. Send again when some are in a block."
    POOL_BUSY = (
        832,
        "More is offered than the network decides. Send again after `wait_ms`; what was accepted is not affected.",
    )
    PROVER_LOST = (
        833,
        "Worker processes keep dying on one job, usually because memory is too small. Give them more and restart.",
    )
    PROVER_LATE = 834, "An epoch's commitments take too long for the blocks that need them. Free a core and restart."
    BATCH_SHAPE = 836, "A batch of trades is empty or has too many transactions."
    BATCH_SENDER = 837, "Only a validator's batch of trades is accepted. Submit requests to a validator."
    API_NOT_FOUND = 840, "There is nothing under this path. See /openapi.json."
    API_METHOD = 841, "The path does not take this method. See /openapi.json."
    API_PARAMETER = 842, "A parameter is missing, unknown or out of bounds. See /openapi.json."
    API_BODY = 843, "The request body does not have the stated shape. See /openapi.json."
    API_BODY_TOO_LARGE = 844, "The request body is longer than the limit. Send fewer transactions at a time."
    API_RATE = 845, "Too many requests. Wait for the seconds in Retry-After."
    API_MEDIA_TYPE = 846, "Send application/json or application/msgpack."
    API_UNAUTHENTICATED = (
        847,
        "Sign the request with the member's trade key, or send a token that the operator listed where the route takes "
        "tokens (docs/reference/api.md, Signing).",
    )
    API_FORBIDDEN = 848, "The key that signed the request does not own this account."
    API_STALE_REQUEST = 849, "The request's time differs too much from the node's clock. Set the clock, sign again."
    API_REPLAYED = 850, "The request's nonce was used already. Sign again with a new nonce."
    API_NOT_READY = 851, "The node has no state to show yet. /readyz says what it waits for."
    API_INTERNAL = 852, "The node failed on this request. Its log says why."
    API_IN_CLEAR = (
        853,
        "The request or its answer contains secrets and would travel unencrypted. Ask over https, or on the node's own "
        "machine. An operator whose proxy ends TLS before the API sets `api.behind_tls`.",
    )
    API_NO_SEEDS = 854, "This node keeps no commitment seeds or no holdings of epochs. Ask a validator's node."
    OUTPUT_EXISTS = 855, "The output exists and is never overwritten. Choose another folder or file."
    UNKNOWN_CODE = 856, "No package has a code of this number or name. `crossclear explain --all` lists them."
    NODE_UNREACHABLE = 857, "No node answers at this address. Check that it is running and that its API is enabled."
    DECLARATION_FILE = (
        871,
        "The file has no declaration that this key can sign for this network now. Compare what the values say, or ask "
        "for a new file.",
    )
    API_REFUSED = (
        874,
        "The node refused the request by a code that this release does not know. Its own words are beside it.",
    )
    NODE_ANSWER = 858, "The server at this address does not speak this API, or answers with too much. Check the URL."
    LOG_UNUSABLE = 859, "The log file cannot be opened. Check `logging.file` and its folder."
    CHANGE_FILE = 827, "The file describes no change of validators that this network can make. See the values."
    NOT_IN_THE_SET = 828, "This envelope key is not in the validator set that the change starts from."
    VOTE_KEY_NOT_LISTED = (
        829,
        "The validator set lists another BLS key for this node than it has, so the node does not vote. Install "
        "the listed key, or have the set changed to this one.",
    )
    NOTHING_BELOW = 817, "Rollback takes one height at a time, down to the lowest that a saved state can lead to."
    SIGNER_SILENT = (
        818,
        "The remote signer did not answer in time. Nothing is signed until it does. Check whether it is running.",
    )
    SIGNER_CHANNEL = (
        819,
        "The other end of the signer's channel is not the one that the settings name, or speaks another protocol. "
        "Compare `signer.key` with the signer's link key, and its `allow` with this node's.",
    )
    LIGHT_STORE_UNUSABLE = (
        838,
        "The light store is damaged, or from another network. Move it away and start from a trusted header again.",
    )
    LIGHT_ATTACK = 839, "Validators certified two headers of one height. Believe neither and keep the evidence file."
    LIGHT_NO_TRUST = 869, "Nothing is trusted yet: pass --trust HEIGHT:HASH, or --genesis, or a vault's checkpoint."
    EXIT_OF_ANOTHER_CHAIN = (
        876,
        "The exit file has no payment on this endpoint's chain. Use one of the named chains.",
    )
    CHAIN_NOT_WATCHED = (
        872,
        "The network lists the chain, and this node does not watch it yet. Configure the chain "
        "and restart the node, or ask another node.",
    )
    HISTORY_URL = (
        900,
        "The database of a history is postgresql://USER@HOST/NAME or sqlite:///FILE.",
    )
    HISTORY_DATABASE = (
        901,
        "The database refused a statement or cannot be reached. Correct what it says; the history goes on from its "
        "last height.",
    )
    HISTORY_OTHER = (
        902,
        "The database has the history of another network, of other blocks, or of another version. Name an empty one: "
        "a history can be made anew.",
    )
    HISTORY_TAKEN = (
        903,
        "The height is in the history already: another process writes to it. End one of the two.",
    )
    BAD_BACKUP = (
        904,
        "The backup is damaged, incomplete or of another network. Take another one: nothing was restored.",
    )
    TLS_UNUSABLE = (
        906,
        "The API cannot speak TLS with `api.tls_certificate` and `api.tls_key`: give both, in PEM, and the key of this "
        "certificate, unencrypted.",
    )
    DISK_UNUSABLE = (
        907,
        "The disk of the home is full, read-only or failing, so the node ended; what it had decided is kept. Free "
        "room, or mount it writable, look for faults of the disk in the kernel's log, and start the node again.",
    )
    DRILL_SCENARIO = (
        908,
        "The drill names a member, a feed or a move that this network does not have, or a default that cannot happen. "
        "Correct what the values say.",
    )
    TRANSACTION_UNKNOWN = (
        877,
        "This node did not accept the transaction and saw it in no block, or has forgotten it (`mempool.fates_days`, "
        "`mempool.fates_max`). Compare the hash, and ask the node that accepted it. Sending it again is harmless.",
    )
    TRANSACTIONS_UNREAD = (
        878,
        "The node still reads its stored blocks for transactions and does not know this one yet. Ask again later.",
    )
    SUBMISSIONS_FULL = (
        873,
        "Too many submitted events wait to be proven. Submit it again later; the node's own watcher finds it too.",
    )
    CLIENT_FIELD = (
        940,
        "A field of the request is missing or out of bounds. Correct it; docs/specification/signing.md has the limits.",
    )
    CLIENT_NO_FATE = (
        941,
        "The fate of the request was not known in time; it may still be applied. Wait on, or send the same bytes "
        "again. Do not sign it again.",
    )
    CLIENT_STREAM_LOST = (
        942,
        "The stream broke off and could not be taken up again. Read the present state, then follow from there.",
    )
    CLIENT_NO_KEY = 943, "This needs a signature, and the client was given no signer."
    API_HOST = (
        950,
        "The node listens on its own machine alone and answers to `localhost` and addresses of loopback, not to this "
        "name. An operator whose proxy passes other names on sets `api.proxies` or `api.behind_tls`.",
    )
    FIX_NOT_AMENDED = (
        944,
        "The FIX gateway neither cancels nor replaces a report: what it acknowledged is signed, and a block may have "
        "it already. Wait for its fate. A novated trade is undone by one the other way round, under a new "
        "TradeReportID.",
    )
    LATER_HEADER = (
        952,
        "The package's header is not the first that carries its commitments: the epoch would look younger than it is. "
        "Use the package that a prover wrote.",
    )
    API_FRAMING = 951, "The request states the length of its body in two ways. Send Content-Length or chunks, not both."
    STREAM_CURSOR_OLD = (
        960,
        "The node no longer keeps what followed this cursor; `oldest` is the oldest that it takes. Begin without a "
        "cursor, from snapshots, and read the receipts in between from /v1/receipts.",
    )
    STREAM_CURSOR_AHEAD = (
        961,
        "This node has not decided the height of the cursor yet. Ask again in a moment, or another node.",
    )
    STREAM_FULL = (
        962,
        "As many streams are open as the node, or one address or member of it, may have. Close some, put more topics "
        "into one stream, or ask another node. An operator sets `api.streams_max` and `api.streams_per_client_max`.",
    )
    STREAM_SLOW = (
        963,
        "The reader was so slow that the node has forgotten what came next. Read faster, with fewer topics, and begin "
        "without a cursor.",
    )
    STREAM_READ_ONLY = (
        964,
        "A stream takes no messages. Name topics and cursor in the address; submit requests to /v1/submit.",
    )
    STREAM_ENDING = 965, "The node ends. Go on from the cursor at another node, or here when it is back."
    STREAM_ORIGIN = (
        966,
        "Web pages of this origin may not read streams. The node's operator lists origins in `api.origins`.",
    )
    TRADE_PROPOSAL = (
        967,
        "The file has no trade between two members that can be signed for this network now. Compare what the values "
        "say, or ask for a new proposal.",
    )
    VAULT_NOT_TRUSTED = (
        968,
        "The node names another vault or token than your genesis file. Pay nothing in before you know why: a vote may "
        "have listed it (`crossclear governance amendments`), or the node lies.",
    )
    FIX_SETTINGS = (
        970,
        "A setting of the FIX gateway is wrong at the stated key, or a file that it names. See `configs/fix`.",
    )
    FIX_FIELD = 971, "A field of the trade capture report is out of bounds. Correct it; docs/how-to/fix.md has them."
    FIX_REPORT_KIND = (
        972,
        "The FIX gateway takes new trades only: TradeReportTransType 0, TradeReportType 0, PreviouslyReported N.",
    )
    FIX_OTHER_TERMS = (
        973,
        "This TradeReportID was used for a trade of other terms. Report a new trade under a new TradeReportID.",
    )
    FIX_INSTRUMENT = (
        974,
        "The FIX gateway knows no instrument of this name. List it under `[[instruments]]` of its settings.",
    )
    FIX_PARTY = (
        975,
        "A side names no account that this FIX session may report. List it under `[[accounts]]` and in the session.",
    )
    FIX_FULL = 976, "Too many reports of the FIX gateway are open. Send the report again later, with PossResend."
    FIX_STORE = (
        977,
        "The FIX gateway's store cannot be used: another process has it, it is damaged, or it is of another venue or "
        "network. Never begin with an empty one while reports are open.",
    )
    FIX_NOT_WHOLE = (
        978,
        "Quantity or price is no whole number of lots or ticks. Report it in the instrument's units: none is rounded.",
    )
    FIX_FATE_CHANGED = (
        979,
        "A trade that a block refused was applied by a later one within its time, and is novated. Book it as cleared, "
        "and tell the operator of the node.",
    )

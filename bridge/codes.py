"""Codes 06xx: what the bridge refuses, and what to do about each.

Rule: a number never changes its meaning and is never used again.
"""

from clearing.base.errors import CodeBook


class BridgeCode(CodeBook):
    """Refusals of the bridge."""

    MALFORMED_ANSWER = 601, "An endpoint's answer does not have the expected shape. Check its software, or replace it."
    ANSWER_OVERSIZE = 602, "An endpoint's answer is too long. The scanner asks for smaller ranges by itself."
    ENDPOINT_UNREACHABLE = 603, "An endpoint did not answer in time. It is asked again after a growing pause."
    ENDPOINT_REFUSED = 604, "An endpoint answered with an error. Its code and message are in the values."
    WRONG_CHAIN = 605, "An endpoint or a submission belongs to another chain id than the one configured."
    ENDPOINT_QUORUM_LOST = (
        606,
        "Fewer endpoints answer than the quorum. Nothing is credited until they return; "
        "the quorum never shrinks by itself.",
    )
    ENDPOINTS_DISAGREE = 607, "No value is reported by a quorum of endpoints. Find the one that lies or is forked."
    BAD_QUORUM = 608, "The quorum must be more than half of the endpoints and at most all of them."
    HEADER_HASH_MISMATCH = (
        610,
        "A header's fields don't hash to its stated hash: the endpoint lies, or the chain "
        "has a fork that this version does not know.",
    )
    BROKEN_PARENT_LINK = 611, "Headers don't form a chain. The endpoint lies or answered amid a reorg."
    RECEIPTS_ROOT_MISMATCH = 612, "Receipts don't rebuild the root in the agreed header: they were altered."
    BAD_TRIE_PROOF = 613, "A receipt proof does not lead from the header's receipts root to the receipt."
    MALFORMED_RECEIPT = 614, "A proven receipt does not have the form of the execution specification."
    MALFORMED_EVENT = (
        615,
        "The vault's address emitted an event of a wrong shape: it is not the expected vault contract.",
    )
    NOT_A_VAULT_EVENT = 616, "The named log is not a deposit or withdrawal of the configured vault."
    UNTRUSTED_BLOCK = 617, "The block is not final here yet. Wait until the chain has finalised it."
    LOGS_UNAVAILABLE = 618, "Too few endpoints returned the logs of a block that they have. Use archive endpoints."
    NONCE_GAP = 620, "Deposits are missing between two that were seen, even after a scan from the deployment on."
    NONCE_REPLAYED = 621, "The vault used a deposit nonce again. The chain is halted until `crossclear chains release`."
    FINALITY_VIOLATION = 622, "A final block was replaced. The chain is halted until `crossclear chains release`."
    VAULT_INSOLVENT = (
        623,
        "The vault has less of the token than it accounts for. The ledger halts the asset, and a vote releases it.",
    )
    CHAIN_HALTED = (
        624,
        "The chain was halted and stays halted. The values say why; `crossclear chains release` releases it.",
    )
    BAD_CURSOR = 625, "The saved cursor belongs to another chain or vault, or cannot be read."
    DEPOSITS_HASH_MISMATCH = (
        626,
        "A deposit does not continue the vault's rolling hash. The chain is halted until `crossclear chains release`.",
    )
    TRANSACTION_REFUSED = 630, "An endpoint refused a transaction. Its message is in the values."
    TRANSACTION_REVERTED = 631, "The vault refused the call. The revert data names its error."
    TRANSACTION_NOT_MINED = 632, "The transaction was not mined in time, at any of the fees tried."
    SUBMISSION_NOT_FOUND = (
        640,
        "No quorum of the chain's endpoints has the submitted transaction or block. Check its hash and its chain, and "
        "submit it again once it is mined.",
    )
    VAULT_DETACHED = (
        641,
        "The network detached this vault: nothing that happens there is credited any more. Its money leaves by the "
        "vault's exit.",
    )
    FINAL_BLOCK_DISPUTED = (
        644,
        "An endpoint contradicts the quorum about a final block. Nothing of the chain is attested until it agrees, or "
        "its time is over and the chain is halted. Find out from a source of your own which of them is right.",
    )
    DISPUTE_UNDECIDED = (
        645,
        "An endpoint contradicted the quorum about a final block for too long. The chain is halted. Find out which of "
        "them is right, take the others out of the configuration, then release the chain.",
    )
    FINAL_BLOCK_LACKING = (
        646,
        "An endpoint answers and lacks a block that the quorum calls final: it is behind, or the quorum forges. "
        "Nothing of the chain is attested until it has the block, or its time is over.",
    )
    FINAL_HEIGHT_FELL = (
        647,
        "A quorum of endpoints calls a lower block final than one that it called final before. Nothing new of it is "
        "attested meanwhile. Check the endpoints: they were reset, or lost their view of finality.",
    )
    NOT_HALTED = 648, "The chain is not halted with this code. `crossclear chains halts` shows the halts."
    BAD_RELEASE_REASON = 649, "A release needs a reason of printable characters, within the limit."
    BAD_RELEASES = 650, "The record of a chain's releases cannot be read. Keep the file, and find out who changed it."
    WRONG_EXIT_ROOT = (
        655,
        "The vault's newest exit root is that of another epoch. Use that epoch's exit file.",
    )
    VAULT_ASTRAY = (
        660,
        "The vault follows a validator set that this node does not know as the last or the next. Check whether "
        "the node is behind. If it is not, somebody else rotated the vault: governance has to decide.",
    )
    KEYS_ASTRAY = (
        661,
        "The solvency verifier has other keys of this epoch: a quorum signed two. Compare both with `crossclear "
        "onchain check`; the false ones are evidence.",
    )
    VAULT_ON_OTHER_BRANCH = (
        662,
        "The vault accepted a certified header that is not this network's of that height: a quorum signed two, or its "
        "keys were stolen. The chain is halted, and this node shows the vaults the evidence. Release the chain once "
        "the cold quorum has chosen.",
    )
    VAULT_AHEAD = (
        663,
        "The vault accepted many headers above this node's height. Nothing more of the chain is read until this node "
        "has them. If it is not behind, somebody else certifies headers for the vault.",
    )
    HEADER_NOT_FOUND = (
        664,
        "The header that a vault accepted does not stand in the transaction by which it did: a contract made it up "
        "there. Trace the transaction, and show the vault the header by hand.",
    )
    STORAGE_PROOF_DIFFERS = (
        670,
        "A block's state proves other counters than a quorum of endpoints reported. Check the endpoints, and the "
        "storage place that genesis names for the token's balances.",
    )
    SHORTAGE_UNPROVEN = (
        671,
        "A quorum of endpoints reports that the vault has less than it accounts for, and the block's state does not "
        "prove it. The token's counters are left out meanwhile. Check the endpoints, and that they keep recent states.",
    )
    BAD_PROFILE = 680, "A file in configs/chains is not a profile. The values say why; restore the file."
    WRONG_PROFILE = (
        681,
        "The profile does not serve the chain id, or nobody states what the chain is. Name one of the profiles in "
        "docs/reference/chains.md; `evm` is for a chain with Ethereum's layouts and no profile of its own.",
    )
    UNKNOWN_RECEIPT_TYPE = (
        682,
        "A block has a receipt of a type that the chain's layout does not have. Nothing of the chain is credited from "
        "there on. Check that the profile is the chain's, and upgrade to a version that knows the type.",
    )
    BAD_LIGHT_UPDATE = (
        683,
        "A beacon endpoint's object is not proven: the values say which check failed. Check the endpoint, its network, "
        "and whether this version knows Ethereum's newest fork.",
    )
    STALE_LIGHT_UPDATE = 684, "A beacon endpoint serves nothing newer than the light client has. Check its sync."
    LIGHT_CLIENT_CONFLICT = (
        685,
        "Two thirds of a sync committee signed two final branches. The light client stopped, and its chain is halted. "
        "Find out which branch Ethereum has, configure a checkpoint on it, then release the chain.",
    )
    CHECKPOINT_TOO_OLD = (
        686,
        "The light client's newest final header is older than is safe to go on from. Configure the root of a newer "
        "finalized block that you have from a source that you trust.",
    )
    BAD_LIGHT_FILE = (
        687,
        "The light client's file cannot be read. Find out who changed it; without it, it begins at the checkpoint.",
    )
    LIGHT_CLIENT_BEHIND = (
        688,
        "The light client is required and has proven no block yet that endpoints call final. Nothing of the chain is "
        "credited meanwhile. Check its beacon endpoints and its checkpoint.",
    )
    NO_BEACON_CHAIN = (
        689,
        "There is no light client for this chain: it has no beacon chain, or one that this version does not read. Set "
        "`light_client` to `off`. The values name the chain ids that are served.",
    )
    NO_CREATE2_FACTORY = (
        690,
        "The chain does not have the contract that creates others at addresses known before (CREATE2). Deploy it there "
        "first: its transaction is signed once for all chains; the values name its address.",
    )
    NO_EIP2537 = (
        691,
        "The chain does not have the precompiles of EIP-2537, although its profile says so. Take another endpoint, or "
        "name the profile of a chain without them.",
    )
    TOKEN_WITHOUT_CODE = 692, "There is no contract at a token's address on this chain. Check address and endpoint."
    VAULT_EXISTS = (
        693,
        "A vault with just these terms is deployed already. Check it with `crossclear vault verify`, or state another "
        "--salt.",
    )
    TERMS_REFUSED = 694, "The vault's constructor refuses these terms. The values name its error; nothing was sent."
    WRONG_CODE = 695, "What is at the address is not the committed contract. Do not use it."
    BAD_DEPOSIT = (
        698,
        "The vault does not take this amount, or the wallet does not have it. Give base units of the token: a multiple "
        "of `unit`, at least `minimum`, at most `balance`. A unit of 0 says that the vault does not list the token.",
    )
    BAD_VAULT_RECEIPT = 696, "The file is not a receipt of `crossclear vault deploy`. The values say why."
    NOT_PAUSED = (
        697,
        "The guardian's pause is over or did not begin, so there is nothing to end. A freeze by conflicting headers is "
        "ended by the cold quorum's choice between them.",
    )

"""Codes 06xx: what the bridge refuses, and what to do about each.

Rule: a number never changes its meaning and is never used again.
"""

from clearing.base.errors import CodeBook


class BridgeCode(CodeBook):
    """Refusals of the bridge."""

    MALFORMED_ANSWER = 601
    ANSWER_OVERSIZE = 602
    ENDPOINT_UNREACHABLE = 603
    ENDPOINT_REFUSED = 604
    WRONG_CHAIN = 605
    ENDPOINT_QUORUM_LOST = 606
    ENDPOINTS_DISAGREE = 607
    BAD_QUORUM = 608
    HEADER_HASH_MISMATCH = 610
    BROKEN_PARENT_LINK = 611
    RECEIPTS_ROOT_MISMATCH = 612
    BAD_TRIE_PROOF = 613
    MALFORMED_RECEIPT = 614
    MALFORMED_EVENT = 615
    NOT_A_VAULT_EVENT = 616
    UNTRUSTED_BLOCK = 617
    LOGS_UNAVAILABLE = 618
    NONCE_GAP = 620
    NONCE_REPLAYED = 621
    FINALITY_VIOLATION = 622
    VAULT_INSOLVENT = 623
    CHAIN_HALTED = 624
    BAD_CURSOR = 625
    DEPOSITS_HASH_MISMATCH = 626
    TRANSACTION_REFUSED = 630
    TRANSACTION_REVERTED = 631
    TRANSACTION_NOT_MINED = 632
    VAULT_ASTRAY = 660
    KEYS_ASTRAY = 661
    STORAGE_PROOF_DIFFERS = 670
    SHORTAGE_UNPROVEN = 671


REMEDIES: dict[BridgeCode, str] = {
    BridgeCode.MALFORMED_ANSWER: (
        "An endpoint's answer does not have the expected shape. Check its software, or replace it."
    ),
    BridgeCode.ANSWER_OVERSIZE: "An endpoint's answer is too long. The scanner asks for smaller ranges by itself.",
    BridgeCode.ENDPOINT_UNREACHABLE: "An endpoint did not answer in time. It is asked again after a growing pause.",
    BridgeCode.ENDPOINT_REFUSED: "An endpoint answered with an error. Its code and message are in the values.",
    BridgeCode.WRONG_CHAIN: "An endpoint or a submission belongs to another chain id than the one configured.",
    BridgeCode.ENDPOINT_QUORUM_LOST: "Fewer endpoints answer than the quorum. Nothing is credited until they return; "
    "the quorum never shrinks by itself.",
    BridgeCode.ENDPOINTS_DISAGREE: (
        "No value is reported by a quorum of endpoints. Find the one that lies or is forked."
    ),
    BridgeCode.BAD_QUORUM: "The quorum must be more than half of the endpoints and at most all of them.",
    BridgeCode.HEADER_HASH_MISMATCH: "A header's fields don't hash to its stated hash: the endpoint lies, or the chain "
    "has a fork that this version does not know.",
    BridgeCode.BROKEN_PARENT_LINK: "Headers don't form a chain. The endpoint lies or answered amid a reorg.",
    BridgeCode.RECEIPTS_ROOT_MISMATCH: "Receipts don't rebuild the root in the agreed header: they were altered.",
    BridgeCode.BAD_TRIE_PROOF: "A receipt proof does not lead from the header's receipts root to the receipt.",
    BridgeCode.MALFORMED_RECEIPT: "A proven receipt does not have the form of the execution specification.",
    BridgeCode.MALFORMED_EVENT: (
        "The vault's address emitted an event of a wrong shape: it is not the expected vault contract."
    ),
    BridgeCode.NOT_A_VAULT_EVENT: "The named log is not a deposit or withdrawal of the configured vault.",
    BridgeCode.UNTRUSTED_BLOCK: "The block is not final here yet. Wait until the chain has finalised it.",
    BridgeCode.LOGS_UNAVAILABLE: (
        "Too few endpoints returned the logs of a block that they have. Use archive endpoints."
    ),
    BridgeCode.NONCE_GAP: "Deposits are missing between two that were seen, even after a scan from the deployment on.",
    BridgeCode.NONCE_REPLAYED: "The vault used a deposit nonce again. The chain is halted: governance has to decide.",
    BridgeCode.FINALITY_VIOLATION: "A final block was replaced. The chain is halted: governance has to decide.",
    BridgeCode.VAULT_INSOLVENT: (
        "The vault has less than it accounts for. The chain is halted: governance has to decide."
    ),
    BridgeCode.CHAIN_HALTED: "The chain was halted and stays halted. The values say why; governance may release it.",
    BridgeCode.BAD_CURSOR: "The saved cursor belongs to another chain or vault, or cannot be read.",
    BridgeCode.DEPOSITS_HASH_MISMATCH: "A deposit does not continue the vault's rolling hash. The chain is halted.",
    BridgeCode.TRANSACTION_REFUSED: "An endpoint refused a transaction. Its message is in the values.",
    BridgeCode.TRANSACTION_REVERTED: "The vault refused the call. The revert data names its error.",
    BridgeCode.TRANSACTION_NOT_MINED: "The transaction was not mined in time, at any of the fees tried.",
    BridgeCode.VAULT_ASTRAY: (
        "The vault follows a validator set that this node does not know as the last or the next. Check whether "
        "the node is behind. If it is not, somebody else rotated the vault: governance has to decide."
    ),
    BridgeCode.KEYS_ASTRAY: (
        "The solvency verifier has other keys of this epoch: a quorum signed two. Compare both with `crossclear "
        "onchain check`; the false ones are evidence."
    ),
    BridgeCode.SHORTAGE_UNPROVEN: (
        "A quorum of endpoints reports that the vault has less than it accounts for, and the block's state does not "
        "prove it. Nothing of the chain is credited meanwhile. Check the endpoints, and that they keep recent states."
    ),
    BridgeCode.STORAGE_PROOF_DIFFERS: (
        "A block's state proves other counters than a quorum of endpoints reported. Check the endpoints, and the "
        "storage place that genesis names for the token's balances."
    ),
}

"""`DevnetCode`: what a devnet refuses or fails at. Numbers 086x."""

from clearing.base.errors import CodeBook


class DevnetCode(CodeBook):
    """Refusals of the devnet."""

    TOOLCHAIN_MISSING = 860
    CHAIN_START_FAILED = 861
    OPTION_OUT_OF_RANGE = 862
    NODE_DIED = 863
    NODE_NOT_READY = 864
    CHAIN_TRANSACTION_FAILED = 865
    SUBMISSION_REFUSED = 866
    STORY_STUCK = 867
    MARKET_FILE_INVALID = 868


REMEDIES: dict[DevnetCode, str] = {
    DevnetCode.TOOLCHAIN_MISSING: "anvil, solc or Node is not installed. Run `make setup`.",
    DevnetCode.CHAIN_START_FAILED: "anvil did not start or answer. Look at its log in the output folder.",
    DevnetCode.OPTION_OUT_OF_RANGE: "Choose a value within the bounds that the message states.",
    DevnetCode.NODE_DIED: "A validator process ended by itself. Its log in the output folder has the reason.",
    DevnetCode.NODE_NOT_READY: "A validator did not become ready in time. Look at its log and at the machine's load.",
    DevnetCode.CHAIN_TRANSACTION_FAILED: "A transaction of the devnet reverted on its chain. The values name the call.",
    DevnetCode.SUBMISSION_REFUSED: "A node refused what a devnet member submitted. The values have the node's answer.",
    DevnetCode.STORY_STUCK: "The demonstration waits for an event that did not happen. The values name it.",
    DevnetCode.MARKET_FILE_INVALID: "The devnet's market file has a wrong or unknown key; the values name it.",
}

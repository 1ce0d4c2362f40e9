"""`DevnetCode`: what a devnet refuses or fails at. Numbers 086x, 0824 and 0905."""

from clearing.base.errors import CodeBook


class DevnetCode(CodeBook):
    """Refusals of the devnet."""

    TOOLCHAIN_MISSING = 860, "anvil, solc or Node is not installed. Run `make setup`."
    CHAIN_START_FAILED = 861, "anvil did not start or answer. Look at its log in the output folder."
    OPTION_OUT_OF_RANGE = 862, "Choose a value within the bounds that the message states."
    NODE_DIED = 863, "A validator process ended by itself. Its log in the output folder has the reason."
    NODE_NOT_READY = 864, "A validator did not become ready in time. Look at its log and at the machine's load."
    CHAIN_TRANSACTION_FAILED = 865, "A transaction of the devnet reverted on its chain. The values name the call."
    SUBMISSION_REFUSED = 866, "A node refused what a devnet member submitted. The values have the node's answer."
    STORY_STUCK = 867, "The demonstration waits for an event that did not happen. The values name it."
    MARKET_FILE_INVALID = 868, "The devnet's market file has a wrong or unknown key; the values name it."
    BAD_DRAFT = 905, "The draft of the network is wrong at the stated place. Correct it in network.toml."
    DEVNET_RUNNING = (
        824,
        "A devnet, or a node of one, still runs in this folder. End it, or name another `--output-dir`.",
    )

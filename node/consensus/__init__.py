"""The driver of the consensus core: network, timers, log, sign state and signer for `consensus.replica`."""

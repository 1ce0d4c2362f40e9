"""The terms of a chain: its vault and its limits, as genesis and amendments state them.

To add a chain: deploy the vault (`crossclear vault deploy`), add the chain to node.toml (`node.config.ChainConfig`) and
restart, then list it in genesis or by an amendment (`clearing.governance.listing`): nodes watch it from there on.
"""

from clearing.base.codec import U63, Bytes20, Wire

HEARTBEAT_MS_MAX = 3_600_000
"""The silence that genesis allows where it says nothing: nine times the epoch by which Ethereum's final block moves."""


class ChainTerms(Wire, frozen=True):
    """One EVM chain and the vault on it."""

    chain_id: U63
    name: str
    vault: Bytes20
    custody_stride: U63
    """Vault counters are reported at blocks whose number is a multiple of this."""
    vault_block: U63 = 0
    """The block in which the vault was deployed, or one before: scanning begins here."""
    heartbeat_ms_max: U63 = HEARTBEAT_MS_MAX
    """How long a chain may be silent before it counts as halted; 0: not monitored."""

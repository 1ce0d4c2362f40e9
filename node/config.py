"""`NodeConfig`: everything an operator may set, typed and bounded.

Rule: nothing here can change a state transition; what must agree lives in genesis and in governance.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from member.default_ports import API_PORT, P2P_PORT
from node.config_oracle import Oracle
from node.config_section import Millis, Name, Section

Port = Annotated[int, Meta(ge=0, le=65535)]
Host = Annotated[str, Meta(min_length=1, max_length=253)]
HOST_FORM = r"\[?[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}\]?"
PORT_FORM = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
KeyHex = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Url = Annotated[str, Meta(pattern="^https?://[^ ]+$", max_length=2048)]
Origin = Annotated[str, Meta(pattern=r"^(\*|https?://[A-Za-z0-9.\[\]:-]{1,253})$")]


class NodeSection(Section, frozen=True):
    """`[node]`: the node and its files. Relative paths are under `home`."""

    home: str = "."
    name: Name = "node"
    profile: Literal["validator", "bridge", "observer"] = "validator"
    devnet: bool = False
    """Accept weak key derivation. Never set it where keys guard anything of value."""
    genesis: str = "genesis.json"
    password_file: str = "password"  # a path, not a password


class PeerConfig(Section, frozen=True):
    """One validator's address. `key` is its Ed25519 envelope key, which is also its peer id."""

    key: KeyHex
    host: Host
    port: Annotated[int, Meta(ge=1, le=65535)]


class Observer(Section, frozen=True):
    """A node that is no validator and may connect, follow and sync. It sees positions: list only whom you trust."""

    key: KeyHex


class P2P(Section, frozen=True):
    """`[p2p]`."""

    host: Host = "127.0.0.1"
    port: Port = P2P_PORT
    peers: tuple[PeerConfig, ...] = ()
    announce: Annotated[str, Meta(pattern=f"^({HOST_FORM}:{PORT_FORM})?$")] = ""
    """HOST:PORT at which other validators reach this node, for those whose `peers` lack it; empty: not announced."""
    observers: Annotated[tuple[Observer, ...], Meta(max_length=64)] = ()
    preshared_key_file: str = ""  # a path, not a key
    """64 hexadecimal digits in a file of mode 0600, the same at every node; empty: none is needed to connect."""
    gossip_per_second: Annotated[int, Meta(ge=50, le=1_000_000)] = 200
    """Gossip messages of 4 kB that one validator may sign each second on average; more are dropped and counted."""


class ChainConfig(Section, frozen=True):
    """One `[[chains]]`. Genesis names the vault and its tokens; this says how to reach the chain, and which of its
    blocks this node takes for final."""

    chain_id: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    name: Name
    endpoints: Annotated[tuple[Url, ...], Meta(min_length=1, max_length=16)]
    quorum: Annotated[int, Meta(ge=1, le=16)] = 1
    """How many endpoints must agree; it never shrinks when endpoints are lost."""
    confirmations: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """Least depth under the chain's head, where the profile does not ask for more."""
    dissent_ms: Annotated[int, Meta(ge=0, le=86_400_000)] = 1_200_000
    """How long nothing is credited because an endpoint contradicts the quorum about a final block, before the chain is
    halted; and how long an endpoint that lacks a final block is waited for."""
    poll_ms: Millis = 250
    timeout_ms: Millis = 5_000
    logs_span: Annotated[int, Meta(ge=0, le=100_000)] = 0
    """Blocks asked for at once, at first; halved on errors. 0: as many as the profile says."""
    profile: Annotated[str, Meta(pattern="^([a-z][a-z0-9-]{0,31})?$")] = ""
    """A file of `configs/chains`: layouts, finality and limits of the chain. Empty: the one that names the chain id."""
    light_client: Literal["off", "witness", "required"] = "off"
    """Whether a light client of Ethereum may contradict the endpoints about final blocks; `required`: and nothing above
    its newest block is final."""
    beacon_endpoints: Annotated[tuple[Url, ...], Meta(max_length=8)] = ()
    """Beacon APIs that the light client follows; none of them is trusted."""
    checkpoint_root: Annotated[str, Meta(pattern="^(0x[0-9a-f]{64})?$")] = ""
    """Root of a finalized beacon block, from a source that the operator trusts. At most 14 days old at the first start;
    another root begins the light client anew."""


class Submitter(Section, frozen=True):
    """Somebody who is no member and may submit collateral events, with a token of 64 hex digits."""

    name: Name
    token_sha256: KeyHex
    """SHA-256 of the token's text: the token itself is not kept here."""


class Api(Section, frozen=True):
    """`[api]`."""

    enabled: bool = True
    host: Host = "127.0.0.1"
    port: Port = API_PORT
    body_bytes_max: Annotated[int, Meta(ge=1024, le=64 << 20)] = 1 << 20
    requests_per_second: Annotated[int, Meta(ge=1, le=100_000)] = 50
    """Of one client address, on average."""
    requests_burst: Annotated[int, Meta(ge=1, le=100_000)] = 200
    clock_skew_ms_max: Millis = 30_000
    behind_tls: bool = False
    """Only a proxy that ends TLS reaches `host`, which is not this machine alone: secrets may be answered there."""
    proxies: Annotated[int, Meta(ge=0, le=8)] = 0
    """How many proxies stand before the API and add to `X-Forwarded-For`; the rate limit then counts their clients."""
    tls_certificate: str = ""
    """A file in PEM, with the chain: the API itself speaks TLS. Read at the start. Empty: it does not."""
    tls_key: str = ""  # a path, not a key
    """Its private key in PEM, unencrypted, in a file of mode 0600."""
    origins: Annotated[tuple[Origin, ...], Meta(max_length=64)] = ()
    """Web pages of these origins may read answers (CORS); `*`: of every origin. Cookies are never used."""
    page: bool = True
    """Serve the page for members and onlookers at `/`, if `make setup` built it."""
    submitters: Annotated[tuple[Submitter, ...], Meta(max_length=64)] = ()
    streams_max: Annotated[int, Meta(ge=0, le=100_000)] = 1024
    """Streams open at a time."""
    streams_per_client_max: Annotated[int, Meta(ge=1, le=100_000)] = 32
    """Of one client address, and of one member."""


class Consensus(Section, frozen=True):
    """`[consensus]`: local timeouts. They cost time when wrong, never safety."""

    propose_ms: Millis = 400
    prevote_ms: Millis = 150
    precommit_ms: Millis = 150
    growth_ms: Annotated[int, Meta(ge=0, le=60_000)] = 150
    """Added per round."""
    timeout_max_ms: Millis = 3_000
    block_interval_ms: Annotated[int, Meta(ge=0, le=60_000)] = 50
    """Least time from the start of one height to the start of the next, when there is work."""
    heartbeat_ms: Millis = 500
    """The same without work: empty heights keep prices fresh."""
    block_bytes_max: Annotated[int, Meta(ge=1024, le=1_900_000)] = 1 << 20
    """Bytes of transactions in own proposals; a payload of 2 MiB is refused by every node."""
    wal: str = "consensus.wal"
    adaptive: bool = True
    """Whether the first three follow what heights take; they then are where it starts."""
    propose_ms_min: Millis = 400
    """The least that a proposal is waited for, in the first round."""
    vote_ms_min: Millis = 150
    """The same for votes."""
    timeout_base_max_ms: Millis = 1_500
    """The most in the first round; further rounds grow from there to `timeout_max_ms`."""


class MempoolConfig(Section, frozen=True):
    """`[mempool]`."""

    transactions_max: Annotated[int, Meta(ge=1, le=10_000_000)] = 50_000
    bytes_max: Annotated[int, Meta(ge=1024, le=1 << 32)] = 32 << 20
    per_account_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 5_000
    batch_ms: Millis = 20
    """How long transactions are gathered before they are gossiped together."""
    fates_days: Annotated[int, Meta(ge=1, le=3_650)] = 7
    """How long the node can say what became of a transaction."""
    fates_max: Annotated[int, Meta(ge=1_000, le=1_000_000_000)] = 1_000_000
    """Of so many transactions at most; the oldest are forgotten first. Each takes about 100 bytes of disk."""


class Proofs(Section, frozen=True):
    """`[proofs]`."""

    enabled: bool = True
    workers: Annotated[int, Meta(ge=1, le=256)] = 1
    """Processes over which a proof's accounts are spread."""
    prover: Annotated[str, Meta(pattern=r"^(local|dask://[^/?#@\s]+:[0-9]{1,5})$")] = "local"
    """`local`, or the scheduler of a Dask cluster whose workers take the accounts instead."""
    folder: str = "packages"


class RelayerConfig(Section, frozen=True):
    """`[relayer]`: posting checkpoints and claims to the vaults."""

    enabled: bool = False
    key: Name = "relayer"
    """Name of the keystore that pays."""
    interval_ms: Millis = 1_000


class StateSyncConfig(Section, frozen=True):
    """`[state_sync]`: how a node without blocks begins."""

    enabled: bool = True
    """Fetch the state at an epoch's height in place of executing every block since genesis."""
    trust_height: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """A height whose header hash comes from a trusted source; 0: trust begins with genesis."""
    trust_hash: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")] = ""
    trust_chain: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """Take height and hash from the newest checkpoint that the vault of this chain accepted; 0: don't."""
    trusting_period_s: Annotated[int, Meta(ge=60, le=2**32)] = 14 * 86_400
    """How old a trusted header may be. Shorter than validators need to leave with what they put at stake."""
    offers_ms: Millis = 10_000
    """How long to wait for peers of more than a third of the power that offer one state; then blocks are executed."""


BLOCKS_KEPT_MIN = 1_000
"""Minutes of blocks: peers that fell behind must find them."""


class StorageConfig(Section, frozen=True):
    """`[storage]`: what is kept. Only a node that keeps all can give others every block since genesis."""

    blocks_kept: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """Of the newest blocks with their receipts, at least 1,000; older ones are forgotten. 0: all stay."""
    snapshots_kept: Annotated[int, Meta(ge=2, le=1_000)] = 3
    """Of the states saved at epochs. A joining node must fetch one before it is replaced."""
    packages_kept: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """Of the newest epochs' packages. 0: all stay."""


class Logging(Section, frozen=True):
    """`[logging]`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    """`auto`: console on a terminal, JSON elsewhere."""
    file: str = ""


class SignerConfig(Section, frozen=True):
    """`[signer]`: another process that keeps the validator's keys. Without an address this process keeps them."""

    address: Annotated[str, Meta(pattern="^(|unix:[^ ]+|tcp:[^ ]+:[0-9]{1,5})$", max_length=512)] = ""
    """`unix:PATH` or `tcp:HOST:PORT`."""
    key: Annotated[str, Meta(pattern="^(|[0-9a-f]{64})$")] = ""
    """The signer's link key, Ed25519; `crossclear signer init` prints it."""
    link: Name = "signer-link"
    """Name of the keystore (Ed25519) by which the signer knows this node."""
    timeout_ms: Annotated[int, Meta(ge=10, le=10_000)] = 500
    """How long one signature is waited for. Silence costs a vote, never more."""


class NodeConfig(Section, frozen=True):
    """The whole of node.toml."""

    node: NodeSection = NodeSection()
    p2p: P2P = P2P()
    chains: tuple[ChainConfig, ...] = ()
    api: Api = Api()
    oracle: Oracle = Oracle()
    consensus: Consensus = Consensus()
    mempool: MempoolConfig = MempoolConfig()
    proofs: Proofs = Proofs()
    relayer: RelayerConfig = RelayerConfig()
    logging: Logging = Logging()
    state_sync: StateSyncConfig = StateSyncConfig()
    signer: SignerConfig = SignerConfig()
    storage: StorageConfig = StorageConfig()

    @property
    def home(self) -> Path:
        """The node's folder."""
        return Path(self.node.home)

    def path(self, name: str) -> Path:
        """A file of this configuration, relative to the home unless absolute."""
        return self.home / name


def config_of_chains(config: NodeConfig) -> dict[int, ChainConfig]:
    """By chain id."""
    return {chain.chain_id: chain for chain in config.chains}

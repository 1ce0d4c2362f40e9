"""`[oracle]` of node.toml: feeds, and where their prices come from."""

from typing import Annotated, Literal

from msgspec import Meta

from node.config_section import FeedName, Millis, Name, Ppm, Section

Address = Annotated[str, Meta(pattern="^0x[0-9a-fA-F]{40}$")]
OptionalAddress = Annotated[str, Meta(pattern="^(0x[0-9a-fA-F]{40})?$")]


class FeedConfig(Section, frozen=True):
    """One `[[oracle.feeds]]`: what it takes for the feed to have a value out of its sources."""

    name: Name
    feed: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0
    """Its number in genesis. 0: it is not reported; other feeds' sources are priced in it."""
    ticks_per_unit: Annotated[int, Meta(ge=1, le=10**12)] = 100
    """What the network counts prices in: 100 where a tick is a cent."""
    quorum: Annotated[int, Meta(ge=1, le=16)] = 2
    """Usable sources without which this node reports nothing."""
    age_ms_max: Millis = 5_000
    skew_ms_max: Millis = 2_000
    """How far a source's clock may be ahead of this machine's."""
    spread_ppm_max: Ppm = 5_000
    """Of half the spread, or of the stated confidence, to the price."""
    deviation_ppm_max: Ppm = 10_000
    """How far two sources may be apart and confirm each other."""
    jump_ppm_max: Ppm = 50_000
    """A source that moves by more counts only when another confirms it, or `jump_ms` after it did last."""
    jump_ms: Millis = 10_000
    generated_price: Annotated[int, Meta(ge=1, le=10**12)] = 1_000
    """Generated: the price, in units, around which the feed moves."""


class SourceConfig(Section, frozen=True):
    """One `[[oracle.sources]]`: a market of a venue."""

    feed: Name
    """The `name` of its feed."""
    name: Name
    venue: Literal["binance", "binance-futures", "coinbase", "kraken", "okx", "deribit", "hyperliquid"]
    market: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9/_.@-]{0,39}$")]
    """As the venue writes it: BTCUSDT, BTC-USD, BTC/USD."""
    url: Annotated[str, Meta(pattern="^(ws|http)s?://[^ ]+$", max_length=512)]
    """ws or wss: a stream. http or https: asked each `poll_ms`."""
    price: Literal["ticker", "book", "index", "mark"] = "ticker"
    """Best prices, the best of a whole book with its checks, the venue's index, or the price at which it marks."""
    rest_url: Annotated[str, Meta(pattern="^(https?://[^ ]+)?$", max_length=512)] = ""
    """Where a stream of Binance's books gets its snapshots."""
    times: FeedName = ""
    """The feed in which this market is priced: USDT for BTCUSDT, if the feed is in dollars. Empty: as the feed is."""
    age_ms_max: Annotated[int, Meta(ge=0, le=86_400_000)] = 0
    """In place of the feed's. 0: the feed's."""
    poll_ms: Annotated[int, Meta(ge=50, le=3_600_000)] = 1_000


class ContractConfig(Section, frozen=True):
    """One `[[oracle.contracts]]`: a price in the state of a chain of `[[chains]]`, read at a final block."""

    feed: Name
    """The `name` of its feed."""
    name: Name
    kind: Literal["chainlink", "pyth", "pyth-ema", "uniswap-v3"]
    chain_id: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    address: Address
    """Chainlink's proxy, Pyth's contract, or the pool."""
    heartbeat_s: Annotated[int, Meta(ge=0, le=7 * 86_400)] = 0
    """Chainlink: how often the feed is updated at least. It is added to `age_ms_max`."""
    sequencer: OptionalAddress = ""
    """Chainlink: the feed that says whether the sequencer of a rollup runs."""
    grace_s: Annotated[int, Meta(ge=0, le=86_400)] = 3_600
    """How long prices don't count after the sequencer came back."""
    price_id: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")] = ""
    """Pyth: which price."""
    window_s: Annotated[int, Meta(ge=1, le=86_400)] = 1_800
    """Uniswap: over which the mean is taken."""
    base: Literal["token0", "token1"] = "token0"
    """Uniswap: whose price in the other token it is."""
    liquidity_min: Annotated[str, Meta(pattern="^[0-9]{1,39}$")] = "0"
    """Uniswap: of the window's harmonic mean; a price of less does not count."""
    times: FeedName = ""
    """The feed in which the price is. Empty: as the feed is."""
    age_ms_max: Annotated[int, Meta(ge=1, le=86_400_000)] = 1_500_000
    """In place of the feed's. A final block of Ethereum is a quarter of an hour old."""
    poll_ms: Annotated[int, Meta(ge=50, le=3_600_000)] = 12_000


class Oracle(Section, frozen=True):
    """`[oracle]`: the source of this node's price reports."""

    source: Literal["none", "replay", "generated", "live"] = "none"
    file: str = ""
    """Replay: recorded hours, `unix,<feed>_open,<feed>_close,…`."""
    schedule: str = "schedule.json"
    """Replay: when the first hour is current and how fast time runs; until the file exists the first price is used."""
    interval_ms: Millis = 100
    """How often the source is read."""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 7
    """Generated: prices of nodes with the same seed are the same."""
    feeds: Annotated[tuple[FeedConfig, ...], Meta(max_length=64)] = ()
    """Live and generated: the feeds of this node. Replay: their ticks, for display."""
    sources: Annotated[tuple[SourceConfig, ...], Meta(max_length=256)] = ()
    """Live: several of each feed."""
    contracts: Annotated[tuple[ContractConfig, ...], Meta(max_length=64)] = ()
    """Live: prices in the state of chains."""

    @property
    def all_sources(self) -> tuple[SourceConfig | ContractConfig, ...]:
        """Markets of venues, then prices of contracts."""
        return (*self.sources, *self.contracts)

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


class SurfaceConfig(Section, frozen=True):
    """One `[[oracle.surfaces]]`: forwards, rates and implied volatilities of a risk group."""

    name: Name
    group: Annotated[int, Meta(ge=1, le=2**32 - 1)]
    """The risk group's number in genesis."""
    feed: Name
    """The `name` of the feed that is the group's index."""
    quorum: Annotated[int, Meta(ge=1, le=16)] = 1
    """Usable sources without which this node reports nothing."""
    interval_ms: Annotated[int, Meta(ge=500, le=3_600_000)] = 5_000
    """How often the surface is fitted."""
    age_ms_max: Millis = 20_000
    """Of a source's quotes, and of a report that is made of them; less than the network's terms allow."""
    skew_ms_max: Millis = 2_000
    """How far a source's clock may be ahead of this machine's."""
    quotes_min: Annotated[int, Meta(ge=1, le=5_000)] = 5
    """Usable quotes without which a source does not count."""
    spread_ppm_max: Ppm = 250_000
    """Of half the spread in volatility to the volatility: a wider quote is left out."""
    volatility_ppm_max: Annotated[int, Meta(ge=10_000, le=9_000_000)] = 5_000_000
    """A quote with more is left out."""
    basis_ppm_max: Ppm = 50_000
    """How far a forward may be from the index, and as far again for each year to expiry."""
    deviation_ppm_max: Ppm = 100_000
    """How far two sources' volatilities at the money may be apart, and a tenth of it for their forwards."""
    jump_ppm_max: Ppm = 300_000
    """A source whose volatility moves by more counts only when another confirms it, or `jump_ms` after it did last."""
    jump_ms: Millis = 60_000
    rate: Literal["carry", "parity", "fixed"] = "carry"
    """The discount: what carries the index to the forward, what puts and calls of equal strike imply, or `rate_ppm`."""
    rate_ppm: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 0
    """Fixed: a year's simple rate."""
    rate_ppm_max: Ppm = 500_000
    """Largest rate that is reported, either way."""
    generated_level_ppm: Annotated[int, Meta(ge=20_000, le=2_000_000)] = 600_000
    """Generated: the volatility at the money around which it moves."""
    generated_skew_ppm: Annotated[int, Meta(ge=-900_000, le=900_000)] = -150_000
    generated_wing_ppm: Annotated[int, Meta(ge=0, le=1_300_000)] = 700_000
    generated_carry_ppm: Annotated[int, Meta(ge=-500_000, le=500_000)] = 50_000
    """Generated: a year's basis of forwards over the index."""


class OptionsConfig(Section, frozen=True):
    """One `[[oracle.options]]`: the options and dated futures of an underlying at a venue, asked over HTTP."""

    surface: Name
    """The `name` of its surface."""
    name: Name
    venue: Literal["deribit", "okx"]
    market: Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9_-]{0,39}$")]
    """What the names of its options begin with: BTC or SOL_USDC of Deribit, BTC-USD of OKX."""
    url: Annotated[str, Meta(pattern="^https?://[^ ]+$", max_length=512)]
    poll_ms: Annotated[int, Meta(ge=500, le=3_600_000)] = 5_000


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
    surfaces: Annotated[tuple[SurfaceConfig, ...], Meta(max_length=32)] = ()
    """Of groups with options. Replay and generated: reported without sources."""
    surface_file: str = ""
    """Replay: recorded surfaces, `hour,group,expires_after_ms,forward_ppb,rate_ppm,level_ppm,skew_ppm,wing_ppm`."""
    options: Annotated[tuple[OptionsConfig, ...], Meta(max_length=64)] = ()
    """Live: at least one of each surface."""
    surface_origin_ms: Annotated[int, Meta(ge=0, le=2**62)] = 0
    """Replay: Unix time from which the expiries of recorded surfaces count. 0: from the start of the replay."""

    @property
    def all_sources(self) -> tuple[SourceConfig | ContractConfig, ...]:
        """Markets of venues, then prices of contracts."""
        return (*self.sources, *self.contracts)

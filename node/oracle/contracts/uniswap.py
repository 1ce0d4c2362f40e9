"""Uniswap v3: the mean price of a pool over a window, out of its own observations.

Source: Uniswap v3 periphery, `OracleLibrary.consult` and `getQuoteAtTick`; whitepaper, sections 5.2 and 5.3. The mean
tick is rounded toward minus infinity; counters wrap at 56 and 160 bits. Everything is integers: the power of 1.0001 has
256 binary places and is rounded down at each of its at most forty steps.
"""

from dataclasses import dataclass

from node.oracle.contracts.abi import WORD, ContractCall, address, selector, signed, unsigned, unusable, word, words
from node.oracle.readings import DECIMALS, E18, Reading

OBSERVE = selector("observe(uint32[])")
TOKEN0, TOKEN1, TOKEN_DECIMALS = map(selector, ("token0()", "token1()", "decimals()"))
TICK_MAX = 887_272
TICK_BITS, LIQUIDITY_BITS = 56, 160
PLACES = 256
TOKEN_DECIMALS_MAX = 38


@dataclass(frozen=True, slots=True)
class Observation:
    """Of a window: ticks and seconds per liquidity, as the counters grew."""

    tick_change: int
    liquidity_change: int
    window_s: int


def observe_call(window_s: int) -> bytes:
    """Of the counters at the window's begin and now."""
    return OBSERVE + word(WORD) + word(2) + word(window_s) + word(0)


def read_observation(answer: bytes | None, window_s: int, at: str) -> Observation:
    """Raises RemoteFault CONTRACT_PRICE_UNUSABLE; a call that reverted asks further back than the pool remembers."""
    if answer is None:
        raise unusable(at, "the pool does not remember the window", window_s=window_s)
    found = words(answer, 8, at)
    if (found[0], found[1], found[2], found[5]) != (2 * WORD, 5 * WORD, 2, 2):
        raise unusable(at, "not of the form of the function")
    begin, end = (signed(each, TICK_BITS, at) for each in found[3:5])
    first, last = (unsigned(each, LIQUIDITY_BITS, at) for each in found[6:8])
    return observation(begin, end, first, last, window_s)


def observation(begin: int, end: int, first: int, last: int, window_s: int) -> Observation:
    """Of counters that may have wrapped: differences modulo their width."""
    half = 1 << (TICK_BITS - 1)
    change = (end - begin + half) % (1 << TICK_BITS) - half
    return Observation(change, (last - first) % (1 << LIQUIDITY_BITS), window_s)


def mean_tick(seen: Observation, *, inverted: bool) -> int:
    """Rounded toward minus infinity; `inverted`: of token0 in token1's price, by the negated change."""
    return (-seen.tick_change if inverted else seen.tick_change) // seen.window_s


def mean_liquidity(seen: Observation) -> int:
    """The harmonic mean over the window; 0 where the counter stood still."""
    if seen.liquidity_change == 0:
        return 0
    return seen.window_s * ((1 << LIQUIDITY_BITS) - 1) // (seen.liquidity_change << 32)


def price_at(tick: int, base_decimals: int, quote_decimals: int) -> int:
    """1.0001^tick, of one whole base token in whole quote tokens, in units of 10^-18, rounded down."""
    power, factor, left = 1 << PLACES, (10_001 << PLACES) // 10_000, abs(tick)
    while left:
        if left & 1:
            power = power * factor >> PLACES
        factor = factor * factor >> PLACES
        left >>= 1
    if tick < 0:
        power = (1 << 2 * PLACES) // power
    shift = DECIMALS + base_decimals - quote_decimals
    scaled = power * int(10**shift) if shift >= 0 else power // int(10**-shift)
    return scaled >> PLACES


class UniswapPrice:
    """The price of a pool's `base` token in its other one: the mean over `window_s`."""

    def __init__(self, at: str, pool: bytes, window_s: int, *, base_is_token1: bool, liquidity_min: int = 0) -> None:
        self._at, self._pool, self._window_s = at, pool, window_s
        self._inverted, self._liquidity_min = base_is_token1, liquidity_min
        self._tokens: tuple[bytes, bytes] | None = None

    def calls(self) -> tuple[ContractCall, ...]:
        """The pool's tokens, which never change; then their decimals, and the counters."""
        if self._tokens is None:
            return ContractCall(self._pool, TOKEN0), ContractCall(self._pool, TOKEN1)
        decimals = [ContractCall(token, TOKEN_DECIMALS) for token in self._tokens]
        return *decimals, ContractCall(self._pool, observe_call(self._window_s))

    def read(self, answers: tuple[bytes | None, ...], block_s: int) -> Reading | None:
        """The mean price, if there was liquidity enough. Its time is the block's."""
        at = self._at
        if self._tokens is None:
            first, second = (address(words(each, 1, at)[0], at) for each in answers)
            self._tokens = first, second
            return None
        decimals = [words(each, 1, at)[0] for each in answers[:2]]
        if max(decimals) > TOKEN_DECIMALS_MAX:
            raise unusable(at, "too many decimals", decimals=max(decimals))
        seen = read_observation(answers[2], self._window_s, at)
        liquidity = mean_liquidity(seen)
        if liquidity < self._liquidity_min:
            raise unusable(at, "too little liquidity", liquidity=str(liquidity), least=str(self._liquidity_min))
        tick = mean_tick(seen, inverted=self._inverted)
        if abs(tick) > TICK_MAX:
            raise unusable(at, "a tick out of bounds", tick=tick)
        base, quote = decimals[::-1] if self._inverted else decimals
        price_e18 = price_at(tick, base, quote)
        if price_e18 >= E18**3:
            raise unusable(at, "a price beyond all bounds")
        return Reading(price_e18, time_ms=block_s * 1_000)

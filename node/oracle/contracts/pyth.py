"""Pyth on an EVM chain: price or moving average with its confidence.

Source: docs.pyth.network, "EVM API". `getPriceNoOlderThan` reverts for an older price (`StalePrice`) and for an unknown
id (`PriceFeedNotFound`): Pyth is a pull oracle, somebody must have brought the price to the chain. The value is
price × 10^expo; the confidence has the same exponent, and is the guard's to judge.
"""

from node.oracle.contracts.abi import ContractCall, selector, signed, unsigned, unusable, word, words
from node.oracle.readings import Reading, scaled_e18

PRICE = selector("getPriceNoOlderThan(bytes32,uint256)")
AVERAGE = selector("getEmaPriceNoOlderThan(bytes32,uint256)")
EXPONENT_LEAST, EXPONENT_MOST = -38, 12


def reading_of(price: int, confidence: int, exponent: int, publish_s: int, at: str) -> Reading:
    """What the four numbers state; the confidence is rounded up. Raises RemoteFault CONTRACT_PRICE_UNUSABLE."""
    if not EXPONENT_LEAST <= exponent <= EXPONENT_MOST:
        raise unusable(at, "an exponent out of bounds", exponent=exponent)
    if publish_s <= 0:
        raise unusable(at, "no publish time")
    return Reading(scaled_e18(price, -exponent), -scaled_e18(-confidence, -exponent), time_ms=publish_s * 1_000)


def read_price(answer: bytes | None, block_s: int, at: str) -> Reading:
    """`PythStructs.Price`. Raises RemoteFault CONTRACT_PRICE_UNUSABLE."""
    price, confidence, exponent, publish_s = words(answer, 4, at)
    if unsigned(publish_s, 64, at) > block_s:
        raise unusable(at, "a price of the future", publish_s=publish_s, block_s=block_s)
    numbers = (signed(price, 64, at), unsigned(confidence, 64, at), signed(exponent, 32, at))
    return reading_of(*numbers, publish_s, at)


class PythPrice:
    """One price of Pyth's contract, no older than `age_s`; `average`: its exponential moving average."""

    def __init__(self, at: str, contract: bytes, price_id: bytes, age_s: int, *, average: bool) -> None:
        self._at = at
        self._call = ContractCall(contract, (AVERAGE if average else PRICE) + price_id + word(age_s))

    def calls(self) -> tuple[ContractCall, ...]:
        """The price."""
        return (self._call,)

    def read(self, answers: tuple[bytes | None, ...], block_s: int) -> Reading | None:
        """The price; a call that reverted is an old or unknown one."""
        return read_price(answers[0], block_s, self._at)

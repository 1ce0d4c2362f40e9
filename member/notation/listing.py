"""`Listing`: what a network lists, by the names that a member writes, and the units of its prices.

Rule: an id is always accepted in place of a name. A name that stands for several things is refused with all of them,
never guessed. How many ticks make a unit is what the asked node displays: where it is not known, lots and ticks are
written as they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.terms.assets import Asset, CashGroup, Feed
from clearing.schema.terms.chains import ChainTerms
from clearing.schema.terms.genesis import AccountKind, Genesis, MemberTerms
from clearing.schema.terms.instruments import Instrument
from member.notation.amounts import MICROS_DECIMALS, in_units, parse_amount, split_amount

T = TypeVar("T")
PRICE_DECIMALS_MAX = 12
SIZE_DECIMALS = 18
MICROS = 10**MICROS_DECIMALS
NAMES_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Listing:
    """Terms in force, and how many ticks of each feed make a unit; 0 or nothing: not known."""

    terms: Genesis
    ticks_per_unit: Mapping[int, int]

    def account(self, text: str) -> int:
        """An account by its id, or by its member's name where the terms give that member one own account.

        Raises ValueError.
        """
        if is_id(text):
            return int(text)
        found = [each for each in self.terms.members if each.name == text]
        own = [account for member in found for account in _own_accounts(member)]
        if len(own) != 1:
            names = (each.name for each in self.terms.members if len(_own_accounts(each)) == 1)
            raise _not_found("account", text, own, names)
        return own[0]

    def account_text(self, account: int) -> str:
        """`alice (account 1)`, or the id alone where the terms do not name it."""
        for member in self.terms.members:
            if account in {each.id for each in member.accounts}:
                return f"{member.name} (account {account})"
        return f"account {account}"

    def member_text(self, member: int) -> str:
        """`alice (member 1)`."""
        named = next((each.name for each in self.terms.members if each.id == member), None)
        return f"member {member}" if named is None else f"{named} (member {member})"

    def member(self, text: str) -> int:
        """A member by its id or name. Raises ValueError."""
        if is_id(text):
            return int(text)
        found = [each.id for each in self.terms.members if each.name == text]
        return _only("member", text, found, (each.name for each in self.terms.members))

    def chain(self, text: str) -> ChainTerms:
        """A chain by its id or name. Raises ValueError."""
        found = [each for each in self.terms.chains if text in (str(each.chain_id), each.name)]
        return _only("chain", text, found, (each.name for each in self.terms.chains))

    def chain_text(self, chain_id: int) -> str:
        """Its name and id."""
        named = next((each.name for each in self.terms.chains if each.chain_id == chain_id), None)
        return f"chain {chain_id}" if named is None else f"{named} (chain {chain_id})"

    def asset(self, text: str, chain: str | None = None) -> Asset:
        """A token by its id or name, or by its symbol, which is its name up to `@`; on this chain where one is given.

        Raises ValueError.
        """
        at = None if chain is None else self.chain(chain).chain_id
        listed = [each for each in self.terms.assets if at in (None, each.chain_id)]
        exact = [each for each in listed if text in (str(each.id), each.name)]
        found = exact or [each for each in listed if text == each.name.partition("@")[0]]
        if len(found) > 1:
            raise ValueError(f"{text} is on several chains: name one, or write {_some(each.name for each in found)}")
        return _only("token", text, found, (each.name for each in listed))

    def asset_at(self, chain_id: int, token: bytes) -> Asset | None:
        """The token at this address of a chain."""
        return next((each for each in self.terms.assets if (each.chain_id, each.token) == (chain_id, token)), None)

    def token_amount(self, text: str, chain: str | None = None) -> tuple[Asset, int]:
        """`250.5 USDC` as the token and its base units, above 0. Raises ValueError, for too many decimals too."""
        number, symbol = split_amount(text)
        asset = self.asset(symbol, chain)
        amount = parse_amount(number, asset.token_decimals)
        if amount <= 0:
            raise ValueError(f"expected an amount above 0, got {number}")
        return asset, amount

    def ledger_amount(self, text: str, chain: str | None = None) -> tuple[Asset, int]:
        """As `token_amount`, in clearing units. Raises ValueError for more decimals than the ledger counts, too."""
        asset, _ = self.token_amount(text, chain)
        return asset, self.ledger_units(asset, split_amount(text)[0])

    def ledger_units(self, asset: Asset, number: str) -> int:
        """A signed number of tokens in clearing units. Raises ValueError for more decimals than the ledger counts."""
        amount = parse_amount(number, asset.token_decimals)
        units, dust = asset.to_units(abs(amount))
        if dust:
            raise ValueError(f"{number}: the ledger counts {asset.name} with {asset.unit_decimals} decimals")
        return units if amount > 0 else -units

    def units_text(self, asset_id: int, units: str | int) -> str:
        """Clearing units of an asset as `250.50 USDC`."""
        asset = next((each for each in self.terms.assets if each.id == asset_id), None)
        return (
            f"{units} units of asset {asset_id}"
            if asset is None
            else f"{in_units(units, asset.unit_decimals)} {asset.name}"
        )

    def signed_units_text(self, asset: Asset, units: int) -> str:
        """`250.50 USDC (250500000 units of asset 1)`: what a member reads, and what it signs. Name and decimals are the
        asked node's word, the numbers in brackets are not."""
        return f"{self.units_text(asset.id, units)} ({units} units of asset {asset.id})"

    def amount_text(self, asset: Asset, amount: str | int) -> str:
        """Base units of a token as `250.50 USDC`."""
        return f"{in_units(amount, asset.token_decimals)} {asset.name}"

    def feed(self, text: str) -> Feed:
        """A feed by its id or name. Raises ValueError."""
        found = [each for each in self.terms.feeds if text in (str(each.id), each.name)]
        return _only("feed", text, found, (each.name for each in self.terms.feeds))

    def risk_group(self, text: str) -> RiskGroup:
        """A risk group by its id or name. Raises ValueError."""
        groups = self.terms.risk.groups
        found = [each for each in groups if text in (str(each.id), each.name)]
        return _only("risk group", text, found, (each.name for each in groups))

    def cash_group(self, text: str) -> CashGroup:
        """A cash group, which is a currency, by its id or name. Raises ValueError."""
        groups = self.terms.cash_groups
        found = [each for each in groups if text in (str(each.id), each.name)]
        return _only("cash group", text, found, (each.name for each in groups))

    def instrument(self, text: str) -> Instrument:
        """An instrument by its id or name. Raises ValueError."""
        found = [each for each in self.terms.instruments if text in (str(each.id), each.name)]
        return _only("instrument", text, found, (each.name for each in self.terms.instruments))

    def instrument_text(self, instrument: Instrument) -> str:
        """`BTC-PERP (instrument 1)`."""
        return f"{instrument.name} (instrument {instrument.id})"

    def instrument_at(self, number: int) -> Instrument | None:
        """The instrument with this id."""
        return next((each for each in self.terms.instruments if each.id == number), None)

    def currency(self, instrument: Instrument) -> str:
        """The name of the cash group it settles in."""
        return next((each.name for each in self.terms.cash_groups if each.id == instrument.cash_group), "")

    def scale(self, instrument: Instrument) -> int:
        """Ticks that make a unit of its currency. Raises ValueError where it is not known."""
        found = self.ticks_per_unit.get(instrument.feed, 0)
        if found <= 0:
            raise ValueError(f"no units of {instrument.name} are known: give lots and ticks")
        return found

    def ticks(self, instrument: Instrument, price: str) -> int:
        """A price in units of its currency as ticks. Raises ValueError between two ticks, and as `scale`."""
        scale = self.scale(instrument)
        ticks: int
        ticks, rest = divmod(parse_amount(price, SIZE_DECIMALS) * scale, 10**SIZE_DECIMALS)
        if rest:
            raise ValueError(f"{price} is between two ticks: {scale} of them make a unit")
        return ticks

    def lots(self, instrument: Instrument, size: str) -> int:
        """A size in units of the underlying as lots. Raises ValueError for a part of a lot, and as `scale`."""
        lot_micros = instrument.micros_per_tick * self.scale(instrument)
        lots: int
        lots, rest = divmod(parse_amount(size, SIZE_DECIMALS) * MICROS, lot_micros * 10**SIZE_DECIMALS)
        if rest:
            raise ValueError(f"{size} is no whole number of lots: a lot is {in_units(lot_micros)}")
        return lots

    def price_text(self, instrument: Instrument, ticks: str | int) -> str:
        """Ticks in units of the currency, exactly; as ticks where no decimals say it or the scale is not known."""
        return price_in_units(ticks, self.ticks_per_unit.get(instrument.feed, 0))

    def size_text(self, instrument: Instrument, lots: int) -> str:
        """`500 lots (0.50)`: lots, and units of the underlying where the scale is known."""
        scale = self.ticks_per_unit.get(instrument.feed, 0)
        units = f" ({in_units(lots * instrument.micros_per_tick * scale)})" if scale > 0 else ""
        return f"{lots:,} lots{units}"

    def notional_text(self, instrument: Instrument, lots: int, ticks: int) -> str:
        """What so many lots cost at a price, in currency: of an option its premium."""
        return f"{in_units(lots * ticks * instrument.micros_per_tick)} {self.currency(instrument)}".rstrip()


def price_in_units(ticks: str | int, scale: int) -> str:
    """Ticks, of which `scale` make a unit, in units, exactly; as ticks where no decimals say it or the scale is 0."""
    for decimals in range(PRICE_DECIMALS_MAX + 1) if scale > 0 else ():
        if 10**decimals % scale == 0:
            return in_units(int(ticks) * 10**decimals // scale, decimals)
    return f"{int(ticks):,} ticks"


def is_id(text: str) -> bool:
    """Whether an account or member is written as its id."""
    return text.isascii() and text.isdigit() and len(text) <= 19


def _own_accounts(member: MemberTerms) -> list[int]:
    return [each.id for each in member.accounts if each.kind is AccountKind.HOUSE]


def _only(what: str, text: str, found: Sequence[T], names: Iterable[str]) -> T:
    if len(found) != 1:
        raise _not_found(what, text, found, names)
    return found[0]


def _not_found(what: str, text: str, found: Sequence[object], names: Iterable[str]) -> ValueError:
    why = "several have this name: give its id" if found else f"listed: {_some(names)}"
    return ValueError(f"no single {what} {text[:80]!r}; {why}")


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:NAMES_SHOWN]) + (", …" if len(listed) > NAMES_SHOWN else "") or "nothing"

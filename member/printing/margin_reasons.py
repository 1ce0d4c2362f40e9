"""Why a term of a margin is what it is, in words made of its own inputs.

Rule: sizes, holdings and prices are in units where a `Listing` has them, else in lots, clearing units and micros.
"""

from collections.abc import Callable, Mapping

from member.api.margin import PartView, TermView
from member.notation.amounts import in_units, percent
from member.notation.listing import Listing

GROUP_LOSS = "group_loss"


def term_reason(term: TermView | PartView, listing: Listing | None = None) -> str:
    """Why a term is what it is, out of its inputs; the inputs themselves where a node shows others."""
    try:
        in_words = _in_units(term, listing) if listing is not None else {}
        words = _REASONS[term.name]({**term.inputs, **in_words})
    except (KeyError, ValueError, ZeroDivisionError):
        words = ", ".join(f"{name} {value}" for name, value in term.inputs.items())
    return words


_SIZE, _HOLDING, _PRICE = " size", " holding", " price"
"""Written in units, beside the inputs, none of which has such a name."""


def _in_units(term: TermView | PartView, listing: Listing) -> dict[str, str]:
    """Lots, clearing units and the price of one, in units of what the term is of."""
    found, inputs = {}, term.inputs
    instrument = next((each for each in listing.terms.instruments if each.name == term.of), None)
    if instrument is not None and "lots" in inputs:
        found[_SIZE] = listing.size_text(instrument, abs(int(inputs["lots"])))
    asset = next((each for each in listing.terms.assets if each.name == term.of), None)
    if asset is not None and "units" in inputs:
        found[_HOLDING] = listing.units_text(asset.id, inputs["units"])
        per_unit = int(inputs.get("micros_per_unit", "0"))
        found[_PRICE] = f"{in_units(per_unit * 10**asset.unit_decimals)} a token"
    return found


def _ppm(inputs: Mapping[str, str], name: str) -> str:
    return percent(int(inputs[name]))


def _lots(inputs: Mapping[str, str]) -> str:
    lots = int(inputs["lots"])
    return f"{inputs.get(_SIZE, f'{abs(lots):,} lots')} {'long' if lots > 0 else 'short'}"


def _held(inputs: Mapping[str, str]) -> str:
    return inputs[_HOLDING] if _HOLDING in inputs else f"{int(inputs['units']):,} units"


def _priced(inputs: Mapping[str, str]) -> str:
    return inputs[_PRICE] if _PRICE in inputs else f"{inputs['micros_per_unit']} micros a unit"


def _collateral(inputs: Mapping[str, str]) -> str:
    haircut = _ppm(inputs, "haircut_ppm")
    return f"{_held(inputs)} at {_priced(inputs)}, after a haircut of {haircut}"


def _group_loss(inputs: Mapping[str, str]) -> str:
    move = move_text(inputs["move"], inputs["of"], int(inputs["range_ppm"]))
    volatility = volatility_text(int(inputs["volatility_direction"]), int(inputs["volatility_range_ppm"]))
    weight = "" if inputs["weight_ppm"] == "1000000" else f", counted at {_ppm(inputs, 'weight_ppm')}"
    return f"worst of {inputs['scenarios']} scenarios is {inputs['scenario']}: index {move}{volatility}{weight}"


def move_text(move: str, of: str, range_ppm: int) -> str:
    """A fraction of the index or of the group's range as a move of the index."""
    numerator, denominator = map(int, move.split("/"))
    ppm = (1_000_000 if of == "index" else range_ppm) * abs(numerator) // denominator
    return f"{'up' if numerator > 0 else 'down'} {percent(ppm)}" if ppm else "unmoved"


def volatility_text(direction: int, range_ppm: int) -> str:
    """How a scenario moves the volatility; nothing where it does not."""
    turned = {1: "up", -1: "down"}.get(direction)
    return f", volatility {turned} by its range of {percent(range_ppm)}" if turned else ""


def _credit(inputs: Mapping[str, str]) -> str:
    groups, shortfall = in_units(inputs["sum_of_groups"]), in_units(inputs["expected_shortfall"])
    return (
        f"groups lose {groups} apart and {shortfall} together in the worst {inputs['tail']} of"
        f" {inputs['scenarios']} joint scenarios; {_ppm(inputs, 'weight_ppm')} of the difference counts"
    )


def _short_options(inputs: Mapping[str, str]) -> str:
    least, loss = in_units(inputs["short_option_minimum"]), in_units(inputs["scenario_loss"])
    return f"short options cost at least {_ppm(inputs, 'ppm')} of their notional: {least}, and scenarios {loss}"


def _net_charge(inputs: Mapping[str, str]) -> str:
    return "on " + ", ".join(f"{int(lots):,} of {name}" for name, lots in inputs.items())


_REASONS: dict[str, Callable[[Mapping[str, str]], str]] = {
    "cash": lambda _: "in the ledger",
    "collateral": _collateral,
    "position": lambda inputs: f"the value of {_lots(inputs)} at the mark",
    GROUP_LOSS: _group_loss,
    "position_loss": lambda inputs: f"{_lots(inputs)}, {in_units(inputs['micros_per_lot'])} a lot",
    "collateral_loss": lambda inputs: f"{_held(inputs)}, {_priced(inputs)}",
    "short_option_minimum": _short_options,
    "inter_group_credit": _credit,
    "lot_charge": lambda inputs: f"closing {_lots(inputs)}, {in_units(inputs['micros_per_lot'])} a lot",
    "impact": lambda inputs: f"the market's move when {_lots(inputs)} are closed",
    "concentration": lambda inputs: f"a further haircut on a large holding: {_held(inputs)}",
    "basis_charge": _net_charge,
    "net_delta_charge": _net_charge,
    "net_vega_charge": _net_charge,
}

"""`DisclosureReport`: one day, field by field with definition and figures, also as CSV.

Rule: every field of `FIELDS` is there once, with at least one figure, or with the reason why it does not apply.
"""

import csv
import io
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec

from clearing.base.codec import U63
from clearing.base.units import DAY_MS, PPM
from clearing.schema.receipts.default import WaterfallLayer
from clearing.schema.terms.default import FundSizing
from clearing.state.effective_parameters import effective_assets
from clearing.state.state import State
from lab.disclosures import close_figures as close
from lab.disclosures import model_figures as model
from lab.disclosures.fields import FIELDS
from lab.disclosures.observed_day import ObservedDay, with_affiliates
from lab.disclosures.resources import (
    active_required,
    assessments_left,
    contributions,
    house_micros,
    posted_micros,
    prefunded_micros,
)
from member.api.types import Body, hexed

SOURCE = "CPMI-IOSCO, Public quantitative disclosure standards for central counterparties, February 2015"


class Figure(Body, frozen=True):
    """One figure of a field. A value is a whole number or text."""

    item: str
    """What it is of: "" where the field has one figure."""
    value: str
    unit: str
    """micros, ppm, ms, units, blocks, count, days, observations or text."""


class FieldReport(Body, frozen=True):
    """One field."""

    number: str
    title: str
    definition: str
    reason: str
    """Why it does not apply; then it has no figures."""
    figures: tuple[Figure, ...]
    unit: str
    """What houses state it in: currency, percentage, days, count, date or text."""
    period: str
    """What time houses report it for."""


class DisclosureReport(Body, frozen=True):
    """One day."""

    source: str
    network: str
    day: str
    """YYYY-MM-DD in UTC, by block time."""
    complete: bool
    """Whether the day was over; else figures are those of the blocks so far."""
    first_height: U63
    last_height: U63
    fields: tuple[FieldReport, ...]
    attested: dict[str, str] = msgspec.field(default_factory=dict)
    """Of a block log: height, hash and time of the header that the figures rest on."""
    not_proven: tuple[str, ...] = ()
    """Of a block log: what stays the caller's word."""

    def value(self, number: str, item: str = "") -> str:
        """One figure. Raises KeyError."""
        for field in self.fields:
            for figure in field.figures if field.number == number else ():
                if figure.item == item:
                    return figure.value
        raise KeyError(f"{number} {item}")


Figures = Iterable[tuple[str, int | str, str]]


def disclosure_report(state: State, observed: ObservedDay, *, complete: bool) -> DisclosureReport:
    """`state`: after the day's last block. Closes `observed`. Raises KeyError for a field without a rule."""
    observed.close(state)
    fields = []
    for field in FIELDS:
        figures = () if field.reason else FIGURES[field.number](state, observed)
        fields.append(
            FieldReport(
                number=field.number,
                title=field.title,
                definition=field.definition,
                reason=field.reason,
                figures=tuple(Figure(item=item, value=str(value), unit=unit) for item, value, unit in figures),
                unit=field.unit,
                period=field.period,
            )
        )
    return DisclosureReport(
        source=SOURCE,
        network=hexed(state.terms.network),
        day=datetime.fromtimestamp(observed.day * DAY_MS // 1000, UTC).date().isoformat(),
        complete=complete,
        first_height=observed.first_height,
        last_height=observed.last_height,
        fields=tuple(fields),
    )


def _micros(value: int) -> Figures:
    return (("", value, "micros"),)


def _text(value: str) -> Figures:
    return (("", value, "text"),)


def _count(value: int, unit: str = "count") -> Figures:
    return (("", value, unit),)


def _commitments(state: State, _: ObservedDay) -> Figures:
    return _micros(sum(active_required(state).values()) if state.terms.crisis.default.replenishment_blocks else 0)


def _prefunded(state: State, _: ObservedDay) -> Figures:
    yield "pre_haircut", prefunded_micros(state), "micros"
    yield "post_haircut", prefunded_micros(state), "micros"


def _of_day(micros: int) -> Figures:
    """Peak and mean over the days of a period; of one day both are its amount."""
    yield "peak_day", micros, "micros"
    yield "mean_day", micros, "micros"


def _cover(state: State, _: ObservedDay) -> Figures:
    sizing = state.terms.crisis.fund.sizing
    yield "", "cover 2" if sizing == FundSizing.COVER_TWO else "the largest, or the next two", "text"


def _falls(state: State, observed: ObservedDay) -> Figures:
    for token in effective_assets(state):
        fell = observed.fell_below_haircut(token.feed, observed.opening_haircuts.get(token.id, token.haircut_ppm))
        yield token.name, int(fell), "days"


def _coverage(_: State, observed: ObservedDay) -> Figures:
    good, of = observed.observations - len(observed.uncovered), observed.observations
    return _count(good * PPM // of if of else PPM, "ppm")


def _variation_paid(observed: ObservedDay) -> int:
    return sum(max(-micros, 0) for micros in observed.variation_by_member.values())


def _variation(_: State, observed: ObservedDay) -> Figures:
    yield "net_by_member", _variation_paid(observed), "micros"
    yield "net_by_account_and_block", observed.variation_by_block, "micros"


def _largest_variation(_: State, observed: ObservedDay) -> Figures:
    yield "net_by_member", _variation_paid(observed), "micros"
    yield "largest_block", observed.variation_largest_block, "micros"


def _obligations(state: State, observed: ObservedDay) -> Figures:
    paid = {member: -micros for member, micros in observed.variation_by_member.items()}
    yield "variation_margin", max([0, *with_affiliates(state, paid).values()]), "micros"
    for asset in state.terms.genesis.assets:
        if asset.is_cash:
            yield f"withdrawn/{asset.name}/day", observed.withdrawn.get(asset.id, 0), "units"
            yield f"withdrawn/{asset.name}/largest_block", observed.withdrawn_largest_block.get(asset.id, 0), "units"


def _losses(_: State, observed: ObservedDay) -> Figures:
    yield "defaults_ended", len(observed.ended), "count"
    for default in observed.ended:
        yield f"default_{default.number}/loss", default.loss, "micros"
        initial = "not observed" if default.initial is None else default.initial
        yield f"default_{default.number}/initial_margin", initial, "text" if default.initial is None else "micros"


def _layers(_: State, observed: ObservedDay) -> Figures:
    yield "defaults_ended", len(observed.ended), "count"
    for default in observed.ended:
        for layer, micros in default.by_layer:
            yield f"default_{default.number}/{WaterfallLayer(layer).name.lower()}", micros, "micros"


def _share_of_clients(accounts: int, observed: ObservedDay) -> Figures:
    yield "accounts", accounts, "count"
    of = observed.closed_out + observed.ported
    if of:
        yield "share", accounts * PPM // of, "ppm"


def _average_uncovered(observed: ObservedDay) -> int:
    return sum(observed.uncovered) // len(observed.uncovered) if observed.uncovered else 0


Rule = Callable[[State, ObservedDay], Figures]
FIGURES: dict[str, Rule] = {
    "4.1.1": lambda state, _: _micros(house_micros(state)),
    "4.1.4": lambda state, _: _micros(sum(record.required for record in contributions(state).values())),
    "4.1.5": lambda state, _: _micros(posted_micros(state)),
    "4.1.8": lambda state, _: _micros(assessments_left(state)),
    "4.1.9": _commitments,
    "4.3.14": _prefunded,
    "4.3.15": _prefunded,
    "4.4.1": _cover,
    "4.4.2": lambda state, _: model.close_out_of_default(state),
    "4.4.3": lambda _, observed: _of_day(observed.stress_one.micros),
    "4.4.4": lambda _, observed: _count(int(observed.stress_one.excess > 0), "days"),
    "4.4.5": lambda _, observed: _micros(observed.stress_one.excess),
    "4.4.6": lambda _, observed: _of_day(observed.exposure_one),
    "4.4.7": lambda _, observed: _of_day(observed.stress_two.micros),
    "4.4.8": lambda _, observed: _count(int(observed.stress_two.excess > 0), "days"),
    "4.4.9": lambda _, observed: _micros(observed.stress_two.excess),
    "4.4.10": lambda _, observed: _of_day(observed.exposure_two),
    "5.1.1": lambda state, _: close.eligible_assets(state),
    "5.2.1": lambda state, _: close.fund_assets(state),
    "5.3.1": lambda state, _: model.haircut_confidence(state),
    "5.3.2": lambda state, _: model.haircut_holding(state),
    "5.3.3": lambda _, __: _count(1, "days"),
    "5.3.4": _falls,
    "6.1.1": lambda state, _: close.margin_required(state),
    "6.2.14": lambda state, _: close.margin_held(state),
    "6.2.15": lambda state, _: close.total_margin_held(state),
    "6.3.1": lambda state, _: close.margin_rates(state),
    "6.4.1": lambda state, _: model.model_type(state),
    "6.4.3": lambda state, _: model.model_name(state),
    "6.4.5": lambda state, _: model.confidence(state),
    "6.4.7": lambda state, _: model.look_back(state),
    "6.4.9": lambda state, _: model.adjustments(state),
    "6.4.11": lambda state, _: model.close_out_period(state),
    "6.4.13": lambda _, __: _text("6.3.1 of this report; crossclear margin explain"),
    "6.4.14": lambda state, _: model.reviews(state),
    "6.5.1.1": lambda _, observed: _count(len(observed.uncovered)),
    "6.5.1.2": lambda state, _: _count(state.terms.genesis.ranges.horizon_ms, "ms"),
    "6.5.2": lambda _, observed: _count(observed.observations, "observations"),
    "6.5.3": _coverage,
    "6.5.4": lambda _, observed: _micros(max(observed.uncovered, default=0)),
    "6.5.5": lambda _, observed: _micros(_average_uncovered(observed)),
    "6.6.1": _variation,
    "6.7.1": _largest_variation,
    "6.8.1": lambda _, observed: _micros(observed.calls_micros),
    "7.1.9": lambda state, _: close.liquid_resources(state),
    "7.1.10": lambda _, __: _text("no"),
    "7.1.11": lambda _, __: _text("docs/explanation/withdrawal-controls.md"),
    "7.3.4": _obligations,
    "13.1.1": _losses,
    "13.1.2": _layers,
    "13.1.3.1": lambda _, observed: _share_of_clients(observed.closed_out, observed),
    "13.1.3.2": lambda _, observed: _share_of_clients(observed.ported, observed),
    "13.1.4": lambda _, __: _text("crossclear waterfall explain; crossclear fund explain"),
    "14.1.1": lambda state, _: close.client_positions(state),
}

COLUMNS = ("day", "field", "title", "item", "value", "unit", "definition", "reason", "field_unit", "field_period")


def as_csv(report: DisclosureReport) -> str:
    """One table: a row for every figure, and one for every field that does not apply."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for field in report.fields:
        base = {"day": report.day, "field": field.number, "title": field.title}
        base |= {"field_unit": field.unit, "field_period": field.period}
        for figure in field.figures:
            shown = {"item": figure.item, "value": figure.value, "unit": figure.unit}
            writer.writerow(base | shown | {"definition": field.definition})
        if not field.figures:
            writer.writerow(base | {"definition": field.definition, "reason": field.reason})
    return text.getvalue()

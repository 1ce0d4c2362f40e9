"""An account's margin as text: amounts in currency with their shares, a reason for each term, and parts on demand."""

import msgspec
import pytest

from clearing.margin_explanation import collect_margin_inputs
from member.api.margin import MarginView, TermView
from member.notation.amounts import in_units, parse_amount
from member.notation.listing import Listing
from member.printing.accounts import group_names, margin_text, term_names
from member.printing.margin_reasons import term_reason
from node.api.margin import margin_view
from tests.kit.clearing.genesis import ALICE, BOB, BTC, CAROL
from tests.kit.clearing.margined import ACCOUNTS, traded


@pytest.fixture(scope="module")
def views() -> dict[int, MarginView]:
    """Of accounts with positions in every instrument, under every term of the requirement."""
    state = traded().state
    return {account: margin_view(collect_margin_inputs(state, account)) for account in ACCOUNTS}


def rows(text: str, title: str) -> list[str]:
    """The lines of one table, without its head."""
    lines = text.splitlines()
    start = next(
        at for at, line in enumerate(lines) if line.startswith(f"{title} ") and line.rstrip().endswith("share")
    )
    block = lines[start + 1 :]
    return block[: block.index("")] if "" in block else block


@pytest.mark.parametrize("account", [ALICE, BOB, CAROL])
def test_the_terms_shown_sum_to_what_is_shown_below_them(views: dict[int, MarginView], account: int) -> None:
    text = margin_text(views[account])
    for title, terms, total in (
        ("equity", views[account].equity, views[account].equity_micros),
        ("initial margin", views[account].requirement, views[account].initial_margin_micros),
    ):
        *shown, last = rows(text, title)
        assert last.split() == ["sum", in_units(total)]
        assert len(shown) == len(terms)
        for line, term in zip(shown, terms, strict=True):
            assert in_units(term.amount_micros) in line.split()
            assert line.endswith(term_reason(term))


def test_every_term_has_its_reason_in_words(views: dict[int, MarginView]) -> None:
    seen: set[str] = set()
    for view in views.values():
        for term in (*view.equity, *view.requirement):
            for each in (term, *term.parts):
                assert each.inputs
                assert "_" not in term_reason(each), each
                seen.add(each.name)
    assert {"cash", "collateral", "position", "group_loss", "position_loss", "lot_charge", "impact"} < seen
    assert {"inter_group_credit", "concentration"} < seen


@pytest.mark.parametrize(
    ("name", "inputs", "words"),
    [
        (
            "short_option_minimum",
            {"short_option_minimum": "2000000", "scenario_loss": "500000", "ppm": "30000"},
            "short options cost at least 3.00 % of their notional: 2.00, and scenarios 0.50",
        ),
        ("collateral_loss", {"units": "1500", "micros_per_unit": "-7"}, "1,500 units, -7 micros a unit"),
        ("basis_charge", {"BTC-PERP": "-6000", "BTC-FUT": "5"}, "on -6,000 of BTC-PERP, 5 of BTC-FUT"),
        ("net_vega_charge", {"BTC-CALL": "1"}, "on 1 of BTC-CALL"),
    ],
)
def test_a_rare_term_has_its_reason_too(name: str, inputs: dict[str, str], words: str) -> None:
    assert term_reason(TermView(name=name, of="", amount_micros="1", inputs=inputs, source="", rounding="")) == words


def test_a_term_that_is_not_known_shows_its_inputs(views: dict[int, MarginView]) -> None:
    term = views[ALICE].requirement[0]
    unknown = msgspec.structs.replace(term, name="of_a_later_release", inputs={"a": "1", "b": "x"})
    assert term_reason(unknown) == "a 1, b x"
    lacking = TermView(name="impact", of="", amount_micros="1", inputs={}, source="", rounding="")
    assert term_reason(lacking) == ""


def test_a_group_is_drilled_into_with_its_positions(views: dict[int, MarginView]) -> None:
    view = views[ALICE]
    assert group_names(view) == ("BTC", "ETH")
    text = margin_text(view, group="BTC")
    assert "  position loss BTC-PERP" in text
    assert "impact BTC-PERP" in text
    assert "ETH" not in text
    assert "cash" not in text
    assert "greeks" not in text
    shown = [line.split() for line in rows(text, "initial margin")]
    parts = sum(parse_amount(line[3], 6) for line in shown if line[:2] == ["position", "loss"])
    (loss,) = [term for term in view.requirement if (term.name, term.of) == ("group_loss", "BTC")]
    assert parts == int(loss.amount_micros)


def test_a_term_is_drilled_into_by_its_name_with_or_without_its_line(views: dict[int, MarginView]) -> None:
    view = views[ALICE]
    assert "group_loss" in term_names(view)
    text = margin_text(view, term="group_loss")
    assert text == margin_text(view, term="group loss")
    assert {line.split()[0] for line in rows(text, "initial margin")} == {"group", "position"}


def test_detail_has_inputs_source_and_rounding_in_integers(views: dict[int, MarginView]) -> None:
    view = views[ALICE]
    text = margin_text(view, detail=True)
    for term in (*view.equity, *view.requirement):
        assert f"{term.name} {term.of} {term.amount_micros}: " in text
        assert term.source in text
        assert term.rounding in text


@pytest.mark.parametrize("chosen", [{"group": "SOL"}, {"term": "nothing"}, {"group": "ETH", "term": "cash"}])
def test_what_the_margin_does_not_have_is_refused_with_what_it_has(
    views: dict[int, MarginView], chosen: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="it has"):
        margin_text(views[ALICE], **chosen)  # type: ignore[arg-type]


LISTING = Listing(traded().state.terms.genesis, {BTC: 100})


def test_liquidation_prices_are_in_units_where_the_scale_is_known(views: dict[int, MarginView]) -> None:
    view = views[ALICE]
    (price,) = [each for each in view.liquidation if each.feed == BTC]
    assert price.below_ticks is not None
    assert f"falls to {int(price.below_ticks):,} ticks" in margin_text(view)
    assert f"falls to {in_units(price.below_ticks, 2)}, " in margin_text(view, listing=LISTING)


def test_reasons_are_in_units_where_a_listing_has_them() -> None:
    def reason(name: str, of: str, **inputs: str) -> str:
        term = TermView(name=name, of=of, amount_micros="1", inputs=inputs, source="", rounding="")
        return term_reason(term, LISTING)

    held = {"units": "2500000", "micros_per_unit": "1500", "haircut_ppm": "100000"}
    assert reason("collateral", "WETH-1", **held) == "2.50 WETH-1 at 1,500.00 a token, after a haircut of 10.00 %"
    assert reason("collateral_loss", "WETH-1", **held) == "2.50 WETH-1, 1,500.00 a token"
    assert reason("concentration", "WETH-1", units="1") == "a further haircut on a large holding: 0.000001 WETH-1"
    lots = {"lots": "-1500", "micros_per_lot": "250000"}
    assert reason("lot_charge", "BTC-PERP", **lots) == "closing 1,500 lots (1.50) short, 0.25 a lot"
    assert reason("lot_charge", "ETH-PERP", **lots) == "closing 1,500 lots short, 0.25 a lot"
    assert reason("collateral", "DAI", **held).startswith("2,500,000 units at 1500 micros a unit")


def test_what_is_not_covered_is_said(views: dict[int, MarginView]) -> None:
    view = msgspec.structs.replace(views[ALICE], initial_ok=False, maintenance_ok=False)
    assert margin_text(view).count("NOT COVERED") == 2


@pytest.mark.parametrize("account", [ALICE, BOB, CAROL])
def test_a_group_loses_what_its_worst_scenario_does_and_nothing_below_zero(
    views: dict[int, MarginView], account: int
) -> None:
    losses = [term for term in views[account].requirement if term.name == "group_loss"]
    assert losses
    for term in losses:
        amounts = [int(each.amount_micros) for each in term.scenarios]
        assert [each.number for each in term.scenarios] == list(range(1, 1 + int(term.inputs["scenarios"])))
        assert int(term.amount_micros) == max(0, *amounts)
        worst = term.scenarios[int(term.inputs["scenario"]) - 1]
        assert (worst.move, int(worst.amount_micros)) == (term.inputs["move"], max(amounts))
        assert all(part.amount_micros for part in term.parts)


def test_every_scenario_of_a_group_is_shown_on_demand(views: dict[int, MarginView]) -> None:
    view = views[ALICE]
    text = margin_text(view, group="BTC", scenarios=True)
    lines = text.splitlines()
    shown = lines[next(at for at, line in enumerate(lines) if line.startswith("scenarios of BTC")) + 1 :]
    (loss,) = [term for term in view.requirement if (term.name, term.of) == ("group_loss", "BTC")]
    assert len(shown) == len(loss.scenarios) == 16
    (worst,) = [line.split() for line in shown if line.endswith("counts")]
    assert worst[0] == loss.inputs["scenario"]
    assert in_units(loss.amount_micros) in worst
    assert sum("up 6.6666 %" in line for line in shown) == sum("down 6.6666 %" in line for line in shown) == 2
    assert "scenarios of ETH" in margin_text(view, scenarios=True)
    assert "scenarios of" not in margin_text(view)

"""Amounts as a member writes them: exact both ways, and more decimals than there are is refused."""

import pytest

from member.notation.amounts import in_units, parse_amount, parse_percent, percent, share, split_amount


@pytest.mark.parametrize(
    ("text", "decimals", "amount"),
    [
        ("0", 6, 0),
        ("250.5", 6, 250_500_000),
        ("1,234.56789", 6, 1_234_567_890),
        ("+1", 2, 100),
        ("-0.000001", 6, -1),
        ("1.500", 1, 15),
        ("7", 0, 7),
        ("0.000000000000000001", 18, 1),
    ],
)
def test_an_amount_in_units_is_read_exactly(text: str, decimals: int, amount: int) -> None:
    assert parse_amount(text, decimals) == amount
    assert parse_amount(in_units(amount, decimals), decimals) == amount


@pytest.mark.parametrize("text", ["", ".5", "5.", "1e6", "1_000", "12,34", "--1", "0x1", "١", "1 2", "NaN", "9" * 41])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a number"):
        parse_amount(text, 6)


def test_more_decimals_than_there_are_is_refused_and_not_rounded() -> None:
    with pytest.raises(ValueError, match="more than 6 decimals"):
        parse_amount("1.0000001", 6)


@pytest.mark.parametrize(
    ("amount", "decimals", "text"),
    [
        ("0", 6, "0.00"),
        ("1234567890", 6, "1,234.56789"),
        ("-1", 6, "-0.000001"),
        ("-1500000", 6, "-1.50"),
        ("7", 0, "7"),
        ("15", 1, "1.5"),
        (str(10**30), 6, f"{10**24:,}.00"),
    ],
)
def test_an_amount_is_exact_in_units(amount: str, decimals: int, text: str) -> None:
    assert in_units(amount, decimals) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(1, 3, "33.3 %"), (2, 3, "66.7 %"), (-1, 4, "-25.0 %"), (1, 0, "-"), (1, -5, "-")]
)
def test_a_share_is_rounded_to_a_tenth(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text


def test_a_percentage_is_read_in_millionths() -> None:
    assert parse_percent("12.5%") == parse_percent("12.5 %") == parse_percent("12.5") == 125_000
    assert percent(125_000) == "12.50 %"
    with pytest.raises(ValueError, match="4 decimals"):
        parse_percent("0.00001")


def test_an_amount_comes_with_its_token() -> None:
    assert split_amount(" 250.5  USDC ") == ("250.5", "USDC")
    for text in ("250.5", "USDC", "1 2 USDC", ""):
        with pytest.raises(ValueError, match="one argument"):
            split_amount(text)

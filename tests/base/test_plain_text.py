"""Which characters of a stranger are shown as they are, and what becomes of the others."""

import unicodedata
from itertools import pairwise

import pytest

from clearing.base.plain_text import SHOWN, one_line, plain_json, several_lines
from tests.kit.member.hostile_text import is_plain

HIDDEN = {
    "a combining grapheme joiner": "\u034f",
    "a filler of Hangul": "\u115f",
    "another filler of Hangul": "\u3164",
    "a halfwidth filler": "\uffa0",
    "a vowel that is not seen": "\u17b4",
    "a variation selector": "\ufe0f",
    "a variation selector far away": "\U000e0100",
    "an empty Braille pattern": "\u2800",
    "a letter of Hebrew": "\u05d0",
    "a letter of Arabic": "\u0627",
    "a number sign of Arabic": "\u0600",
    "a stroke through the letter before": "\u0336",
    "a joiner": "\u200d",
    "a soft hyphen": "\u00ad",
    "a space that does not break": "\u00a0",
    "a line separator": "\u2028",
    "a tag": "\U000e0041",
    "a line end": "\n",
    "half of a pair": "\ud800",
    "what is no character": "\uffff",
    "a picture": "\U0001f600",
}


@pytest.mark.parametrize("what", HIDDEN)
def test_a_character_that_hides_or_steers_is_printed_as_its_number(what):
    letter = HIDDEN[what]
    escaped = f"\\u{ord(letter):04x}"
    assert one_line(f"a{letter}b") == f"a{escaped}b"
    assert several_lines(f"a{letter}b") == ("a\nb" if letter == "\n" else f"a{escaped}b")
    assert is_plain(plain_json(f'"a{letter}b"').replace("\n", ""))


@pytest.mark.parametrize(
    "text", ["BTC-PERP", "Müller & Söhne", "Σ ζ·ω − 1 ≥ 0…", "Żółć", "Банк", "東京", "서울", "C:\\users"]
)
def test_names_of_many_languages_are_printed_as_they_are(text):
    assert one_line(text) == several_lines(text) == text


def test_the_list_rises_and_has_only_what_is_seen_from_left_to_right():
    for (first, last), (after, _) in pairwise((*SHOWN, (0x110000, 0))):
        assert first <= last < after
        text = "".join(map(chr, range(first, last + 1)))
        assert is_plain(text)
        assert not any(map(unicodedata.combining, text))
        assert one_line(text) == text

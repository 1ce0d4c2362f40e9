"""Concentration of the default fund's providers: the share of the largest, of the five largest, and Herfindahl's index.

Rule: shares of what is paid in, in millionths, rounded down; the index is the sum of the squares of exact shares, from
1,000,000 / n where all n pay the same to 1,000,000 where one pays all. Source: Herfindahl-Hirschman index.
"""

from collections.abc import Mapping

from clearing.base.codec import U32, U63
from clearing.base.units import PPM
from member.api.types import Body

LARGEST = 5


class Concentration(Body, frozen=True):
    """Of one kind of figure by member."""

    total: U63
    providers: U32
    """Members with more than nothing."""
    largest_member: U63
    largest_ppm: U32
    largest_five_ppm: U32
    herfindahl_ppm: U32


def concentration(micros: Mapping[int, int]) -> Concentration:
    """Of figures by member; all zeros where there is nothing."""
    ordered = sorted(((amount, -member) for member, amount in micros.items() if amount > 0), reverse=True)
    total = sum(amount for amount, _ in ordered)
    if not total:
        return Concentration(
            total=0, providers=0, largest_member=0, largest_ppm=0, largest_five_ppm=0, herfindahl_ppm=0
        )
    return Concentration(
        total=total,
        providers=len(ordered),
        largest_member=-ordered[0][1],
        largest_ppm=ordered[0][0] * PPM // total,
        largest_five_ppm=sum(amount for amount, _ in ordered[:LARGEST]) * PPM // total,
        herfindahl_ppm=sum(amount * amount for amount, _ in ordered) * PPM // (total * total),
    )

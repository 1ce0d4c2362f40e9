"""Claims: what validators say about one event, and with which power they agree.

Rule: one word per validator, ordered by validator; only equal facts count together.
"""

from clearing.facts import Fact
from clearing.state.records import Attestation, Claim


def add_word(claim: Claim | None, word: Attestation) -> Claim:
    """The claim with this validator's word in place of its earlier one; ordered by validator."""
    others = [each for each in (claim.attestations if claim else ()) if each.validator != word.validator]
    return Claim(tuple(sorted((*others, word), key=lambda each: each.validator)))


def agreed_power(claim: Claim, fact: Fact) -> int:
    """Power of those whose fact is equal to this one."""
    return sum(each.power for each in claim.attestations if each.fact == fact)

"""Whatever a quorum says otherwise is refused, or changes the words of the verdict: every field, a sample of values.

`python -m tests.proofs.every_field` tries all of them, two at once too, in every verifier.
"""

import random
from collections import defaultdict
from functools import cache

import pytest

from proofs.epoch.package import read_package
from proofs.verify import attestations, package_verifier
from proofs.verify.attestations import attested
from tests.kit.proofs.every_field import Findings, Sweep, taken_as_proven
from tests.kit.proofs.field_walk import fields_of_types, places_of
from tests.kit.proofs.named_bases import base_of
from tests.kit.proofs.proven_again import proven_again, verified

ALIKE = ("averages", "collateral inside", "expired", "moves of history", "net charges", "no evidence", "short tokens")
"""Bases on a small domain that have every field between them."""
NOT_MET = {"DepositCursor.chain_id", "DepositCursor.vault", "DepositCursor.nonce"}
"""A header's cursors are nothing that a package says something of; histories compare them."""
IMPLIED = {"live_surface", "unmarked", "rate_ticks", "block_time_s", "evm_possessions"}
"""The first two say that other words are missing, the third follows from an index, the next from a block's hash, and of
the last no quorum decides."""
FIELDS = {
    "header_time_ms": "Header.time_ms",
    "header_height": "Header.height",
    "snapshot_height": "RiskStatement.height",
    "epoch": "RiskStatement.epoch",
    "accounts_root": "EpochPackage.commitments[][]",
    "valuation_time_ms": "Rulebook.time_ms",
    "index": "FeedLevel.ticks",
    "settled": "FeedLevel.ticks",
    "mark": "MarkPrice.ticks",
    "average_ticks_ms": "AverageSoFar.weighted_ticks",
    "average_covered_ms": "AverageSoFar.covered_ms",
    "haircut_ppm": "Asset.haircut_ppm",
    "range_ppm": "RiskGroup.range_ppm",
    "volatility_ppm": "RiskGroup.volatility_ppm",
    "volatility_range_ppm": "RiskGroup.volatility_range_ppm",
    "forward_ppb": "ExpiryCarry.forward_ppb",
    "rate_ppm": "ExpiryCarry.rate_ppm",
    "level_ppm": "VolPillar.level_ppm",
    "skew_ppm": "VolPillar.skew_ppm",
    "wing_ppm": "VolPillar.wing_ppm",
    "joint_credit": "JointScenario.columns[]",
    "historical_moves": "HistoricalMove.price_ppm",
    "members": "CoverTerms.members[][]",
    "block": "CustodyTerm.block_number",
    "released": "CustodyTerm.released",
    "later": "CustodyTerm.later",
    "strays": "CustodyTerm.strays",
    "dust": "CustodyTerm.dust",
    "deposited": "CustodyTerm.deposited",
    "withdrawn": "CustodyTerm.withdrawn",
    "balance": "CustodyTerm.balance",
}
"""A field that each kind of word names."""


@pytest.fixture(autouse=True)
def _taken_as_proven():
    with taken_as_proven():
        yield


@cache
def swept(name):
    """What was seen of one value of each field, and of some pairs."""
    sweep, findings, chance = Sweep(base_of(name)), Findings(base_of(name)), random.Random(17)
    for mutation in sweep.sample(chance, 1):
        for mutant in sweep.made(mutation):
            findings.add(mutant)
    drawn = sweep.pairs(chance)
    for _ in range(15):
        for mutant in sweep.made(*next(drawn)):
            findings.add(mutant)
    return findings


def test_the_walk_meets_every_field_of_every_type():
    met = {place.field for name in ALIKE for place in places_of(base_of(name).data)}
    assert fields_of_types() - met == NOT_MET
    assert len(met) > 250


@pytest.mark.parametrize("name", ALIKE)
def test_no_field_hides_what_a_quorum_changed(name):
    findings = swept(name)
    assert findings.unnamed == []
    assert findings.cases > 250
    assert findings.accepted > 20
    assert len(findings.refused) >= 6


@cache
def kinds_of_words():
    """Each kind of word, and the bases that have it."""
    found = defaultdict(list)
    for name in ALIKE:
        base = base_of(name)
        for word, _ in attested(read_package(base.data), genesis=base.genesis):
            if name not in found[kind := word.split(":")[0]]:
                found[kind].append(name)
    return found


def test_each_kind_of_word_has_a_field():
    assert set(kinds_of_words()) == set(FIELDS) | IMPLIED


@pytest.mark.parametrize("kind", FIELDS)
def test_the_sweep_finds_a_word_that_is_left_out(monkeypatch, kind):
    def without(*package, **known):
        return tuple(word for word in attestations.attested(*package, **known) if word[0].split(":")[0] != kind)

    monkeypatch.setattr(package_verifier, "attested", without)
    assert any(is_found(name, FIELDS[kind]) for name in kinds_of_words()[kind])


def is_found(name, field):
    """Whether some value of a field of this base is a finding."""
    sweep, findings = Sweep(base_of(name)), Findings(base_of(name))
    for mutation in sweep.of_field(field):
        for mutant in sweep.made(mutation):
            findings.add(mutant)
        if findings.unnamed:
            return True
    return False


@pytest.mark.parametrize("name", ["expired", "short tokens"])
def test_what_was_taken_as_proven_can_be_proven(monkeypatch, name):
    monkeypatch.undo()
    base, accepted = base_of(name), swept(name).accepted_files
    chosen = random.Random(5).sample(accepted, 2)
    for mutant in chosen:
        data = proven_again(mutant.data, base)
        assert data is None or verified(data, base).ok

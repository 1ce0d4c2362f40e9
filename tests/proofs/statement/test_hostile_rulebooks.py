"""Rulebooks made to break the verifier, which computes by them: each is judged, none raises or takes for ever."""

import time
import tracemalloc

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.codec import encode
from clearing.base.errors import BaseCode, RemoteFault
from clearing.margin.statement.rulebook import FeedLevel, Rulebook, read_rulebook, write_rulebook
from clearing.margin.statement.snapshot import Slot, SlotKind
from clearing.pricing import marks
from clearing.schema.risk.charges import ConcentrationTier
from clearing.schema.risk.parameters import (
    JointCredit,
    JointScenario,
    RiskGroup,
    RiskParameters,
    Scenario,
    StressScenario,
)
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.rulebook_checks import check_rulebook
from tests.kit.proofs.hostile import changed_anywhere
from tests.kit.proofs.requirement import STATED as UNDER_EVERY_RULE
from tests.kit.proofs.stressed import RULEBOOK, snapshot_of
from tests.kit.refusals import refused
from tests.vectors.proofs.runner import rules as specified
from tests.vectors.proofs.runner.encoding import Reader, Refused

STRESSED = snapshot_of({1: (9 * 10**9, 0, 5_000, 0, 0), 2: (10**9, 200_000, 0, 0, -2_000)}, {}).statement
STATEMENTS = (STRESSED, UNDER_EVERY_RULE)
NUMBERS = (3, 10**6, 10**6 + 1, 10**9, 10**12, 2**53)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_rulebook_of_any_shape_is_judged_and_never_raises(data):
    stated = data.draw(st.sampled_from(STATEMENTS))
    tree = changed_anywhere(msgspec.msgpack.decode(stated.rules), data, NUMBERS)
    try:
        msgspec.msgpack.decode(rules := msgspec.msgpack.encode(tree), type=Rulebook)
    except (msgspec.DecodeError, OverflowError):
        return
    try:
        check_rulebook(msgspec.structs.replace(stated, rules=rules))
    except RemoteFault as fault:
        assert fault.code in (ProofCode.RULES_DIFFER, ProofCode.BAD_STATEMENT)
    else:
        # What changed makes no row: a name, an address, a parameter of what is outside of the statement.
        assert read_rulebook(rules, len(stated.slots)).slots_and_rows() == (stated.slots, stated.rows)


def test_a_rulebook_whose_rows_leave_their_bounds_is_refused_and_is_no_bug_of_ours():
    """A bug stops a node; this is somebody else's lie."""
    book = read_rulebook(UNDER_EVERY_RULE.rules, len(UNDER_EVERY_RULE.slots))
    (tier,) = book.parameters.concentration
    parameters = msgspec.structs.replace(
        book.parameters, concentration=(msgspec.structs.replace(tier, above_units=2**62),)
    )
    rules = write_rulebook(msgspec.structs.replace(book, parameters=parameters))
    with refused(ProofCode.BAD_STATEMENT) as fault:
        check_rulebook(msgspec.structs.replace(UNDER_EVERY_RULE, rules=rules))
    assert fault.value.at == "rulebook makes no rows"


GROUPS = tuple(RiskGroup(at, f"g{at}", 1, 200_000, 800_000, 0) for at in range(1, 1_001))
LARGE = {
    "tiers of as many tokens": {
        "parameters": msgspec.structs.replace(
            RULEBOOK.parameters, concentration=tuple(ConcentrationTier(at, 1, 0) for at in range(1, 120_000))
        )
    },
    "joint scenarios of as many groups": {
        "parameters": RiskParameters(
            GROUPS,
            scenarios=(Scenario(1, 1, 1),),
            joint=JointCredit(
                tuple(JointScenario((*(at >> bit & 1 for bit in range(7, -1, -1)), *(1,) * 992)) for at in range(256))
            ),
        ),
        "instruments": tuple(
            msgspec.structs.replace(RULEBOOK.instruments[0], id=group.id, name=group.name, group=group.id)
            for group in GROUPS
        ),
        "marks": (),
    },
}


@pytest.mark.parametrize("what", LARGE)
def test_a_rulebook_as_large_as_can_be_takes_no_more_than_seconds(what):
    """Anybody writes one, and a folder of packages is judged without asking who: time must not grow by squares."""
    rules = write_rulebook(msgspec.structs.replace(RULEBOOK, **LARGE[what]))
    slots = tuple(Slot(str(at), SlotKind.POSITION) for at in range(2_048))
    started = time.process_time()
    with refused(ProofCode.RULES_DIFFER) as fault:
        check_rulebook(msgspec.structs.replace(STRESSED, rules=rules, slots=slots))
    assert fault.value.at == "slots"
    assert time.process_time() - started < 5


def test_a_listing_whose_slots_or_number_of_rows_the_statement_lacks_is_never_priced(monkeypatch):
    """Thousands of options take seconds: slots and the number of rows follow without one of them."""
    monkeypatch.setattr(marks, "option_value", lambda *_: pytest.fail("an option is priced"))
    one_slot_less = msgspec.structs.replace(UNDER_EVERY_RULE, slots=UNDER_EVERY_RULE.slots[:-1])
    one_row_less = msgspec.structs.replace(UNDER_EVERY_RULE, rows=UNDER_EVERY_RULE.rows[:-1])
    for bent, place in ((one_slot_less, "slots"), (one_row_less, "number of rows")):
        with refused(ProofCode.RULES_DIFFER) as fault:
            check_rulebook(bent)
        assert fault.value.at == place


@pytest.mark.parametrize("stated", STATEMENTS)
def test_the_number_of_rows_follows_before_any_row_is_made(stated):
    book = read_rulebook(stated.rules, len(stated.slots))
    assert (book.slots(), book.row_count) == (stated.slots, len(stated.rows))
    assert tuple(book.rows()) == stated.rows


def test_no_row_is_made_after_the_first_that_differs(monkeypatch):
    made = []
    making = Rulebook.rows
    monkeypatch.setattr(Rulebook, "rows", lambda book: (made.append(row) or row for row in making(book)))
    first, second, *others = UNDER_EVERY_RULE.rows
    second = msgspec.structs.replace(second, constant=7)
    with refused(ProofCode.RULES_DIFFER):
        check_rulebook(msgspec.structs.replace(UNDER_EVERY_RULE, rows=(first, second, *others)))
    assert len(made) == 2


def test_a_row_out_of_bounds_is_named_only_if_the_rows_before_it_are_the_stated_ones():
    """Both verifiers give one code, whichever of two defects they might find."""
    book = read_rulebook(UNDER_EVERY_RULE.rules, len(UNDER_EVERY_RULE.slots))
    (tier,) = book.parameters.concentration
    parameters = msgspec.structs.replace(
        book.parameters, concentration=(msgspec.structs.replace(tier, above_units=2**62),)
    )
    bent = msgspec.structs.replace(
        UNDER_EVERY_RULE, rules=write_rulebook(msgspec.structs.replace(book, parameters=parameters))
    )
    first, *others = bent.rows
    softer = msgspec.structs.replace(bent, rows=(msgspec.structs.replace(first, constant=7), *others))
    for statement, code in ((bent, ProofCode.BAD_STATEMENT), (softer, ProofCode.RULES_DIFFER)):
        with refused(code):
            check_rulebook(statement, certified_ms=book.time_ms)
        with pytest.raises(Refused) as fault:
            specified.check(Reader(encode(statement)).whole("`RiskStatement`"), book.time_ms)
        assert fault.value.args[0] == code.name


NAMED = {
    "an instrument": lambda book, name: {"instruments": (named(book.instruments[0], name), *book.instruments[1:])},
    "a cash group": lambda book, name: {"cash_groups": (named(book.cash_groups[0], name),)},
    "a token": lambda book, name: {"tokens": (named(book.tokens[0], name),)},
    "a feed": lambda book, name: {"feeds": (named(book.feeds[0], name), *book.feeds[1:])},
    "a risk group": lambda book, name: {
        "parameters": msgspec.structs.replace(
            book.parameters, groups=(named(book.parameters.groups[0], name), *book.parameters.groups[1:])
        )
    },
    "a stress scenario": lambda book, name: {
        "parameters": msgspec.structs.replace(
            book.parameters, stress=(named(book.parameters.stress[0], name), *book.parameters.stress[1:])
        )
    },
}


def named(element, name):
    return msgspec.structs.replace(element, name=name)


@pytest.mark.parametrize("what", NAMED)
def test_a_name_has_at_most_256_bytes(what):
    def read(name):
        return read_rulebook(write_rulebook(msgspec.structs.replace(RULEBOOK, **NAMED[what](RULEBOOK, name))), 100)

    assert read("é" * 128)
    with refused(BaseCode.OUT_OF_RANGE) as fault:
        read("é" * 128 + "e")
    assert fault.value.at == "rulebook.names"


def test_no_two_feeds_have_one_name():
    feeds = (*RULEBOOK.feeds, FeedLevel(9, RULEBOOK.feeds[1].name, 20_000, used=False))
    with refused(BaseCode.OUT_OF_RANGE) as fault:
        read_rulebook(write_rulebook(msgspec.structs.replace(RULEBOOK, feeds=feeds)), 100)
    assert fault.value.at == "rulebook.feeds.name"


def test_a_rulebook_is_read_in_its_shortest_forms_only_but_may_lack_last_fields():
    tree, slots = msgspec.msgpack.decode(UNDER_EVERY_RULE.rules), len(UNDER_EVERY_RULE.slots)
    whole = read_rulebook(UNDER_EVERY_RULE.rules, slots)
    assert tree[1][0][0][-1] == []  # the first group's own scenarios, which are off
    tree[1][0][0] = tree[1][0][0][:-1]
    assert read_rulebook(msgspec.msgpack.encode(tree), slots) == whole
    first = UNDER_EVERY_RULE.rules[:1]
    for longer in (b"\xdc\x00\x08" + UNDER_EVERY_RULE.rules[1:], first + b"\xcc" + UNDER_EVERY_RULE.rules[1:]):
        assert msgspec.msgpack.decode(longer) == msgspec.msgpack.decode(UNDER_EVERY_RULE.rules)
        with refused(BaseCode.NON_CANONICAL):
            read_rulebook(longer, slots)


LONG = "g" * 100_000
REPEATED = (Scenario(0, 1, 0),) * 20_000
LONG_NAMED: dict[str, RiskParameters] = {
    "too many scenarios of a group": RiskParameters((RiskGroup(1, LONG, 1, 1, 1, 1, scenarios=REPEATED),)),
    "as many scenarios as may be": RiskParameters((RiskGroup(1, LONG, 1, 1, 1, 1, scenarios=REPEATED[:64]),)),
    "too many moves of a stress": msgspec.structs.replace(
        RULEBOOK.parameters, stress=(StressScenario(LONG, REPEATED),), default_fund_micros=1
    ),
    "a bad scenario of a group": RiskParameters((RiskGroup(1, LONG, 1, 1, 1, 1, scenarios=(Scenario(9, 1, 0),)),)),
}


@pytest.mark.parametrize("what", LONG_NAMED)
def test_a_long_name_takes_no_memory_for_each_scenario(what):
    """A check must not repeat a stranger's name for every line of the list before it looks at how many there are."""
    book = msgspec.structs.replace(
        RULEBOOK, parameters=LONG_NAMED[what], instruments=(), marks=(), tokens=(), cash_groups=()
    )
    bent = msgspec.structs.replace(STRESSED, rules=write_rulebook(book))
    tracemalloc.start()
    try:
        with pytest.raises(VerificationFailed) as fault:
            check_rulebook(bent)
        used = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(str(fault.value)) < 1_000
    assert used < 30 * 2**20

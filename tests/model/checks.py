"""What is checked: each model with constants, and errors planted in it that have to be found.

Rule: a planted error is one rule left out or one bound moved; the invariant that finds it is named.
"""

from dataclasses import dataclass

NOTHING = "nothing"


@dataclass(frozen=True)
class Check:
    """One run of TLC."""

    name: str
    module: str
    constants: str
    """As a configuration file gives them, separated by semicolons."""
    finds: str = ""
    """The invariant that fails; empty if none may."""


_VALIDATORS = "h1 = h1; h2 = h2; h3 = h3; v = v; w = w; Honest = {h1, h2, h3}; Values = {v, w}; LastRound = 1"
EQUAL = f"{_VALIDATORS}; Heavy = {{}}; LiarPower = 1"
"""Four validators of equal power."""
THIRD = f"{_VALIDATORS}; Heavy = {{h1}}; LiarPower = 2"
"""Powers 2, 1, 1, and a liar with 2: exactly a third."""
HONEST_ROUND = "Links <- Line; Leader = 1; Collectors = {1, 2}; GivesUp = FALSE"
LIARS_ROUND = "Links <- Line; Leader = 4; Collectors = {1, 2}; GivesUp = TRUE"
FOUR_LEAD = "Count = 4; Liars = {4}; Period = 8; LastHeight = 20; LastRound = 3"
SEVEN_LEAD = "Count = 7; Liars = {3, 6}; Period = 8; LastHeight = 20; LastRound = 4"

CHECKS = (
    Check("certificates, equal powers", "Certified", f'{EQUAL}; Planted = "{NOTHING}"'),
    Check("certificates, a third lies", "Certified", f'{THIRD}; Planted = "{NOTHING}"'),
    Check("a quorum of two thirds", "Certified", f'{THIRD}; Planted = "at_least"', "Certificates"),
    Check("prevotes across a lock", "Certified", f'{EQUAL}; Planted = "no_lock"', "Agreement"),
    Check("prevotes counted as precommits", "Certified", f'{EQUAL}; Planted = "one_kind"', "Agreement"),
    Check("invalid blocks prevoted", "Certified", f'{EQUAL}; Planted = "no_validity"', "Validity"),
    Check("dissemination, honest leader", "Dissemination", f'{HONEST_ROUND}; Planted = "{NOTHING}"'),
    Check("dissemination, liar leads", "Dissemination", f'{LIARS_ROUND}; Planted = "{NOTHING}"'),
    Check("nothing is pulled", "Dissemination", f'{HONEST_ROUND}; Planted = "no_pull"', "HonestRound"),
    Check("no block is fetched", "Dissemination", f'{HONEST_ROUND}; Planted = "no_fetch"', "HonestRound"),
    Check("no fetch by polka", "Dissemination", f'{LIARS_ROUND}; Planted = "fetch_final_only"', "NoHiddenLock"),
    Check("leaders of four, one liar", "Leading", f'{FOUR_LEAD}; Late = {{}}; Twice = FALSE; Planted = "{NOTHING}"'),
    Check(
        "leaders of four, slow network", "Leading", f'{FOUR_LEAD}; Late = {{3}}; Twice = TRUE; Planted = "{NOTHING}"'
    ),
    Check("leaders of seven, two liars", "Leading", f'{SEVEN_LEAD}; Late = {{}}; Twice = FALSE; Planted = "{NOTHING}"'),
    Check(
        "leaders by the own certificate",
        "Leading",
        f'{FOUR_LEAD}; Late = {{}}; Twice = TRUE; Planted = "own_certificate"',
        "SameLeaders",
    ),
    Check(
        "leaders passed over for ever",
        "Leading",
        f'{FOUR_LEAD}; Late = {{3}}; Twice = TRUE; Planted = "no_period"',
        "NotForever",
    ),
    Check(
        "leaders passed over without limit",
        "Leading",
        f'{FOUR_LEAD}; Late = {{3}}; Twice = TRUE; Planted = "no_limit"',
        "Third",
    ),
    Check(
        "leaders never back",
        "Leading",
        f'{SEVEN_LEAD}; Late = {{}}; Twice = FALSE; Planted = "no_return"',
        "NotStarved",
    ),
)
INVARIANTS = {
    "Certified": ("Agreement", "Validity", "Certificates", "Locks", "Available"),
    "Dissemination": ("HonestRound", "Totality", "NoHiddenLock", "Integrity"),
    "Leading": ("SameLeaders", "Third", "NotForever", "NotStarved", "SomebodyLeads"),
}
NAMES = {
    "Certified": "CONSTANTS h1, h2, h3, v, w",
    "Leading": "",
    "Dissemination": "Line == {<<1, 2>>, <<2, 3>>}",
}
"""What the configurations refer to."""


def configuration(check: Check) -> str:
    """The text of a configuration file."""
    lines = ["CONSTANTS", *(f"    {each.strip()}" for each in check.constants.split(";"))]
    lines += ["INIT Init", "NEXT Next", f"INVARIANTS {' '.join(INVARIANTS[check.module])}"]
    return "\n".join([*lines, *(["VIEW view", "SYMMETRY Symmetry"] if check.module == "Certified" else []), ""])


def trace_configuration() -> str:
    """For traces: three rounds, with decisions and all variables."""
    check = Check("traces", "Certified", f'{EQUAL}; Planted = "{NOTHING}"')
    text = configuration(check).replace("LastRound = 1", "LastRound = 2").replace("NEXT Next", "NEXT NextDeciding")
    return text.replace("VIEW view\nSYMMETRY Symmetry\n", "")

"""Page "The rulebook": the carry of an option, which averages are known, and the bounds of an option's mark."""

from typing import Any

from tests.vectors.proofs.runner import tables
from tests.vectors.proofs.runner.encoding import need
from tests.vectors.proofs.runner.options import PPM, YEAR, Carry, Known, settling_forward

Record = dict[str, Any]
P = 10**9


def carry_of(curve: list[Record], expiry: int, rate_ppm: int, now: int) -> Carry:
    if not curve:
        return Carry(rate_ppm * max(expiry - now, 0), PPM * YEAR, rate_ppm)
    at = next((i for i, each in enumerate(curve) if each["expiry_ms"] >= expiry), None)
    far = curve[-1 if at is None else at]
    if expiry <= now:
        return Carry(0, P, far["rate_ppm"])
    if far["expiry_ms"] == expiry:
        return Carry(far["forward_ppb"] - P, P, far["rate_ppm"])
    if at is None or at == 0:
        n = (far["forward_ppb"] - P) * (expiry - now) // max(far["expiry_ms"] - now, 1)
        return Carry(n, P, far["rate_ppm"])
    near = curve[at - 1]
    p, q = expiry - near["expiry_ms"], far["expiry_ms"] - near["expiry_ms"]
    between = {name: near[name] + (far[name] - near[name]) * p // q for name in ("forward_ppb", "rate_ppm")}
    return Carry(between["forward_ppb"] - P, P, between["rate_ppm"])


def future_of(x: int, curve: list[Record], expiry: int, rate_ppm: int, now: int) -> int:
    """Section "Forwards of futures"."""
    return carry_of([each for each in curve if each["expiry_ms"] == expiry], expiry, rate_ppm, now).forward(x)


def curve_of_futures(parameters: Record, group: Record) -> list[Record]:
    return list(group["curve"]) if parameters["futures_on_curve"] else []


def is_option(instrument: Record) -> bool:
    return tables.members("InstrumentKind")[instrument["kind"]] in ("CALL", "PUT")


def known_averages(book: Record) -> dict[int, Known]:
    """Of each averaged option by its id."""
    if not book["parameters"]["averaged_options"]:
        return {}
    entries = {each["instrument"]: each for each in book["averages"]}
    found = {}
    for each in book["instruments"]:
        if is_option(each) and each["averaging_ms"]:
            entry, window = entries.get(each["id"]), each["averaging_ms"]
            covered = entry["covered_ms"] if entry else 0
            weighted = int.from_bytes(entry["weighted_ticks"], "big") if entry else 0
            whole = max(window, covered)
            found[each["id"]] = Known(window, weighted, whole, whole - covered)
    return found


def check_averages(book: Record) -> None:
    """Section "Reading", rule 7."""

    def good(holds: bool) -> None:
        need(holds, "BAD_STATEMENT", "averages")

    averages, options = book["averages"], {each["id"]: each for each in book["instruments"] if is_option(each)}
    numbers = [each["instrument"] for each in averages]
    good(numbers == sorted(set(numbers)))
    good(not averages or book["parameters"]["averaged_options"])
    for each in averages:
        option, covered = options.get(each["instrument"]), each["covered_ms"]
        good(option is not None and option["averaging_ms"] > 0)
        assert option is not None
        good(1 <= covered <= book["time_ms"] - (option["expiry_ms"] - option["averaging_ms"]))
        good(covered <= int.from_bytes(each["weighted_ticks"], "big") <= covered * (2**40 - 1))


def highest_of_option(plain: int, option: Record, x: int, curve: list[Record], known: Known | None, latest: int) -> int:
    """Section "Bounds of marks", of an option that has a highest mark."""
    call, highest = tables.members("InstrumentKind")[option["kind"]] == "CALL", plain
    if curve and latest < option["expiry_ms"]:
        carry = carry_of(curve, option["expiry_ms"], 0, latest)
        forwards = [x, carry.forward(x)]
        if option["expiry_ms"] not in [each["expiry_ms"] for each in curve]:
            forwards += [x * each["forward_ppb"] // P for each in curve]
        value = max(forwards) if call else option["strike_ticks"]
        highest = value if carry.rate_ppm >= 0 else 2 * value
    return max(highest, settling_forward(known, highest)) if call else highest

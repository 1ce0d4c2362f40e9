"""The size of the default fund against what the two largest members would lack: cover 2.

Rule: a member lacks what its accounts lack, each by itself: one client's surplus never pays for another. The fund
counts no further than the account that holds it has cash, and would keep equity in the worst stress scenario. What the
fund falls short by is public, like an account's shortfall, and else nothing is. It must not know how this is proven.
"""

from collections.abc import Iterable, Mapping, Sequence

from clearing.base.errors import Bug
from clearing.margin.snapshot import AccountHoldings, CoverTerms
from clearing.margin.stress import StressArrays, stressed_equity, uncovered_losses

DEFICIT_MAX = 2**63 - 1


def cover_terms(
    stress: StressArrays,
    sizes: tuple[int, int],
    accounts: Sequence[AccountHoldings],
    members: Mapping[int, int],
    fund_account: int,
    fund: int,
) -> CoverTerms:
    """The public terms. `sizes`: cash groups and tokens; `members`: the member of each account; `fund` in micros.

    Raises Bug when the account that holds the fund is not among the accounts.
    """
    lacking: dict[int, list[int]] = {}
    in_force: int | None = None
    for each in accounts:
        cash, tokens, positions = _parts(each.values, sizes)
        if each.account == fund_account:
            in_force = max(0, min(fund, sum(cash), *stressed_equity(stress, cash, tokens, positions)))
            continue
        own = uncovered_losses(stress, cash, tokens, positions)
        before = lacking.get(members[each.account], [0] * len(own))
        lacking[members[each.account]] = [a + b for a, b in zip(before, own, strict=True)]
    if in_force is None:
        raise Bug(f"the fund's account {fund_account} holds nothing, not even zero")
    needed = [largest_two(losses) for losses in zip(*lacking.values(), strict=True)] or [0] * len(stress.names)
    return CoverTerms(
        fund=in_force,
        fund_account=fund_account,
        members=tuple((each.account, members[each.account]) for each in accounts if each.account != fund_account),
        deficits=tuple(min(max(0, need - in_force), DEFICIT_MAX) for need in needed),
    )


def largest_two(losses: Iterable[int]) -> int:
    """Sum of the two largest; of what there is where members are fewer."""
    return sum(sorted(losses, reverse=True)[:2])


def _parts(values: Sequence[int], sizes: tuple[int, int]) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    cash, tokens = sizes
    return values[:cash], values[cash : cash + tokens], values[cash + tokens :]

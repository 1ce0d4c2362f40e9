"""The default fund as text: its size and the reason for it, then a line for each member."""

from member.api.proofs import FundView
from proofs.verify.verdict import printable


def fund_lines(view: FundView) -> str:
    """The fund as text: how large it has to be and why, then a line for each member."""
    if not view.cash_group:
        return "no default fund: members contribute to none here"
    lines = [
        f"default fund at height {view.height}: {view.total_micros} micros of cash group {view.cash_group}, "
        f"target {view.target_micros}, sized after epoch {view.epoch} in block {view.sized_at} by {view.sizing}",
        f"the house bears {view.house_micros} before members do; each member at least {view.minimum_micros}",
    ]
    lines += [
        f"  {printable(scenario.name):<24} cover two {scenario.cover_two_micros}, largest or next two "
        f"{scenario.largest_or_next_two_micros}"
        for scenario in view.scenarios
    ]
    lines.append(f"{'member':>8} {'has':>20} {'has to have':>20} {'margin':>20}  standing")
    for part in view.parts:
        lines.append(
            f"{part.member:>8} {part.micros:>20} {part.required_micros:>20} {part.exposure_micros:>20}  "
            + ", ".join(
                [
                    printable(part.status),
                    *([f"called for {part.called_micros} by height {part.deadline}"] if part.deadline else []),
                    *(["a deadline has passed"] if part.lapsed else []),
                    *([f"paid back what is beyond at height {part.returned_at}"] if part.returned_at else []),
                ]
            )
        )
    return "\n".join(lines)

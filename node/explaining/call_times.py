"""The times of calls in words: until when an account has time, and whether it had all of it when its call lapsed.

Rule: a deadline is computed anew from the height, the terms in force and the delay that the receipt states; what an
earlier receipt of the same call said must be what a later one says. A call that was not seen from its beginning, or
that a default has ended, is not compared.
"""

from dataclasses import dataclass, field

from clearing.calls.receipts import CallLapsed, CallMet, DeadlineSet, EarlyCalled
from clearing.calls.terms import CallTerms
from node.explaining.lines import Line, equal, holds


@dataclass(slots=True)
class CallTimes:
    """(height of the first call, deadline) of the calls under way, by account."""

    under_way: dict[int, tuple[int, int]] = field(default_factory=dict)

    def early(self, receipt: EarlyCalled, height: int, terms: CallTerms | None) -> list[Line]:
        """An early call gives its own time."""
        self.under_way[receipt.account] = (height, receipt.deadline_height)
        if terms is None:
            return []
        # A call that widens nothing still tells the delay, which the horizon of its probability has in it.
        steps = _steps(terms, receipt.delay_ms)
        found = height + terms.early_blocks + steps * terms.congestion_step_blocks
        text = f"time until height {height} + {terms.early_blocks} + {steps} x {terms.congestion_step_blocks}"
        return [equal(text, receipt.deadline_height, found)]

    def deadline(self, receipt: DeadlineSet, height: int, terms: CallTerms | None) -> list[Line]:
        """A margin call has time of its own, of which an early one may take some."""
        before = self.under_way.get(receipt.account)
        self.under_way[receipt.account] = (receipt.opened_height, receipt.deadline_height)
        if terms is None:
            return []
        steps = _steps(terms, receipt.delay_ms)
        lines = [equal(f"steps for a delay of {receipt.delay_ms} ms", receipt.congestion_steps, steps)]
        found = height + terms.deadline_blocks + steps * terms.congestion_step_blocks
        text = f"time until height {height} + {terms.deadline_blocks} + {steps} x {terms.congestion_step_blocks}"
        if receipt.opened_height != height:
            if before is None or before[0] != receipt.opened_height:
                return [*lines, holds(f"{text}, or less", receipt.deadline_height <= found)]
            least = max(before[1], height + terms.early_leaves_blocks)
            found, text = min(found, least), f"{text}, but no more than {least}, for it was called early"
        return [*lines, equal(text, receipt.deadline_height, found)]

    def lapsed(self, receipt: CallLapsed, height: int) -> list[Line]:
        """Time is over at the deadline, or before only where it is urgent."""
        over = height >= receipt.deadline_height
        word = "has not been" if receipt.urgent else "is"
        lines = [holds(f"its deadline, height {receipt.deadline_height}, {word} reached", over is not receipt.urgent)]
        before = self.under_way.get(receipt.account)
        if before is not None and before[0] == receipt.opened_height:
            lines.append(equal("the deadline that it was told", receipt.deadline_height, before[1]))
        return lines

    def met(self, receipt: CallMet) -> list[Line]:
        """The call is over."""
        self.under_way.pop(receipt.account, None)
        return []


def _steps(terms: CallTerms, delay_ms: int) -> int:
    """Begun steps of delay beyond the normal; none where they widen nothing."""
    if not (terms.congestion_step_blocks or terms.congestion_step_ppm):
        return 0
    return min(-(-max(delay_ms - terms.congestion_ms, 0) // terms.congestion_step_ms), terms.congestion_steps_max)

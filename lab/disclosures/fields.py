"""The fields of the disclosure: what each is, how it is computed here, or why it does not apply.

Rule: numbers are those of CPMI-IOSCO, "Public quantitative disclosure standards for central counterparties" (February
2015), principles 4, 5, 6, 7, 13 and 14; a figure is under the number of two parts where the third is not certain. The
explanation `docs/explanation/disclosure.md` says where the numbers were read. No figure is computed here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the standard."""

    number: str
    title: str
    definition: str
    """How its figures are computed in this network; empty where it does not apply."""
    reason: str = ""
    """Why it does not apply."""


FIELDS: tuple[Field, ...] = (
    Field(
        "4.1.1",
        "Prefunded own capital that bears losses before participants' contributions",
        "The house's cash in all groups, at most house_capital_micros; at the close.",
    ),
    Field("4.1.2", "Prefunded own capital alongside participants' contributions", "", "The house bears only before."),
    Field("4.1.3", "Prefunded own capital after participants' contributions", "", "The house bears only before."),
    Field("4.1.4", "Prefunded participants' contributions, required", "Sum of required contributions, at the close."),
    Field(
        "4.1.5",
        "Prefunded participants' contributions, posted, after haircut",
        "Sum of the contributions in the fund, at the close. They are cash of one group, without haircut.",
    ),
    Field("4.1.6", "Other prefunded resources", "", "There are none."),
    Field("4.1.7", "Committed own or parent funds", "", "The house has no commitment beyond its capital."),
    Field(
        "4.1.8",
        "Participants' commitments for an initial default",
        "Assessments that may still be called in this period: for each active member, assessment_ppm of its required "
        "contribution, less what it was assessed; each rounded down.",
    ),
    Field(
        "4.1.9",
        "Participants' commitments to replenish the fund",
        "One replenishment of all required contributions of active members, where replenishment_blocks is not 0.",
    ),
    Field("4.1.10", "Other committed resources", "", "There are none."),
    Field("4.2.1", "Kccp", "", "It needs risk weights of banks, which the network does not know."),
    Field(
        "4.3",
        "Prefunded default resources by kind of asset",
        "The house's part and the contributions, both claims on cash tokens in vaults: of the kinds of the standard "
        "only 'other'.",
    ),
    Field("4.4.1", "Whether the prefunded resources have to cover one or two participants", "The fund's sizing rule."),
    Field(
        "4.4.2",
        "Time within which a default is assumed to be closed out",
        "horizon_ms of the price ranges, and the most blocks that a single default lasts.",
    ),
    Field(
        "4.4.3",
        "Estimated largest stress loss beyond initial margin of one participant",
        "The largest shortfall of a member in a stress scenario, over the day's sizings and the close.",
    ),
    Field(
        "4.4.4", "Days on which 4.4.3 exceeded the prefunded resources", "0 or 1: against 4.1.1 and 4.1.5 at that time."
    ),
    Field("4.4.5", "Amount by which 4.4.3 exceeded them", "The largest excess at a sizing or the close."),
    Field(
        "4.4.6",
        "Actual largest credit exposure beyond initial margin to one participant",
        "The largest sum over a member's accounts of what their equity is below zero, after any block of the day.",
    ),
    Field(
        "4.4.7",
        "Estimated largest stress loss beyond initial margin of two participants",
        "The two largest shortfalls in one scenario together, over the day's sizings and the close.",
    ),
    Field("4.4.8", "Days on which 4.4.7 exceeded the prefunded resources", "As 4.4.4."),
    Field("4.4.9", "Amount by which 4.4.7 exceeded them", "As 4.4.5."),
    Field(
        "4.4.10",
        "Actual largest credit exposure beyond initial margin to two participants",
        "As 4.4.6, of two members.",
    ),
    Field("5.1.1", "Assets eligible as initial margin, and haircuts", "Haircut in force of every token, at the close."),
    Field("5.2.1", "Assets eligible for contributions, and haircuts", "Tokens of the fund's cash group: no haircut."),
    Field("5.3.1", "Confidence interval of haircuts", "", "Haircuts are governance's; no confidence is stated."),
    Field("5.3.2", "Assumed holding period of haircuts", "", "Haircuts are governance's; no period is stated."),
    Field("5.3.3", "Look-back period of haircuts", "", "Haircuts are tested on this day alone (5.3.4)."),
    Field(
        "5.3.4",
        "Days on which an asset fell by more than its haircut",
        "0 or 1 by token: its lowest index of the day is more than its haircut at the opening below the opening index.",
    ),
    Field(
        "6.1.1",
        "Total initial margin required",
        "Sum of the requirement of accounts at the close: members' own accounts (house), clients' accounts (client "
        "gross). Accounts are margined one by one, so there is no net figure of clients. The house's account is left "
        "out.",
    ),
    Field(
        "6.2",
        "Total initial margin held",
        "Cash claims above zero and tokens in the same accounts, before and after haircut; by cash group or token.",
    ),
    Field(
        "6.3.1",
        "Initial margin rates of individual contracts",
        "Initial margin of a thousand lots alone, long and short, in millionths of their notional at the mark; rounded "
        "up.",
    ),
    Field(
        "6.4", "Initial margin model and its parameters", "The terms in force at the close, and every group's range."
    ),
    Field(
        "6.5.1",
        "Times that margin fell below the actual exposure of an account",
        "The day is cut into windows of horizon_ms, from its first block on. An account with positions at a window's "
        "beginning is one observation: the loss of these positions by the marks at its end, against its initial margin "
        "at the beginning. The last window ends with the last block.",
    ),
    Field("6.5.2", "Number of observations", "Accounts with positions at the beginning of each window."),
    Field(
        "6.5.3",
        "Achieved coverage",
        "Observations without a breach, in millionths, rounded down; 1,000,000 without any.",
    ),
    Field("6.5.4", "Peak size of uncovered exposure", "The largest loss beyond initial margin."),
    Field(
        "6.5.5", "Average size of uncovered exposure", "Sum of these losses by the number of breaches, rounded down."
    ),
    Field(
        "6.6.1",
        "Average variation margin paid by participants a day",
        "Of one day it is the total: the sum over members of what they paid net over the day, where they paid; and the "
        "same by account and block, which is how it was settled.",
    ),
    Field(
        "6.7.1",
        "Largest variation margin paid by participants on a day",
        "Of one day it is the total of 6.6.1; and what accounts paid net in the block in which they paid most.",
    ),
    Field(
        "6.8.1",
        "Largest aggregate initial margin call on a day",
        "Sum of initial margin less equity over the day's calls.",
    ),
    Field("7.1", "Liquid resources", "Tokens of cash groups in each vault, as the ledger counts them, at the close."),
    Field("7.2.1", "Supplementary liquidity resources", "", "There are no credit lines."),
    Field(
        "7.3",
        "Payment obligations",
        "Withdrawals of cash tokens that were released: in the day, and in the block with the most. A default makes no "
        "payment due: gains are claims in the ledger, and only withdrawals are paid out.",
    ),
    Field(
        "13.1.1",
        "Loss of defaults against initial margin",
        "Of every default that ended in the day: its loss, and its member's initial margin in the block before its "
        "declaration, where that block was observed.",
    ),
    Field("13.1.2", "Other resources used to cover losses", "What each layer of the waterfall bore, by default."),
    Field("13.1.3", "Client positions closed out and ported", "Clients' accounts, in the day's receipts."),
    Field("13.1.4", "Published material about defaults", "Commands that show the receipts."),
    Field(
        "14.1.1",
        "Client positions in individually segregated accounts",
        "Notional at the marks of clients' accounts, and its share of all client positions: every client has accounts "
        "of its own.",
    ),
    Field("14.1.2", "Client positions in omnibus accounts", "", "There are no omnibus accounts."),
    Field("14.1.3", "Client positions in legally segregated, operationally commingled accounts", "", "There are none."),
    Field("14.1.4", "Client positions in accounts shared with the member's own", "", "There are none."),
)

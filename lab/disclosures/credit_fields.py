"""Fields of principle 4, credit risk. No figure is computed here."""

from lab.disclosures.field import ASSET_KINDS, Field, Period, Unit

END, YEAR = Period.QUARTER_END, Period.YEAR
OF_ONE_DAY = " Of one day, peak and mean are the day's amount."

RESOURCES: tuple[Field, ...] = (
    Field(
        "4.1.1",
        "Prefunded own capital that bears losses before contributions",
        Unit.CURRENCY,
        END,
        "The house's cash in all groups, at most house_capital_micros; at the close.",
    ),
    Field(
        "4.1.2",
        "Prefunded own capital alongside contributions",
        Unit.CURRENCY,
        END,
        "",
        "The house bears only before.",
    ),
    Field("4.1.3", "Prefunded own capital after contributions", Unit.CURRENCY, END, "", "The house bears only before."),
    Field(
        "4.1.4",
        "Prefunded contributions, required",
        Unit.CURRENCY,
        END,
        "Sum of required contributions, at the close.",
    ),
    Field(
        "4.1.5",
        "Prefunded contributions, posted, after haircut",
        Unit.CURRENCY,
        END,
        "Sum of the contributions in the fund, at the close. They are cash of one group, without haircut.",
    ),
    Field("4.1.6", "Other prefunded resources", Unit.CURRENCY, END, "", "There are none."),
    Field(
        "4.1.7",
        "Committed funds of the house or its parent",
        Unit.CURRENCY,
        END,
        "",
        "The house has no commitment beyond its capital.",
    ),
    Field(
        "4.1.8",
        "Participants' commitments for a first default",
        Unit.CURRENCY,
        END,
        "Assessments that may still be called in this period: for each active member, assessment_ppm of its required "
        "contribution, less what it was assessed; each rounded down.",
    ),
    Field(
        "4.1.9",
        "Participants' commitments to replenish the fund",
        Unit.CURRENCY,
        END,
        "One replenishment of all required contributions of active members, where replenishment_blocks is not 0.",
    ),
    Field("4.1.10", "Other committed resources", Unit.CURRENCY, END, "", "There are none."),
    Field(
        "4.2.1",
        "Kccp",
        Unit.COUNT,
        END,
        "",
        "Only a house that banks may treat as qualifying states it, and it needs risk weights of banks.",
    ),
    *(
        Field(f"4.3.{at}", f"Default resources: {name}", Unit.CURRENCY, END, "", reason)
        for at, (name, reason) in enumerate(ASSET_KINDS, 1)
    ),
    Field(
        "4.3.14",
        "Default resources: other",
        Unit.CURRENCY,
        END,
        "The house's part and the contributions. Both are claims on cash tokens in vaults, without haircut.",
    ),
    Field("4.3.15", "Default resources: total", Unit.CURRENCY, END, "As 4.3.14: there is no other kind."),
)

STRESS: tuple[Field, ...] = (
    Field("4.4.1", "Whether the resources must cover one or two", Unit.TEXT, END, "The fund's sizing rule."),
    Field(
        "4.4.2",
        "Time within which a default is closed out",
        Unit.DAYS,
        END,
        "horizon_ms of the price ranges, in whole days rounded up and exactly; the most blocks that a default lasts.",
    ),
    Field(
        "4.4.3",
        "Largest stress loss of one participant",
        Unit.CURRENCY,
        YEAR,
        "The largest shortfall of a member and its affiliates in a stress scenario, over the day's sizings and the "
        "close. A receipt of a sizing has the three largest." + OF_ONE_DAY,
    ),
    Field(
        "4.4.4",
        "Days on which 4.4.3 exceeded the resources",
        Unit.DAYS,
        YEAR,
        "0 or 1: against 4.1.1 and 4.1.5 at that time.",
    ),
    Field(
        "4.4.5",
        "Amount by which 4.4.3 exceeded them",
        Unit.CURRENCY,
        YEAR,
        "The largest excess at a sizing or the close.",
    ),
    Field(
        "4.4.6",
        "Largest actual exposure to one participant",
        Unit.CURRENCY,
        YEAR,
        "The largest sum over the accounts of a member and its affiliates of what their equity is below zero, after "
        "any block of the day." + OF_ONE_DAY,
    ),
    Field(
        "4.4.7",
        "Largest stress loss of two participants",
        Unit.CURRENCY,
        YEAR,
        "As 4.4.3: the two largest shortfalls in one scenario together.",
    ),
    Field("4.4.8", "Days on which 4.4.7 exceeded the resources", Unit.DAYS, YEAR, "As 4.4.4."),
    Field("4.4.9", "Amount by which 4.4.7 exceeded them", Unit.CURRENCY, YEAR, "As 4.4.5."),
    Field("4.4.10", "Largest actual exposure to two participants", Unit.CURRENCY, YEAR, "As 4.4.6, of two."),
)

CREDIT_FIELDS = RESOURCES + STRESS

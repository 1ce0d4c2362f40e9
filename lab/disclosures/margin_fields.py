"""Fields of principles 5, collateral, and 6, margin. No figure is computed here."""

from lab.disclosures.field import ASSET_KINDS, Field, Period, Unit

END, QUARTER, YEAR, CHANGE = Period.QUARTER_END, Period.QUARTER, Period.YEAR, Period.CHANGE
NO_DATE = "The state has what is in force, not since when; `crossclear governance amendments` has the decisions."

COLLATERAL: tuple[Field, ...] = (
    Field(
        "5.1.1",
        "Assets for initial margin, and haircuts",
        Unit.TEXT,
        CHANGE,
        "Haircut in force of every token, at the close.",
    ),
    Field(
        "5.2.1",
        "Assets for contributions, and haircuts",
        Unit.TEXT,
        CHANGE,
        "Tokens of the fund's cash group: no haircut.",
    ),
    Field(
        "5.3.1",
        "Confidence of haircuts",
        Unit.PERCENTAGE,
        END,
        "By token: of the range that its haircut follows, on one side; or that governance sets it without one.",
    ),
    Field(
        "5.3.2",
        "Holding period of haircuts",
        Unit.TEXT,
        END,
        "By token: horizon_ms of the range that its haircut follows; and the test's: up to a day, from the opening "
        "index to the lowest.",
    ),
    Field("5.3.3", "Look-back of the haircut test", Unit.TEXT, END, "The day of the report."),
    Field(
        "5.3.4",
        "Days on which an asset fell by more than its haircut",
        Unit.DAYS,
        QUARTER,
        "0 or 1 by token: its lowest index of the day is more than its haircut at the opening below the opening index.",
    ),
)

MARGIN: tuple[Field, ...] = (
    Field(
        "6.1.1",
        "Initial margin required",
        Unit.CURRENCY,
        END,
        "Sum of the requirement of accounts at the close: members' own accounts (house_net: each account is net in "
        "itself), clients' accounts (client_gross). Accounts are margined one by one, so there is no net figure of "
        "clients. The house's account is left out.",
    ),
    *(
        Field(f"6.2.{at}", f"Initial margin held: {name}", Unit.CURRENCY, END, "", reason)
        for at, (name, reason) in enumerate(ASSET_KINDS, 1)
    ),
    Field(
        "6.2.14",
        "Initial margin held: other",
        Unit.CURRENCY,
        END,
        "Cash claims above zero and tokens in the accounts of 6.1.1, before and after haircut: members' own (house_im),"
        " clients' (client_im) and both (total_im); and the same by cash group or token. All are claims on tokens in "
        "vaults.",
    ),
    Field("6.2.15", "Initial margin held: total", Unit.CURRENCY, END, "As 6.2.14: there is no other kind."),
    Field(
        "6.3.1",
        "Initial margin rates of contracts",
        Unit.TEXT,
        CHANGE,
        "Initial margin of a thousand lots alone, long and short, in millionths of their notional at the mark; rounded "
        "up.",
    ),
    Field(
        "6.4.1",
        "Type of margin model",
        Unit.TEXT,
        END,
        "How a group of risk is margined, with the number of its scenarios, and how groups are combined.",
    ),
    Field("6.4.2", "Type of margin model: since when", Unit.DATE, END, "", NO_DATE),
    Field("6.4.3", "Name of the margin model", Unit.TEXT, END, "The page that defines it, of the release that runs."),
    Field("6.4.4", "Name of the margin model: since when", Unit.DATE, END, "", NO_DATE),
    Field(
        "6.4.5",
        "Confidence on one side",
        Unit.PERCENTAGE,
        END,
        "Ranges cover confidence_ppm of moves by size, up or down. On one side they cover what lies between that and "
        "certainty by half, as far as moves are symmetric; rounded down.",
    ),
    Field("6.4.6", "Confidence: since when", Unit.DATE, END, "", NO_DATE),
    Field("6.4.7", "Look-back", Unit.TEXT, END, "Observations in the window, and the time that they span."),
    Field("6.4.8", "Look-back: since when", Unit.DATE, END, "", NO_DATE),
    Field(
        "6.4.9",
        "Adjustments",
        Unit.TEXT,
        END,
        "Decay of the variance, buffer in calm times, weight of the stressed range, joint scenarios, maintenance "
        "margin as a share of initial margin, and every group's range in force.",
    ),
    Field("6.4.10", "Adjustments: since when", Unit.DATE, END, "", NO_DATE),
    Field(
        "6.4.11",
        "Close-out period",
        Unit.DAYS,
        END,
        "horizon_ms of the price ranges, in whole days rounded up and exactly.",
    ),
    Field("6.4.12", "Close-out period: since when", Unit.DATE, END, "", NO_DATE),
    Field("6.4.13", "Where margin rates are published", Unit.TEXT, END, "The field and the command that show them."),
    Field(
        "6.4.14",
        "How often parameters are reviewed",
        Unit.TEXT,
        END,
        "Ranges are recomputed once an epoch; all else is governance's to change at any time.",
    ),
    Field("6.4.15", "How often parameters are reviewed: since when", Unit.DATE, END, "", NO_DATE),
)

TESTS: tuple[Field, ...] = (
    Field(
        "6.5.1.1",
        "Times that margin was below the actual exposure",
        Unit.COUNT,
        YEAR,
        "The day is cut into windows of horizon_ms, from its first block on. An account with positions at a window's "
        "beginning is one observation: the loss of these positions by the marks at its end, against its initial margin "
        "at the beginning. The last window ends with the last block.",
    ),
    Field("6.5.1.2", "How often margin is tested", Unit.TEXT, YEAR, "The length of a window."),
    Field("6.5.1.3", "Time of day of the test", Unit.TEXT, YEAR, "", "Windows follow one another through the day."),
    Field(
        "6.5.2",
        "Number of observations",
        Unit.COUNT,
        YEAR,
        "Accounts with positions at the beginning of each window.",
    ),
    Field(
        "6.5.3",
        "Achieved coverage",
        Unit.PERCENTAGE,
        YEAR,
        "Observations without a breach, in millionths, rounded down; 1,000,000 without any.",
    ),
    Field("6.5.4", "Peak of uncovered exposure", Unit.CURRENCY, YEAR, "The largest loss beyond initial margin."),
    Field(
        "6.5.5",
        "Average of uncovered exposure",
        Unit.CURRENCY,
        YEAR,
        "Sum of these losses by the number of breaches, rounded down.",
    ),
    Field(
        "6.6.1",
        "Average variation margin paid on a day",
        Unit.CURRENCY,
        QUARTER,
        "Of one day it is the total: the sum over members of what they paid net over the day, where they paid; and the "
        "same by account and block, which is how it was settled.",
    ),
    Field(
        "6.7.1",
        "Largest variation margin paid on a day",
        Unit.CURRENCY,
        QUARTER,
        "Of one day it is the total of 6.6.1; and what accounts paid net in the block in which they paid most.",
    ),
    Field(
        "6.8.1",
        "Largest initial margin call on a day",
        Unit.CURRENCY,
        QUARTER,
        "Sum of initial margin less equity over the day's calls.",
    ),
)

MARGIN_FIELDS = COLLATERAL + MARGIN + TESTS

"""Fields of principles 7, liquidity, 13, default rules, and 14, segregation. No figure is computed here."""

from lab.disclosures.field import ASSET_KINDS, Field, Period, Unit

END, QUARTER, YEAR, AFTER = Period.QUARTER_END, Period.QUARTER, Period.YEAR, Period.DEFAULT
NO_PAYMENT = "A default makes no payment due: gains are claims in the ledger, and only withdrawals are paid out."

LIQUIDITY: tuple[Field, ...] = (
    Field("7.1.1", "Whether liquid resources cover one or two", Unit.TEXT, END, "", NO_PAYMENT),
    *(
        Field(f"7.1.{at}", f"Liquid resources: {name}", Unit.CURRENCY, END, "", reason)
        for at, (name, reason) in enumerate(ASSET_KINDS[:4], 2)
    ),
    Field("7.1.6", "Liquid resources: secured credit lines", Unit.CURRENCY, END, "", "There are no credit lines."),
    Field("7.1.7", "Liquid resources: unsecured credit lines", Unit.CURRENCY, END, "", "There are no credit lines."),
    Field(
        "7.1.8",
        "Liquid resources: marketable collateral with prearranged funding",
        Unit.CURRENCY,
        END,
        "",
        "No funding is arranged on collateral.",
    ),
    Field(
        "7.1.9",
        "Liquid resources: other",
        Unit.CURRENCY,
        END,
        "Tokens of cash groups in each vault, as the ledger counts them, at the close; and their sum.",
    ),
    Field("7.1.10", "Whether there is routine access to a central bank", Unit.TEXT, END, "There is none."),
    Field(
        "7.1.11",
        "Order in which payments are made",
        Unit.TEXT,
        END,
        "Withdrawals are released in the order of blocks, and one delayed by limits when its delay is over.",
    ),
    Field("7.2.1", "Supplementary liquid resources", Unit.CURRENCY, END, "", "There are no credit lines."),
    Field("7.3.1", "Largest payment that a default would cause", Unit.CURRENCY, QUARTER, "", NO_PAYMENT),
    Field("7.3.2", "Days on which 7.3.1 exceeded liquid resources", Unit.DAYS, QUARTER, "", NO_PAYMENT),
    Field("7.3.3", "Amounts by which 7.3.1 exceeded them", Unit.CURRENCY, QUARTER, "", NO_PAYMENT),
    Field(
        "7.3.4",
        "Largest actual payment obligation of one participant",
        Unit.CURRENCY,
        YEAR,
        "The most that a member and its affiliates paid net in variation margin over the day. Beside it, withdrawals "
        "of cash tokens that were released: in the day, and in the block with the most.",
    ),
    Field("7.3.5", "7.3.1 in each currency", Unit.CURRENCY, QUARTER, "", NO_PAYMENT),
    Field("7.3.6", "7.3.2 in each currency", Unit.DAYS, QUARTER, "", NO_PAYMENT),
    Field("7.3.7", "7.3.3 in each currency", Unit.CURRENCY, QUARTER, "", NO_PAYMENT),
)

DEFAULTS: tuple[Field, ...] = (
    Field(
        "13.1.1",
        "Loss of a default against initial margin",
        Unit.TEXT,
        AFTER,
        "Of every default that ended in the day: its loss, and its member's initial margin in the block before its "
        "declaration, where that block was observed.",
    ),
    Field(
        "13.1.2",
        "Other resources used for the loss",
        Unit.TEXT,
        AFTER,
        "What each layer of the waterfall bore, by default.",
    ),
    Field(
        "13.1.3.1",
        "Share of client positions closed out",
        Unit.TEXT,
        AFTER,
        "Clients' accounts that were closed out in the day, and their share of those that were closed out or ported; "
        "rounded down.",
    ),
    Field(
        "13.1.3.2",
        "Share of client positions ported",
        Unit.TEXT,
        AFTER,
        "As 13.1.3.1, of accounts that were ported to a standby member or to one that took them over.",
    ),
    Field("13.1.4", "Published material about defaults", Unit.TEXT, AFTER, "Commands that show the receipts."),
)

SEGREGATION: tuple[Field, ...] = (
    Field(
        "14.1.1",
        "Client positions in individually segregated accounts",
        Unit.PERCENTAGE,
        END,
        "Share of all client positions, and their notional at the marks: every client has accounts of its own.",
    ),
    Field(
        "14.1.2",
        "Client positions in omnibus accounts of clients",
        Unit.PERCENTAGE,
        END,
        "",
        "There are no omnibus accounts.",
    ),
    Field(
        "14.1.3",
        "Client positions in accounts segregated by law and commingled in operation",
        Unit.PERCENTAGE,
        END,
        "",
        "There are none.",
    ),
    Field("14.1.4", "Client positions in accounts with the member's own", Unit.PERCENTAGE, END, "", "There are none."),
)

LIQUIDITY_FIELDS = LIQUIDITY + DEFAULTS + SEGREGATION

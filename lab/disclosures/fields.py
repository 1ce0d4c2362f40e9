"""All fields of the disclosure in the order of their numbers: principles 4, 5, 6, 7, 13 and 14.

Rule: what each is, how it is computed here, or why it does not apply. `tests/lab/disclosures/fields.csv` is the table
of facts that they are compared with.
"""

from lab.disclosures.credit_fields import CREDIT_FIELDS
from lab.disclosures.field import Field
from lab.disclosures.liquidity_fields import LIQUIDITY_FIELDS
from lab.disclosures.margin_fields import MARGIN_FIELDS

FIELDS: tuple[Field, ...] = CREDIT_FIELDS + MARGIN_FIELDS + LIQUIDITY_FIELDS

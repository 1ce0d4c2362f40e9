"""`RiskSnapshot`: the subject of a solvency proof at one height; `proofs` reads no other record of positions.

Rule: ordered and integer. The rows here are the requirement itself, not a copy of it: the margin engine evaluates these
very rows, and property tests check that both are equal. It must not know how rows are proven.

Units: cash and equity in 10^-6 of the settlement unit, tokens in clearing units of their asset, positions in lots,
group maxima in the unit of their rows.
"""

from enum import IntEnum
from typing import Annotated

from msgspec import Meta

from clearing.base.codec import I64, U32, U63, Bytes20, Bytes32, U256Bytes, Wire, encode
from clearing.base.evm.storage import BalanceLocation
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32
from clearing.base.units import PPM, mul_div_up

RULES_BYTES_MAX = 1 << 20
SNAPSHOT_TAG = "crossclear/risk-snapshot/v1"
CUSTODY_TERMS_MAX = 1024
"""One for each asset; bounds what a verifier reads from chain states."""


class SlotKind(IntEnum):
    """The content of a slot, which determines its range."""

    CASH = 1
    """Signed, |v| < 2^63: the claim on a cash group."""
    TOKEN = 2
    """[0, 2^56): collateral units of one token on one chain."""
    POSITION = 3
    """|q| < 2^39 lots of one instrument."""
    GROUP_MAX = 4
    """[0, 2^64): auxiliary r_g, at least the worst loss of a risk group; chosen by the holder, never published."""
    AUXILIARY = 5
    """[0, 2^64): any other term of the requirement, at least what its rows state; never published."""
    AUXILIARY_SIGNED = 6
    """|v| < 2^63: the tail's threshold of an expected shortfall, freely chosen; never published."""
    UNCOVERED = 7
    """[0, 2^64): at least an account's shortfall in one stress scenario; not part of margin, never published."""
    NET_CHARGE = 8
    """[0, 2^64): a charge on what one group's positions net to, at least what its rows state; never published."""
    HISTORICAL = 9
    """[0, 2^64): at least the loss beyond the tail's threshold in a move of history, which is no scenario of a grid;
    never published."""


class RowKind(IntEnum):
    """The range of a row's value."""

    AT_LEAST_ZERO = 1
    """[0, 2^64)."""
    EQUAL_ZERO = 2


class Slot(Wire, frozen=True):
    """One coordinate of the holdings vector. `name` such as `cash:USD`, `token:31337:USDC`, `position:BTC-PERP`."""

    name: str
    kind: SlotKind
    group: U32 = 0
    """Risk group of a GROUP_MAX slot."""

    @property
    def is_public(self) -> bool:
        """Whether the ledger knows its value, so that its sum over all accounts is published."""
        return self.kind in (SlotKind.CASH, SlotKind.TOKEN, SlotKind.POSITION)


class Row(Wire, frozen=True):
    """One linear condition: sum of coefficient x holding + constant (+ shortfall) is in the kind's range."""

    name: str
    kind: RowKind
    coefficients: tuple[tuple[U32, I64], ...]
    """(slot index, coefficient), ordered by slot, no zero coefficients, |coefficient| < 2^62."""
    constant: I64 = 0
    shortfall: bool = False
    """Whether an account's listed public shortfall is added to this row."""


class AccountHoldings(Wire, frozen=True):
    """One account: values for all public slots, in slot order, and its shortfall (0 unless listed)."""

    account: U63
    values: tuple[I64, ...]
    shortfall: U63 = 0
    auxiliary: tuple[I64, ...] = ()
    """Values of the AUXILIARY, AUXILIARY_SIGNED, NET_CHARGE and HISTORICAL slots, in slot order: the least that the
    rows allow."""
    owner: Bytes20 = bytes(20)
    """The address that signs for money leaving the account, to which its commitment is bound; zeros: an account of the
    ledger itself."""
    sealed_seed: bytes = b""
    """The seed that the owner chose, sealed for the validators (`clearing.schema.records.seeds`); empty: none."""


class PriceUsed(Wire, frozen=True):
    """A settled mark used in the coefficients."""

    name: str
    ticks: U63


class CustodyTerm(Wire, frozen=True):
    """Reserves of one token on one chain at one of its final blocks, every term public and separate.

    Amounts are base units of the token unless stated otherwise: deposited - withdrawn = held * unit + released + later
    + strays + dust. A balance below that is a shortage.
    """

    chain_id: U63
    vault: Bytes20
    token: Bytes20
    slot: U32
    """TOKEN slot that this custody backs, or the CASH slot of the group that the token belongs to."""
    block_number: U63
    block_hash: Bytes32
    deposited: U256Bytes
    """The vault's counter at that block."""
    withdrawn: U256Bytes
    """The vault's counter at that block."""
    balance: U256Bytes
    """The vault's balance according to the token at that block."""
    balances: BalanceLocation
    """Where the token stores balances, by genesis."""
    unit: U63
    """Base units in one clearing unit."""
    held: U63
    """What the ledger owes, in clearing units."""
    released: U256Bytes
    """Withdrawals that the ledger released and the vault had not paid at that block, delayed ones included."""
    later: U256Bytes
    """Deposits at that block after the last one that the ledger credited."""
    strays: U256Bytes
    """Deposits that the ledger counted and credited to nobody."""
    dust: U256Bytes
    """Remainders of deposits below a clearing unit."""

    @property
    def accounted(self) -> int:
        """Base units that the vault accounts for; negative when more left than came in."""
        return int.from_bytes(self.deposited, "big") - int.from_bytes(self.withdrawn, "big")

    @property
    def missing(self) -> int:
        """Base units that the vault accounts for and does not have; 0 when it has them all."""
        return max(self.accounted - int.from_bytes(self.balance, "big"), 0)

    @property
    def missing_ppm(self) -> int:
        """The missing share of what the vault accounts for, rounded up; 0 where nothing is missing."""
        return mul_div_up(self.missing, PPM, self.accounted) if self.missing else 0

    @property
    def owed(self) -> int:
        """The sum of the published terms in base units."""
        others = (self.released, self.later, self.strays, self.dust)
        return self.held * self.unit + sum(int.from_bytes(word, "big") for word in others)


class PublicTotal(Wire, frozen=True):
    """The sum of all accounts' holdings in one slot: 0 for a position, the custody for cash and tokens."""

    slot: U32
    total: I64


class CoverTerms(Wire, frozen=True):
    """The test of the default fund against the two largest members' uncovered losses in every stress scenario."""

    fund: U63
    """Micros of the fund in force: at most its account's balance, and at most its equity in every stress scenario."""
    fund_account: U63
    members: tuple[tuple[U63, U63], ...]
    """(account, member) of every account but the fund's, ordered by account."""
    deficits: tuple[U63, ...]
    """For each UNCOVERED slot, in slot order: the excess of the two largest over the fund; 0 where it covers them."""


class RiskStatement(Wire, frozen=True):
    """The public part of a snapshot, which the quorum certifies by its hash."""

    network: Bytes32
    height: U63
    epoch: U63
    state_root: Bytes32
    scenarios: U32
    groups: tuple[str, ...]
    slots: tuple[Slot, ...]
    rows: tuple[Row, ...]
    prices: tuple[PriceUsed, ...]
    totals: tuple[PublicTotal, ...]
    """One for every public slot, ordered by slot."""
    custody: Annotated[tuple[CustodyTerm, ...], Meta(max_length=CUSTODY_TERMS_MAX)]
    shortfalls: tuple[tuple[U63, U63], ...]
    """(account, shortfall) of every listed account, ordered by account; all others prove a shortfall of zero."""
    rules: Annotated[bytes, Meta(max_length=RULES_BYTES_MAX)] = b""
    """The canonical bytes of `clearing.margin.statement.rulebook.Rulebook`: parameters, listing and prices in force, of
    which slots and rows are a function. Bytes, because a border type knows only the base; empty: not included."""
    assumptions: tuple[str, ...] = ()
    """Names of the rules of the clearing house that no row here expresses, in order
    (`clearing.margin.statement.rulebook`)."""
    cover: tuple[CoverTerms, ...] = ()
    """One where the parameters name stress scenarios, otherwise none."""

    def digest(self) -> Hash32:
        """Hash of the canonical encoding."""
        return tagged_hash(SNAPSHOT_TAG, encode(self))


class RiskSnapshot(Wire, frozen=True):
    """The statement and, for validators and proof workers only, every account's holdings, ordered by account."""

    statement: RiskStatement
    accounts: tuple[AccountHoldings, ...]

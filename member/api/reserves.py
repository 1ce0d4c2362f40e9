"""What the vaults have and what they owe, epoch by epoch."""

from typing import Annotated

from msgspec import Meta

from member.api.types import Address, Body, Id, SlotName

RESERVES_EPOCHS_MAX = 64
BaseUnits = Annotated[str, Meta(pattern="^(0|[1-9][0-9]*)$", description="base units of a token, as a string")]


class TokenReserves(Body, frozen=True):
    """One token of one vault, in its base units, by the package's statement."""

    chain_id: Id
    vault: Address
    token: Address
    slot: SlotName
    """Whose total it is part of, such as `cash:USD`."""
    claims_amount: BaseUnits
    """What accounts have of it."""
    owed_amount: BaseUnits
    """The same with deposits and withdrawals on their way, strays and dust."""
    balance_amount: BaseUnits
    """What the vault has."""


class EpochReserves(Body, frozen=True):
    """An epoch's snapshot."""

    epoch: Id
    height: Id
    tokens: tuple[TokenReserves, ...]


class ReservesView(Body, frozen=True):
    """Epochs of which this node keeps a package, rising; each package proves its own figures."""

    epochs: tuple[EpochReserves, ...]

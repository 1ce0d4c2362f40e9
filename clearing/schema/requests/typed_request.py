"""`TypedRequest`: a request that is signed as EIP-712 typed data.

Rule: a class declares the type that is signed once, as `SIGNED`; the values are read off it. A declared name in camel
case is the field in snake case, so a wallet that is shown the type signs what the fields say.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar

from clearing.base.eip712 import typed_data_digest
from clearing.base.codec import Wire
from clearing.base.ids import Hash32, NetworkId


class TypedRequest(Wire, frozen=True):
    """Base of requests that a trade key, a client's key or a venue's key signs."""

    SIGNED: ClassVar[str]
    """The EIP-712 type, such as `VenueSwitch(uint64 venue,bool suspended,uint32 revision,uint64 notAfterMs)`."""

    def digest(self, network: NetworkId) -> Hash32:
        """What each signature of the request is over."""
        return typed_data_digest(network, self.SIGNED, self.signed_values())

    def signed_values(self) -> tuple[int | bytes, ...]:
        """One ABI word for each declared field, in order."""
        return _values_getter(self.SIGNED)(self)


def signed_fields(declaration: str) -> tuple[str, ...]:
    """Names of the fields that an EIP-712 type declares, in snake case."""
    declared = declaration[declaration.index("(") + 1 : -1].split(",")
    return tuple(re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", each.split(" ")[1]) for each in declared)


@lru_cache(maxsize=64)
def _values_getter(declaration: str) -> Callable[[Any], tuple[int | bytes, ...]]:
    return attrgetter(*signed_fields(declaration))

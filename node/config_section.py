"""What every table of node.toml is made of."""

from typing import Annotated

from msgspec import Meta, Struct

Millis = Annotated[int, Meta(ge=1, le=3_600_000)]
Ppm = Annotated[int, Meta(ge=1, le=1_000_000)]
Name = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
FeedName = Annotated[str, Meta(pattern="^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")]
"""Empty: none."""


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of node.toml."""

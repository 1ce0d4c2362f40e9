"""The open secrets of one node, out of its key folder."""

from dataclasses import dataclass
from pathlib import Path

from member.keys.key_folder import KIND_OF, Purpose, read_key
from member.keys.secret_files import read_password


@dataclass(frozen=True, slots=True, repr=False)
class NodeKeys:
    """A validator's open secrets. It has no repr that would print them."""

    validator: int
    """The BLS secret scalar; 0 where another process holds it."""
    envelope: bytes
    relayer: bytes
    network_seed: bytes


def open_node_keys(home: Path, password_file: Path, *, allow_weak: bool = False, signs: bool = True) -> NodeKeys:
    """All keys of a validator, without the voting one unless it `signs` itself.

    Raises LocalFault KEY_MISSING, KEY_PASSWORD, KEY_WEAK, KEY_PERMISSIONS, KEY_FORMAT.
    """
    password = read_password(password_file)

    def read(purpose: Purpose) -> bytes:
        return read_key(home, purpose.value, KIND_OF[purpose], password, allow_weak=allow_weak)

    return NodeKeys(
        validator=int.from_bytes(read(Purpose.VALIDATOR), "big") if signs else 0,
        envelope=read(Purpose.ENVELOPE),
        relayer=read(Purpose.RELAYER),
        network_seed=read(Purpose.NETWORK_SEED),
    )

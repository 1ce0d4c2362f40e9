"""The protocol version of a certified header's state, shown to readers who execute nothing, as light clients.

Rule: the file opens one record of the state against the module root of a header that the reader trusts already. It
opens nothing else. A network that never scheduled an upgrade has no record, and so nothing can be shown.
"""

from clearing.base.codec import U32, U63, Wire, decode, encode
from clearing.base.errors import RemoteFault
from clearing.base.header import Header
from clearing.schema.codes import ClearingCode
from clearing.schema.records.governance import ProtocolRecord
from clearing.state.modules import Module, record_key
from clearing.state.protocol_version import KEY
from clearing.state.record_opening import RecordOpening, check_record, open_record
from clearing.state.state import State

FORMAT = 1
SHOWN_BYTES_MAX = 128 << 10
_KEY = record_key("protocol", KEY)


class ShownProtocol(Wire, frozen=True):
    """The record after the block at `height`, with its opening."""

    format: U32
    height: U63
    record: ProtocolRecord
    opening: RecordOpening


def show_protocol(state: State) -> bytes | None:
    """The file of a state; None when no upgrade was ever scheduled."""
    record = state.protocol.get(KEY)
    if record is None:
        return None
    return encode(ShownProtocol(FORMAT, state.now.height, record, open_record(state, Module.VALIDATORS, _KEY)))


def read_protocol(data: bytes) -> ShownProtocol:
    """Read a file, unchecked. Raises RemoteFault for invalid bytes."""
    shown = decode(data, ShownProtocol, SHOWN_BYTES_MAX)
    if shown.format != FORMAT:
        raise RemoteFault(ClearingCode.BAD_SNAPSHOT, "protocol.format", format=shown.format, known=FORMAT)
    return shown


def check_protocol(shown: ShownProtocol, header: Header) -> ProtocolRecord:
    """The record, checked against the trusted header of its height. Raises RemoteFault BAD_SNAPSHOT for another height,
    BAD_MERKLE_PROOF for a record that the header's state does not have."""
    if shown.height != header.height:
        raise RemoteFault(ClearingCode.BAD_SNAPSHOT, "protocol.height", shown=shown.height, trusted=header.height)
    check_record(header, Module.VALIDATORS, _KEY, encode(shown.record), shown.opening)
    return shown.record

"""The protocol version of each height, as the state has it, and whether a release has its rules.

Rule: a function of the state alone, so it is equal at all validators. Who wants to execute a block asks here first;
a rule that differs between versions asks for the version of its block.
"""

from clearing.base.errors import LocalFault
from clearing.base.protocol import FIRST_VERSION, ProtocolVersions
from clearing.schema.codes import ClearingCode
from clearing.schema.records.governance import ProtocolRecord
from clearing.state.state import State

KEY = 0
GENESIS_PROTOCOL = ProtocolRecord(version=FIRST_VERSION, since_height=1)
"""Before anything was scheduled: then the state has no record."""


def protocol_of(state: State) -> ProtocolRecord:
    """The version in force and the scheduled one."""
    return state.protocol.get(KEY) or GENESIS_PROTOCOL


def version_at(state: State, height: int) -> int:
    """The protocol version of a block at `height`, the state's own or later, unless a vote changes it before."""
    record = protocol_of(state)
    return record.next_version if record.next_height and height >= record.next_height else record.version


def check_version(state: State, height: int, release: ProtocolVersions) -> None:
    """Raise LocalFault RELEASE_TOO_OLD or RELEASE_TOO_NEW when a release lacks the rules of the block at `height`."""
    version, record = version_at(state, height), protocol_of(state)
    if release.has(version):
        return
    since = record.since_height if version == record.version else record.next_height
    code = ClearingCode.RELEASE_TOO_OLD if version > release.newest else ClearingCode.RELEASE_TOO_NEW
    raise LocalFault(code, "release", height=height, needed=version, since_height=since, release=str(release))

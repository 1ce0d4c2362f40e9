"""The state of a home at a height, rebuilt from that node's own disk, and the difference of two states.

Rule: for reading only: no node continues from it. Differences come in order of keys; at most `LISTED` records of a
table are listed, and all are counted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from clearing.base.codec import U63, Wire, decode, encode
from clearing.base.errors import Bug, LocalFault
from clearing.base.header import Header
from clearing.base.ids import Hash32
from clearing.base.validators import ValidatorSet
from clearing.initial_state import initial_state
from clearing.schema.blocks.block import VoteExtension
from clearing.schema.terms.genesis import Genesis
from clearing.state.export import export_state, import_state
from clearing.state.modules import Module
from clearing.state.state import State
from clearing.state.state_tables import TABLES
from clearing.validators.validator_sets import validator_sets
from consensus.application import AppRoots, ExecutionContext
from consensus.blocks.executor import BlockExecutor
from consensus.blocks.store import load_committed
from consensus.chain_state import ApplicationPosition, chain_at
from consensus.messages import CommittedBlock
from consensus.signing import CertificateCache, CurveVerifier
from member.codes import NodeCode
from member.keys.secret_files import write_secret
from node.agreement.application import ClearingApplication
from node.genesis_file import read_genesis
from node.offline.homes import open_home
from node.offline.replay import NoPool, StatedCommitments
from node.store.blocks import StoredBlocks
from node.store.store import Store
from node.sync.restore import SAVED_BYTES_MAX, SavedState


class StateFile(Wire, frozen=True):
    """What `debug export` writes: a state alone."""

    height: U63
    state: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """A height at which the state made here has other roots than the certified header states."""

    height: int
    modules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StateAt:
    """What a home's disk comes to."""

    height: int
    state: State
    header: Header | None
    """Certified, of this height; None at height 0 or where only a state is at hand."""
    differences: tuple[Difference, ...]
    """The first that was met while executing, and the one at this height."""
    executed_from: int


def state_at(genesis: Genesis, salt: bytes, store: Store, height: int) -> StateAt:
    """Begin at the newest saved state not above `height` and execute blocks up to it.

    Raises LocalFault STORE_GAP when blocks or a state to begin with are lacking, Bug for a block that cannot execute.
    """
    found = store.snapshot(height)
    saved_at, state = (0, initial_state(genesis, salt)) if found is None else _saved_state(genesis, salt, found[1])
    application = _Judging(genesis, state, saved_at)
    blocks = StoredBlocks(store)
    last = block_of(blocks, saved_at) if saved_at else None
    if last is not None:
        application.compare(last.block.header)
    sets = validator_sets(state)
    chain = chain_at(
        state.terms.network, genesis.time_ms, ApplicationPosition(saved_at, sets.last, sets.now, sets.next), last
    )
    verifier = CurveVerifier()
    executor = BlockExecutor(application, verifier, CertificateCache(verifier, chain.network))
    for replayed in range(saved_at + 1, height + 1):
        last = block_of(blocks, replayed)
        application.stated = last.block.header
        chain = executor.apply(chain, last.block, last.certificate, last.extensions)
    return StateAt(height, application.state, last.block.header if last else None, application.differences, saved_at)


def _saved_state(genesis: Genesis, salt: bytes, data: bytes) -> tuple[int, State]:
    """(height, state) out of what a node saved. Raises RemoteFault for bytes that are none."""
    saved = decode(data, SavedState, SAVED_BYTES_MAX)
    return saved.height, import_state(genesis, salt, saved.state)


def _exported_state(genesis: Genesis, salt: bytes, data: bytes) -> tuple[int, State]:
    """(height, state) out of a file of `_write_state`. Raises RemoteFault for bytes that are none."""
    found = decode(data, StateFile, SAVED_BYTES_MAX)
    return found.height, import_state(genesis, salt, found.state)


def _write_state(path: Path, found: StateAt) -> None:
    """A new file of mode 0600 in a folder that is closed to others. Raises LocalFault KEY_EXISTS, KEY_PERMISSIONS."""
    write_secret(path, encode(StateFile(height=found.height, state=export_state(found.state))))


def _read_state(path: Path) -> bytes:
    """An exported state's file. Raises LocalFault STORE_CORRUPT for one that is unreadable or too long."""
    try:
        with path.open("rb") as file:
            data = file.read(SAVED_BYTES_MAX + 1)
    except OSError as error:
        raise LocalFault(NodeCode.STORE_CORRUPT, str(path), why=error.strerror or "unreadable") from None
    if len(data) > SAVED_BYTES_MAX:
        raise LocalFault(NodeCode.STORE_CORRUPT, str(path), bytes_max=SAVED_BYTES_MAX)
    return data


def block_of(blocks: StoredBlocks, height: int) -> CommittedBlock:
    """The own block of a height. Raises LocalFault STORE_GAP."""
    committed = load_committed(blocks, height)
    if committed is None:
        raise LocalFault(NodeCode.STORE_GAP, "blocks", height=height, highest=blocks.height())
    return committed


class _Judging(ClearingApplication):
    """Executes as the node does, but answers with the stated roots, so that a difference does not end it."""

    def __init__(self, genesis: Genesis, state: State, height: int) -> None:
        self._commitments = StatedCommitments()
        super().__init__(genesis, state, NoPool(), self._commitments, lambda _: VoteExtension(), height)
        self.stated: Header | None = None
        self._made: tuple[Hash32, ...] = ()
        self._first: Difference | None = None
        self._last: Difference | None = None

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The first and the last height's, once each."""
        both = (self._first, self._last)
        return tuple(dict.fromkeys(difference for difference in both if difference is not None))

    def compare(self, header: Header) -> None:
        """Of the decided state."""
        self._note(header, self.state.module_roots())

    def process(self, context: ExecutionContext, payload: bytes) -> AppRoots:
        """Execute; the roots are those that the header states."""
        header = self.stated
        if header is None or header.height != context.height:
            raise Bug(f"height {context.height} without its header")
        self._commitments.header = header
        roots = super().process(context, payload)
        self._made = roots.module_roots
        self._note(header, roots.module_roots)
        return AppRoots(
            module_roots=tuple(Hash32(module_root) for module_root in header.module_roots),
            commitments_root=Hash32(header.commitments_root),
            commitments_height=header.commitments_height,
            withdrawals_root=Hash32(header.withdrawals_root),
            withdrawals_count=header.withdrawals_count,
            exit_root=Hash32(header.exit_root),
            epoch=header.epoch,
            deposit_cursors=header.deposit_cursors,
        )

    def commit(self, header: Header) -> ValidatorSet:
        """The state that was made here, whatever the header states."""
        return super().commit(msgspec.structs.replace(header, module_roots=self._made))

    def _note(self, header: Header, made: tuple[bytes, ...]) -> None:
        pairs = zip(Module, made, header.module_roots, strict=True)
        modules = tuple(module.name for module, here, there in pairs if here != there)
        self._last = Difference(header.height, modules) if modules else None
        self._first = self._first or self._last


def state_of_home(home: Path, height: int | None) -> State:
    """The state of a node's own disk at a height, by default the highest. Raises LocalFault."""
    opened = open_home(home)
    with opened.store() as store:
        wanted = store.height() if height is None else height
        return state_at(opened.genesis, opened.salt(), store, wanted).state


def state_of_file(path: Path, genesis: Genesis) -> State:
    """The state in a file of `debug export`, without a salt: its roots mean nothing. Raises LocalFault, RemoteFault."""
    return _exported_state(genesis, bytes(32), _read_state(path))[1]


def export_home(home: Path, height: int | None, target: Path) -> StateAt:
    """Write the state of a home at a height, by default the highest, to a new file. Raises LocalFault."""
    opened = open_home(home)
    with opened.store() as store:
        found = state_at(opened.genesis, opened.salt(), store, store.height() if height is None else height)
    _write_state(target, found)
    return found


LISTED = 20
_TEXT_MAX = 400


class RecordDiff(msgspec.Struct, frozen=True):
    """One key; a side that lacks it is empty."""

    key: str
    a: str
    b: str


class TableDiff(msgspec.Struct, frozen=True):
    """One table that differs."""

    table: str
    module: str
    only_a: int
    only_b: int
    changed: int
    records: tuple[RecordDiff, ...]


class ModuleDiff(msgspec.Struct, frozen=True):
    """One module's roots, hex."""

    module: str
    a: str
    b: str
    equal: bool


class StateDiff(msgspec.Struct, frozen=True):
    """All modules, and the tables that differ."""

    equal: bool
    modules: tuple[ModuleDiff, ...]
    tables: tuple[TableDiff, ...]


@dataclass(frozen=True, slots=True)
class _Sides:
    a: dict[Any, Any]
    b: dict[Any, Any]


def state_diff(a: State, b: State) -> StateDiff:
    """Compare two states that have one salt."""
    roots = zip(Module, a.module_roots(), b.module_roots(), strict=True)
    modules = tuple(ModuleDiff(module.name, left.hex(), right.hex(), left == right) for module, left, right in roots)
    tables = []
    for label, declared in TABLES.items():
        sides = _Sides(dict(getattr(a, declared.attribute).ordered()), dict(getattr(b, declared.attribute).ordered()))
        found = _table_diff(label, sides)
        if found is not None:
            tables.append(found)
    return StateDiff(not tables and all(module.equal for module in modules), modules, tuple(tables))


def _table_diff(label: str, sides: _Sides) -> TableDiff | None:
    differing = [key for key in sorted({*sides.a, *sides.b}) if sides.a.get(key) != sides.b.get(key)]
    if not differing:
        return None
    records = tuple(
        RecordDiff(_text(key), _text(sides.a.get(key)), _text(sides.b.get(key))) for key in differing[:LISTED]
    )
    only_a = sum(key not in sides.b for key in differing)
    only_b = sum(key not in sides.a for key in differing)
    return TableDiff(label, TABLES[label].module.name, only_a, only_b, len(differing) - only_a - only_b, records)


def _text(value: Any) -> str:
    """A key or record; bytes as hex, long ones cut."""
    if value is None:
        return ""
    return str(_plain(value))[:_TEXT_MAX]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    return value


@dataclass(frozen=True, slots=True)
class ComparedStates:
    """Two states of one height, or two heights that cannot be compared."""

    heights: tuple[int, int]
    headers: tuple[str, ...]
    """For each side, every height at which its state has other roots than the certified header."""
    diff: StateDiff


def compare_states(a: Path, b: Path, height: int | None, genesis: Path | None) -> ComparedStates:
    """Compare two homes, or files of `debug export`; by default at the highest height that both have.

    Without a home, whose network seed salts the roots, only tables can be compared. Raises LocalFault.
    """
    home = next((path for path in (a, b) if path.is_dir()), None)
    if home is None:
        terms, salt = read_genesis(genesis or Path("genesis.json")), bytes(32)
    else:
        opened = open_home(home)
        terms, salt = opened.genesis, opened.salt()
    wanted = _common_height((a, b), terms, salt) if height is None else height
    sides = [_side(path, terms, salt, wanted) for path in (a, b)]
    headers = tuple(
        f"{name}: at height {difference.height} the header states other roots of {', '.join(difference.modules)}"
        for name, side in zip("AB", sides, strict=True)
        for difference in side.differences
    )
    return ComparedStates((sides[0].height, sides[1].height), headers, state_diff(sides[0].state, sides[1].state))


def state_diff_lines(diff: StateDiff) -> list[str]:
    """The comparison as text: a line for each module, then the records that differ."""
    lines = [
        f"{'same' if module.equal else 'DIFF'} {module.module:<12} {module.a[:16]} {module.b[:16]}"
        for module in diff.modules
    ]
    for table in diff.tables:
        lines.append(
            f"{table.module} {table.table}: {table.only_a} only in A, {table.only_b} only in B, {table.changed} changed"
        )
        for record in table.records:
            lines += [f"  {record.key}", f"    A {record.a or '-'}", f"    B {record.b or '-'}"]
    return lines


def _common_height(paths: tuple[Path, Path], genesis: Genesis, salt: bytes) -> int:
    """A file has one height; of two homes the lower one."""
    files = [_exported_state(genesis, salt, _read_state(path))[0] for path in paths if not path.is_dir()]
    if files:
        return files[0]
    heights = []
    for path in paths:
        with open_home(path).store() as store:
            heights.append(store.height())
    return min(heights)


def _side(path: Path, genesis: Genesis, salt: bytes, height: int) -> StateAt:
    if path.is_dir():
        with open_home(path).store() as store:
            return state_at(genesis, salt, store, height)
    found, state = _exported_state(genesis, salt, _read_state(path))
    return StateAt(found, state, None, (), found)

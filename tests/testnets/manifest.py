"""`Manifest`: a network of real processes, what happens to it, and what must hold; one TOML file.

Rule: whatever can be wrong in the file is told with its place before a process starts. Nodes are named `n0` … in the
order of the validator set. Events happen one after another, each once the network is level again after the one before.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from clearing.base.errors import LocalFault
from member.codes import NodeCode
from node.config_sources import parse_config

Name = Annotated[str, Meta(pattern="^n(0|[1-9][0-9]?)$")]
Seconds = Annotated[float, Meta(ge=0, le=3600)]
Count = Annotated[int, Meta(ge=0, le=100_000)]
Millis = Annotated[int, Meta(ge=0, le=10_000)]
Ground = Literal["auto", "namespaces", "relays"]
"""Where the nodes run: each in a network namespace of its own, or on loopback with a relay on every link."""
Deed = Literal["kill", "restart", "pause", "disconnect", "partition", "upgrade", "start", "power", "wait"]

NODES_MAX = 32
DOWN = frozenset(("kill", "restart", "pause", "disconnect"))
NAMED = DOWN | {"upgrade", "start"}


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class Load(Table, frozen=True):
    """`[load]`: signed trades, handed in at one running node after another."""

    per_second: Annotated[float, Meta(ge=0, le=2000)] = 20
    members: Annotated[int, Meta(ge=2, le=64)] = 4


class NodeTerms(Table, frozen=True):
    """One `[[nodes]]`: what is special about a node. A validator without a table is an ordinary one."""

    name: Name
    late: bool = False
    """Its process starts at its `start` event only. Observers always are."""
    join: Literal["genesis", "snapshot"] = "genesis"
    """Of a late node: whether it fetches every block, or a snapshot and the blocks after it."""
    adversary: str = ""
    """Name of a liar in `tests.adversaries`: the process is real, what it says is not."""
    latency_ms: Millis = 0
    """One way, on top of the network's, to and from this node."""


class Event(Table, frozen=True):
    do: Deed
    nodes: tuple[Name, ...] = ()
    """Whom it happens to: all at once, but `upgrade` takes one after another."""
    groups: tuple[tuple[Name, ...], ...] = ()
    """Of a partition: who still reaches whom. Who is in none is alone."""
    seconds: Seconds = 0
    """How long it lasts."""
    heights: Count = 10
    """Heights that the network makes in calm before it."""
    to: str = ""
    """Of an upgrade: a git ref of this repository, or the folder of another checkout."""
    power: Annotated[int, Meta(ge=0, le=1000)] = 1
    """Of `power`: what the nodes' power becomes; 0 ends their membership."""


class Manifest(Table, frozen=True):
    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,40}$")]
    seed: Annotated[int, Meta(ge=0, le=2**32)] = 1
    """Of keys, load and liars; what the machine's scheduling does is not repeatable."""
    validators: Annotated[int, Meta(ge=1, le=NODES_MAX)] = 4
    observers: Annotated[int, Meta(ge=0, le=8)] = 0
    """Nodes beyond the validators, named after them, that follow without a vote; made by `crossclear join`."""
    chains: Annotated[int, Meta(ge=0, le=2)] = 0
    """EVM chains with vaults. With none nobody can deposit, and a trade is refused in its block for want of margin."""
    ground: Ground = "auto"
    latency_ms: Millis = 0
    """One way, between any two nodes. Needs relays: the kernel's own delays are mostly not there."""
    jitter_ms: Millis = 0
    prices: bool = True
    """Whether prices move, so that heights have news."""
    proofs: bool = False
    epoch_heights: Annotated[int, Meta(ge=10, le=10_000)] = 60
    """Snapshots of the state are taken at the end of an epoch."""
    heights: Annotated[int, Meta(ge=1, le=100_000)] = 20
    """Calm heights after the last event."""
    recovery_seconds: Annotated[float, Meta(gt=0, le=3600)] = 60
    """The longest that the network may take to be level again after an event ends."""
    replay: bool = True
    """Whether one node's chain is executed again from genesis at the end."""
    load: Load = Load()
    consensus: dict[str, int] = {}
    """Keys of `[consensus]` in every node.toml."""
    nodes: tuple[NodeTerms, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"n{index}" for index in range(self.validators + self.observers))

    @property
    def voters(self) -> tuple[str, ...]:
        """Of the validators."""
        return self.names[: self.validators]

    @property
    def late(self) -> frozenset[str]:
        """Nodes that do not run from the start."""
        return frozenset(each.name for each in self.nodes if each.late) | set(self.names[self.validators :])

    def terms(self, name: str) -> NodeTerms:
        """What is special about a node."""
        return next((each for each in self.nodes if each.name == name), NodeTerms(name=name))

    @property
    def liars(self) -> frozenset[str]:
        """Nodes with an adversary: nothing is expected of them."""
        return frozenset(each.name for each in self.nodes if each.adversary)

    @property
    def honest(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name not in self.liars)

    @property
    def delays(self) -> bool:
        """Whether any link has a latency."""
        return bool(self.latency_ms or self.jitter_ms or any(each.latency_ms for each in self.nodes))


def read_manifest(path: Path) -> Manifest:
    """Read and check a file. Raises LocalFault."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _wrong(str(path), str(error)) from None
    return parse_manifest(tree, str(path))


def parse_manifest(tree: dict[str, Any], where: str = "manifest") -> Manifest:
    """Typed and checked. Raises LocalFault CONFIG_VALUE naming what is wrong."""
    try:
        manifest = msgspec.convert(tree, Manifest)
    except msgspec.ValidationError as error:
        raise _wrong(where, str(error)) from None
    check_manifest(manifest, where)
    return manifest


def check_manifest(manifest: Manifest, where: str = "manifest") -> None:
    """What types cannot say. Raises LocalFault."""
    parse_config({"consensus": dict(manifest.consensus)})
    named = [each.name for each in manifest.nodes]
    _require(len(set(named)) == len(named), where, "a node has two tables")
    _require(not manifest.delays or manifest.ground != "namespaces", where, "latency needs ground = relays")
    known = set(manifest.names)
    _require(set(named) <= known, where, f"nodes beyond {manifest.names[-1]}")
    _require(manifest.liars <= set(manifest.voters), where, "an observer has nothing to lie about")
    _require(3 * len(manifest.liars) < manifest.validators, where, "a third or more of the nodes lie")
    absent = (manifest.late & set(manifest.voters)) | manifest.liars
    _require(3 * len(absent) < manifest.validators, where, "too few nodes start at genesis")
    waiting = set(manifest.late)
    for number, event in enumerate(manifest.events):
        at = f"{where}: events[{number}] {event.do}"
        members = {name for group in event.groups for name in group}
        _require(set(event.nodes) | members <= known, at, "unknown node")
        _require(bool(event.nodes) == (event.do in NAMED or event.do == "power"), at, "nodes")
        _require((event.do == "partition") == bool(event.groups), at, "groups")
        _require(len(members) == sum(len(group) for group in event.groups), at, "a node is in two groups")
        _require((event.do == "upgrade") == bool(event.to), at, "to")
        if event.do == "start":
            _require(set(event.nodes) <= waiting, at, "starts a node that runs")
            waiting -= set(event.nodes)
        else:
            _require(not set(event.nodes) & waiting, at, "happens to a node that has not started")
    _require(not waiting, where, f"never started: {sorted(waiting)}")


def _require(holds: bool, where: str, what: str) -> None:
    if not holds:
        raise _wrong(where, what)


def _wrong(where: str, why: str) -> LocalFault:
    return LocalFault(NodeCode.CONFIG_VALUE, where, why=why)


def dump_manifest(manifest: Manifest) -> str:
    """As TOML, without what is default. Reading it gives the same manifest."""
    tree = msgspec.to_builtins(manifest)
    bare = msgspec.to_builtins(Manifest(name=manifest.name))
    plain = {key: value for key, value in tree.items() if key == "name" or value != bare[key]}
    lines = [
        f"{key} = {_toml(value)}" for key, value in plain.items() if not isinstance(value, dict) and key not in _LISTS
    ]
    for key in ("load", "consensus"):
        if key in plain:
            lines += ["", f"[{key}]", *(f"{name} = {_toml(value)}" for name, value in plain[key].items())]
    for key, blank in _LISTS.items():
        for entry in tree[key]:
            kept = {name: value for name, value in entry.items() if value != blank.get(name)}
            lines += ["", f"[[{key}]]", *(f"{name} = {_toml(value)}" for name, value in kept.items())]
    return "\n".join(lines) + "\n"


_LISTS: dict[str, dict[str, Any]] = {
    "nodes": {**msgspec.to_builtins(NodeTerms(name="n0")), "name": None},
    "events": {**msgspec.to_builtins(Event(do="wait")), "do": None},
}


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return msgspec.json.encode(value).decode()
        case list() | tuple():
            return "[" + ", ".join(_toml(each) for each in value) + "]"
        case _:
            return str(value)

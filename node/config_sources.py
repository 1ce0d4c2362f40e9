"""The sources of settings: node.toml, then `CROSSCLEAR_SECTION__KEY` in the environment, then flags; the last one wins.

Rule: every refusal names the key's path and its source. `Effective.origin` names the source of each set key, for
`crossclear config show --origin`.
"""

import copy
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bridge.beacon.networks import network_of
from bridge.codes import BridgeCode
from bridge.rpc.chain_profiles import GENERIC, known_profile, profile_of
from bridge.rpc.providers import is_quorum, repeated_provider
from clearing.base.errors import LocalFault
from clearing.base.known_types import known_type
from clearing.base.plain_json import read_json
from member.codes import NodeCode
from node.config import BLOCKS_KEPT_MIN, ChainConfig, NodeConfig

ENV_PREFIX = "CROSSCLEAR_"
# Distinguished from settings by having no double underscore; these steer tests and tools.
CONFIG_BYTES_MAX = 1 << 20
_PATH = re.compile(r"at `\$\.?(?P<path>[^`]*)`")
_LISTED = re.compile(r"at `\$\.(?P<list>[^`\[]*)\[(?P<index>[0-9]+)\]")
TYPE_FAULTS_MAX = 100
_ABSENT = object()
_FIELD = re.compile(r"field `(?P<field>[^`]*)`")


@dataclass(frozen=True, slots=True)
class Effective:
    """The settings in force, and the source of each (dotted key to `file`, an environment variable, or a flag)."""

    config: NodeConfig
    origin: dict[str, str]


def load_config(path: Path | None, environment: Mapping[str, str], flags: Mapping[str, str] | None = None) -> Effective:
    """Read, overlay and check. Raises LocalFault CONFIG_*, the first of `value_faults` among them.

    `flags` maps dotted keys (`p2p.port`) to text. Without `node.home`, the home is the folder of the file.
    """
    try:
        effective = read_config(path, environment, flags)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    _refuse_first(effective.config)
    return effective


def read_config(path: Path | None, environment: Mapping[str, str], flags: Mapping[str, str] | None = None) -> Effective:
    """As `load_config`, without `value_faults`: for who reports all mistakes at once.

    Raises LocalFault CONFIG_*, or an ExceptionGroup of them where several values are of the wrong type.
    """
    settings: dict[str, Any] = _read_toml(path) if path is not None else {}
    origin = dict.fromkeys(_leaves(settings, ""), "file")
    for variable, text in sorted(environment.items()):
        if variable.startswith(ENV_PREFIX) and "__" in variable:
            key = variable.removeprefix(ENV_PREFIX).lower().replace("__", ".")
            _overlay(settings, key, text, variable)
            origin[key] = variable
    for key, text in (flags or {}).items():
        _overlay(settings, key, text, f"flag {key}")
        origin[key] = "flag"
    if path is not None and "node.home" not in origin:
        settings.setdefault("node", {})
        if isinstance(settings["node"], dict):
            settings["node"]["home"] = str(path.resolve().parent)
    faults = type_faults(settings)
    if len(faults) > 1:
        raise ExceptionGroup("settings", faults)
    return Effective(_typed(settings), origin)


def parse_config(settings: Mapping[str, Any]) -> NodeConfig:
    """Check a tree of settings. Raises LocalFault CONFIG_UNKNOWN_KEY, CONFIG_MISSING, CONFIG_VALUE."""
    config = _typed(settings)
    _refuse_first(config)
    return config


def _typed(settings: Mapping[str, Any]) -> NodeConfig:
    try:
        # TOML has no tuples, and the environment has only text: lax conversion reads "26600" as a number.
        return msgspec.convert(settings, known_type(NodeConfig), strict=False)
    except msgspec.ValidationError as error:
        raise _value_fault(str(error)) from None


def type_faults(settings: Mapping[str, Any]) -> list[LocalFault]:
    """Every key that is unknown, missing, or of the wrong type; of a table in a list the first of its own.

    msgspec reports the first. Without what it reported, it reports the next.
    """
    tree, found = copy.deepcopy(dict(settings)), list[LocalFault]()
    left_out: dict[str, list[int]] = {}
    while len(found) < TYPE_FAULTS_MAX:
        try:
            msgspec.convert(tree, known_type(NodeConfig), strict=False)
        except msgspec.ValidationError as error:
            path, field = _place(str(error))
            fault = _value_fault(_renumbered(str(error), left_out))
            found.append(fault)
            if not _leave_out(tree, path, field, left_out):
                return found
        else:
            return found
    return found


def _place(message: str) -> tuple[str, str]:
    """Path and field of a validation message."""
    path_match, field_match = _PATH.search(message), _FIELD.search(message)
    return path_match["path"] if path_match else "", field_match["field"] if field_match else ""


def _renumbered(message: str, left_out: Mapping[str, list[int]]) -> str:
    """With the index that a table has in the file: those before it may be left out."""
    listed = _LISTED.search(message)
    if listed is None or listed["list"] not in left_out:
        return message
    index = int(listed["index"])
    for gone in sorted(left_out[listed["list"]]):
        index += gone <= index
    return message[: listed.start("index")] + str(index) + message[listed.end("index") :]


def _leave_out(tree: dict[str, Any], path: str, field: str, left_out: dict[str, list[int]]) -> bool:
    """Take a faulty key, or a faulty table of a list, out of the tree; whether there was one."""
    listed = _LISTED.search(f"at `$.{path}`")
    steps = (listed["list"] if listed is not None else path).split(".") if path else []
    table: Any = tree
    for step in steps[: None if field and listed is None else -1]:
        table = table.get(step) if isinstance(table, dict) else None
    if listed is not None:
        rows, index = (table or {}).get(steps[-1]), int(listed["index"])
        before = left_out.setdefault(listed["list"], [])
        original = index
        for gone in sorted(before):
            original += gone <= original
        before.append(original)
        return isinstance(rows, list) and index < len(rows) and rows.pop(index) is not None
    key = field or (steps[-1] if steps else "")
    return isinstance(table, dict) and table.pop(key, _ABSENT) is not _ABSENT


def _refuse_first(config: NodeConfig) -> None:
    for fault in value_faults(config):
        raise fault


def value_faults(config: NodeConfig) -> Iterator[LocalFault]:
    """What is wrong with values of the right type, as far as the settings alone tell it."""
    if 0 < config.storage.blocks_kept < BLOCKS_KEPT_MIN:
        why = f"at least {BLOCKS_KEPT_MIN}, or 0 for all"
        yield LocalFault(NodeCode.CONFIG_VALUE, "storage.blocks_kept", value=config.storage.blocks_kept, why=why)
    checks = (_check_providers, _check_quorum, partial(_check_profile, devnet=config.node.devnet), _check_light_client)
    for chain in config.chains:
        for check in checks:
            try:
                check(chain)
            except LocalFault as fault:
                yield fault


def _check_providers(chain: ChainConfig) -> None:
    # One provider named twice would have two votes of the quorum.
    if repeated := repeated_provider(chain.endpoints):
        raise LocalFault(
            NodeCode.CONFIG_VALUE, f"chains.{chain.name}.endpoints", why="a provider twice", endpoint=repeated
        )


def _check_quorum(chain: ChainConfig) -> None:
    if not is_quorum(chain.quorum, len(chain.endpoints)):
        raise LocalFault(
            NodeCode.CONFIG_VALUE,
            f"chains.{chain.name}.quorum",
            value=chain.quorum,
            endpoints=len(chain.endpoints),
            why=BridgeCode.BAD_QUORUM.remedy,
        )


def _check_profile(chain: ChainConfig, *, devnet: bool) -> None:
    """Raises LocalFault WRONG_PROFILE for a profile of other chains, and for a chain that nobody describes."""
    profile_of(chain.chain_id, chain.profile)
    if not chain.profile and not devnet and known_profile(chain.chain_id) is None:
        why = "no profile names the chain id"
        raise LocalFault(BridgeCode.WRONG_PROFILE, f"chains.{chain.name}.profile", chain_id=chain.chain_id, why=why)


def _check_light_client(chain: ChainConfig) -> None:
    """Raises LocalFault CONFIG_VALUE for a light client that is set up by half, NO_BEACON_CHAIN where none serves."""
    if chain.light_client == "off":
        return
    network_of(chain.chain_id, at=f"chains.{chain.name}.light_client")
    for key in ("beacon_endpoints", "checkpoint_root"):
        if not getattr(chain, key):
            raise LocalFault(NodeCode.CONFIG_VALUE, f"chains.{chain.name}.{key}", why="light_client needs it")


def warnings_of(config: NodeConfig) -> list[str]:
    """What is valid and unwise, a sentence each."""
    found: list[str] = []
    for chain in config.chains:
        at, profile = f"chains.{chain.name}", profile_of(chain.chain_id, chain.profile)
        if chain.quorum == 1:
            found.append(f"{at}.quorum is 1: a single endpoint decides what this node believes of the chain")
        if chain.light_client == "off" and chain.beacon_endpoints:
            found.append(f"{at}.light_client is off: beacon_endpoints are not used")
        if profile.name == GENERIC and not config.node.devnet:
            found.append(f"{at}.profile is {GENERIC}: nobody checked how this chain hashes, and what is final on it")
        if 0 < chain.confirmations < profile.facts.finality.depth:
            depth = profile.facts.finality.depth
            found.append(f"{at}.confirmations changes nothing: the profile {profile.name} waits for {depth} blocks")
    return found


def name_of_home(home: Path) -> str:
    """A node's name in logs and metrics without another one: that of its folder, in the characters of names."""
    fit = re.sub(r"[^A-Za-z0-9._-]+", "-", home.resolve().name).lstrip("._-")
    return fit[:64] or "node"


def dump_config(config: NodeConfig) -> str:
    """The configuration as TOML that `load_config` reads back."""
    return _as_toml(msgspec.to_builtins(config))


def home_settings(config: NodeConfig) -> str:
    """The same as a home's node.toml has it: a home can be moved, so it does not say where it is."""
    tree = msgspec.to_builtins(config)
    del tree["node"]["home"]
    return _as_toml(tree)


def _as_toml(tree: Mapping[str, Any]) -> str:
    lines: list[str] = []
    for section, table in tree.items():
        if isinstance(table, dict):
            lists = {key: value for key, value in table.items() if _is_tables(value)}
            # An empty list is left out: written, it would forbid the tables that an operator appends.
            plain = {key: value for key, value in table.items() if key not in lists and value not in ([], ())}
            lines += ["", f"[{section}]", *_pairs(plain)]
            for key, rows in lists.items():
                for row in rows:
                    lines += ["", f"[[{section}.{key}]]", *_pairs(row)]
        else:
            for row in table:
                lines += ["", f"[[{section}]]", *_pairs(row)]
    return "\n".join(lines).lstrip("\n") + "\n"


def _is_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], dict)


def _pairs(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in table.items()]


def _toml(value: Any) -> str:
    # A TOML basic string takes JSON's escapes, and DEL besides; JSON's numbers, booleans and lists are TOML's.
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007F")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise LocalFault(NodeCode.CONFIG_MISSING, str(path), why=error.strerror or "unreadable") from None
    if len(data) > CONFIG_BYTES_MAX:
        raise LocalFault(NodeCode.CONFIG_SYNTAX, str(path), bytes=len(data), limit=CONFIG_BYTES_MAX)
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LocalFault(NodeCode.CONFIG_SYNTAX, str(path), why=str(error)) from None


def _overlay(settings: dict[str, Any], key: str, text: str, source: str) -> None:
    """Set a dotted key to a text; lists and tables are given as JSON."""
    *above, last = key.split(".")
    table = settings
    for step in above:
        found = table.setdefault(step, {})
        if not isinstance(found, dict):
            raise LocalFault(NodeCode.CONFIG_UNKNOWN_KEY, key, source=source)
        table = found
    if not last or not above:
        raise LocalFault(NodeCode.CONFIG_UNKNOWN_KEY, key, source=source)
    if text[:1] in ("[", "{"):
        try:
            table[last] = read_json(text)
        except (msgspec.DecodeError, RecursionError):
            raise LocalFault(NodeCode.CONFIG_VALUE, key, source=source, value=text) from None
    else:
        table[last] = text


def _leaves(tree: Mapping[str, Any], above: str) -> list[str]:
    found: list[str] = []
    for key, value in tree.items():
        found += _leaves(value, f"{above}{key}.") if isinstance(value, dict) else [f"{above}{key}"]
    return found


def _value_fault(message: str) -> LocalFault:
    """The refusal for a validation message such as "Object contains unknown field `x` - at `$.p2p`"."""
    path, field = _place(message)
    key = ".".join(part for part in (path, field) if part) or "node.toml"
    why = message.split(" - at ")[0]
    if "unknown field" in message:
        return LocalFault(NodeCode.CONFIG_UNKNOWN_KEY, key)
    if "missing required field" in message:
        return LocalFault(NodeCode.CONFIG_MISSING, key)
    return LocalFault(NodeCode.CONFIG_VALUE, key, why=why)

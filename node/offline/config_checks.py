"""What is wrong with a node's settings beside its files: all of it at once, before anything is opened or started.

Rule: nothing is decrypted, locked, written or connected to, so that it may run beside the node. A check is a function
that gives the mistakes of its kind; each mistake names the setting, the value, and what to do.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator

from clearing.base.errors import CodeBook, CrossclearError, LocalFault
from clearing.schema.terms.genesis import Genesis, network_id
from member.codes import NodeCode
from member.keys.key_folder import KIND_OF, KeyKind, Purpose, check_keystore
from member.keys.secret_files import read_password
from node.config import Host, NodeConfig
from node.config_sources import value_faults, warnings_of
from node.genesis_file import read_genesis
from node.http.tls import tls_files
from node.offline.terms_in_force import genesis_in_force
from node.oracle.connections.live import LiveConnections
from node.oracle.several_sources import SeveralSources
from node.oracle.source import load_hours
from node.oracle.source_cell import SourceCell
from node.oracle.surfaces.chain_cell import ChainCell
from node.oracle.surfaces.live import check_surfaces
from node.oracle.surfaces.recorded_surfaces import load_surfaces
from node.p2p.config import read_preshared_key
from node.store.store import network_of_store

_ANY_HOST = frozenset(("0.0.0.0", "::", "[::]"))  # noqa: S104 - compared, not bound


def config_mistakes(config: NodeConfig) -> tuple[CrossclearError, ...]:
    """Every mistake for which a node would not start, or would not do what its operator means."""
    return tuple(fault for check in _CHECKS for fault in check(config))


def config_warnings(config: NodeConfig) -> list[str]:
    """What is valid and unwise, a sentence each, where there is no mistake."""
    genesis = genesis_in_force(config, read_genesis(config.path(config.node.genesis)))
    return [*warnings_of(config), *_unlisted_chains(config, genesis), *_unset_chains(config, genesis)]


def refuse_mistakes(config: NodeConfig) -> None:
    """Raises the mistake, or an ExceptionGroup of all of them."""
    mistakes = config_mistakes(config)
    if len(mistakes) == 1:
        raise mistakes[0]
    if mistakes:
        raise ExceptionGroup("settings", mistakes)


def mistakes_as_json(mistakes: Iterable[CrossclearError]) -> list[dict[str, object]]:
    """The same as plain values: code, setting, values, and what to do in general."""
    return [
        {
            "code": each.code.label,
            "name": each.code.name.lower(),
            "setting": each.at,
            "values": {key: value.hex() if isinstance(value, bytes) else value for key, value in each.values.items()},
            "remedy": each.code.remedy,
        }
        for each in mistakes
    ]


def _mistake(code: CodeBook, setting: str, value: object, why: str) -> LocalFault:
    return LocalFault(code, setting, value=str(value), why=why)


def _at(setting: str, value: object, read: Callable[[], object]) -> Iterator[CrossclearError]:
    """The fault of a read, as one of the setting that named what was read."""
    try:
        read()
    except CrossclearError as fault:
        place = {} if fault.at == str(value) else {"at": fault.at}
        values = {"found" if name == "value" else name: each for name, each in fault.values.items()}
        yield type(fault)(fault.code, setting, **{"value": str(value), **place, **values})


def _repeated(values: Iterable[Hashable]) -> Iterator[tuple[int, Hashable]]:
    """Index and value of each that was there before."""
    seen: set[Hashable] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield index, value
        seen.add(value)


# Peers


def own_key(config: NodeConfig) -> str:
    """The own envelope key in hex, as its keystore states it; empty where that is not known."""
    try:
        return check_keystore(config.home, Purpose.ENVELOPE.value, KeyKind.ED25519, allow_weak=True)
    except LocalFault:
        return ""


def _own_key_as_peer(config: NodeConfig) -> Iterator[LocalFault]:
    own = own_key(config)
    for listed in ("peers", "observers"):
        for index, each in enumerate(getattr(config.p2p, listed)):
            if each.key == own:
                why = "this node's own key: remove the entry, or give the key of the other node"
                yield _mistake(NodeCode.CONFIG_VALUE, f"p2p.{listed}[{index}].key", each.key, why)


def _key_twice(config: NodeConfig) -> Iterator[LocalFault]:
    for listed in ("peers", "observers"):
        for index, key in _repeated(each.key for each in getattr(config.p2p, listed)):
            why = "listed before: keep one entry a key"
            yield _mistake(NodeCode.CONFIG_VALUE, f"p2p.{listed}[{index}].key", key, why)


def _peer_address_twice(config: NodeConfig) -> Iterator[LocalFault]:
    for index, address in _repeated((peer.host, peer.port) for peer in config.p2p.peers):
        why = "another peer has this address: only one of the two can answer there"
        yield _mistake(NodeCode.CONFIG_VALUE, f"p2p.peers[{index}].port", address, why)


def _own_address_as_peer(config: NodeConfig) -> Iterator[LocalFault]:
    for index, peer in enumerate(config.p2p.peers):
        if (peer.host, peer.port) == (config.p2p.host, config.p2p.port):
            why = "this node listens at p2p.host and p2p.port itself: give the peer's address"
            yield _mistake(NodeCode.CONFIG_VALUE, f"p2p.peers[{index}].port", f"{peer.host}:{peer.port}", why)


def _port_twice(config: NodeConfig) -> Iterator[LocalFault]:
    p2p, api = config.p2p, config.api
    if api.enabled and api.port and p2p.port == api.port and _overlap(p2p.host, api.host):
        yield _mistake(NodeCode.CONFIG_VALUE, "api.port", api.port, "p2p.port is the same: choose another for one")


def _overlap(one: Host, other: Host) -> bool:
    return one == other or bool(_ANY_HOST & {one, other}) or {one, other} <= {"localhost", "127.0.0.1"}


# Files of the home


def _genesis_unusable(config: NodeConfig) -> Iterator[CrossclearError]:
    path = config.path(config.node.genesis)
    if not path.is_file():
        why = "no such file: put the network's genesis.json there, or name its place"
        yield _mistake(NodeCode.CONFIG_MISSING, "node.genesis", path, why)
        return
    yield from _at("node.genesis", path, lambda: read_genesis(path))


def _genesis_of_another_network(config: NodeConfig) -> Iterator[CrossclearError]:
    genesis, database = _genesis(config), config.path("node.sqlite")
    if genesis is None:
        return
    found: list[bytes | None] = []
    yield from _at("node.home", database, lambda: found.append(network_of_store(database)))
    wanted = network_id(genesis)
    if found and found[0] not in (None, wanted):
        why = f"its network is {wanted.hex()}, that of {database} {(found[0] or b'').hex()}"
        yield _mistake(NodeCode.STORE_OTHER_NETWORK, "node.genesis", config.path(config.node.genesis), why)


def _genesis(config: NodeConfig) -> Genesis | None:
    try:
        return read_genesis(config.path(config.node.genesis))
    except CrossclearError:
        return None


def _password_unusable(config: NodeConfig) -> Iterator[CrossclearError]:
    path = config.path(config.node.password_file)
    yield from _at("node.password_file", path, lambda: read_password(path))


def _key_unusable(config: NodeConfig) -> Iterator[CrossclearError]:
    signs = not config.signer.address
    wanted = {each.value: KIND_OF[each] for each in Purpose if signs or each is not Purpose.VALIDATOR}
    if not signs:
        wanted[config.signer.link] = KeyKind.ED25519
    for name, kind in wanted.items():
        yield from _at(f"keys/{name}", config.path(f"keys/{name}.json"), _keystore_check(config, name, kind))


def _keystore_check(config: NodeConfig, name: str, kind: KeyKind) -> Callable[[], object]:
    return lambda: check_keystore(config.home, name, kind, allow_weak=config.node.devnet)


def _preshared_key_unusable(config: NodeConfig) -> Iterator[CrossclearError]:
    if given := config.p2p.preshared_key_file:
        path = config.path(given)
        yield from _at("p2p.preshared_key_file", path, lambda: read_preshared_key(path))


# Chains


def _chain_twice(config: NodeConfig) -> Iterator[LocalFault]:
    for index, chain_id in _repeated(chain.chain_id for chain in config.chains):
        why = "a chain before has this id: keep one [[chains]] table a chain"
        yield _mistake(NodeCode.CONFIG_VALUE, f"chains[{index}].chain_id", chain_id, why)
    for index, name in _repeated(chain.name for chain in config.chains):
        why = "a chain before has this name: give each its own"
        yield _mistake(NodeCode.CONFIG_VALUE, f"chains[{index}].name", name, why)


def _unlisted_chains(config: NodeConfig, genesis: Genesis) -> Iterator[str]:
    """No mistake: a chain is set up at every node before an amendment lists it."""
    listed = {terms.chain_id for terms in genesis.chains}
    for chain in config.chains:
        if chain.chain_id not in listed:
            yield (
                f"chains.{chain.name}.chain_id is {chain.chain_id}, which neither genesis nor an amendment "
                "here lists: it is not followed until one does"
            )


def _unset_chains(config: NodeConfig, genesis: Genesis) -> Iterator[str]:
    given = {chain.chain_id for chain in config.chains}
    for terms in genesis.chains:
        if terms.chain_id not in given:
            yield f"chains lacks {terms.chain_id} ({terms.name}), which is listed: this node attests nothing of it"


# Services


def _replay_without_file(config: NodeConfig) -> Iterator[CrossclearError]:
    if config.oracle.source != "replay":
        return
    if not config.oracle.file:
        why = 'oracle.source is "replay": name the file of recorded hours, or set the source to "none"'
        yield _mistake(NodeCode.CONFIG_MISSING, "oracle.file", "", why)
        return
    path = config.path(config.oracle.file)
    yield from _at("oracle.file", path, lambda: load_hours(path))


def _surface_sources_unusable(config: NodeConfig) -> Iterator[CrossclearError]:
    """Surfaces and option quotes that fit together, and a file of recorded surfaces that can be read."""
    oracle = config.oracle
    if oracle.surface_file:
        path = config.path(oracle.surface_file)
        yield from _at("oracle.surface_file", path, lambda: load_surfaces(path))
    if oracle.source == "replay" and oracle.surfaces and not oracle.surface_file:
        why = 'oracle.source is "replay": name the file of recorded surfaces, or remove oracle.surfaces'
        yield _mistake(NodeCode.CONFIG_MISSING, "oracle.surface_file", "", why)
    if oracle.source == "live":
        try:
            check_surfaces(oracle.surfaces, [ChainCell(each) for each in oracle.options], oracle.feeds)
        except LocalFault as fault:
            yield fault


def _price_sources_unusable(config: NodeConfig) -> Iterator[CrossclearError]:
    """Feeds and sources that fit together, and prices that the venues have."""
    if config.oracle.source == "live" and not any(feed.feed for feed in config.oracle.feeds):
        why = 'oracle.source is "live": list the feeds that are to be reported, each with its number'
        yield _mistake(NodeCode.CONFIG_MISSING, "oracle.feeds", "", why)
    cells = [SourceCell(each) for each in config.oracle.all_sources]
    if config.oracle.source != "live" and not cells:
        return  # generated prices and replayed ones need no sources
    checks: tuple[Callable[[], object], ...] = (
        lambda: SeveralSources(config.oracle.feeds, cells),
        lambda: LiveConnections(cells, config.chains, lambda: 0),
    )
    for check in checks:
        try:
            check()
        except CrossclearError as fault:
            yield fault


def _trust_by_half(config: NodeConfig) -> Iterator[LocalFault]:
    given = config.state_sync
    if given.trust_height and not given.trust_hash:
        why = f"trust_height is {given.trust_height}: give the hash of that header, from a source that you trust"
        yield _mistake(NodeCode.CONFIG_MISSING, "state_sync.trust_hash", "", why)
    if given.trust_hash and not given.trust_height:
        why = f"trust_hash is {given.trust_hash}: give the height of that header, or remove the hash"
        yield _mistake(NodeCode.CONFIG_MISSING, "state_sync.trust_height", 0, why)


def _trust_chain_unknown(config: NodeConfig) -> Iterator[LocalFault]:
    chain_id, genesis = config.state_sync.trust_chain, _genesis(config)
    if not chain_id:
        return
    known = {chain.chain_id for chain in config.chains}
    if genesis is not None:
        known &= {terms.chain_id for terms in genesis.chains}
    if chain_id not in known:
        why = "no chain of both [[chains]] and genesis has this id: add its table, or name another"
        yield _mistake(NodeCode.CONFIG_VALUE, "state_sync.trust_chain", chain_id, why)


def _signer_without_key(config: NodeConfig) -> Iterator[LocalFault]:
    if config.signer.address and not config.signer.key:
        why = f"signer.address is {config.signer.address}: give the key that `crossclear signer init` printed"
        yield _mistake(NodeCode.CONFIG_MISSING, "signer.key", "", why)


def _submitter_twice(config: NodeConfig) -> Iterator[LocalFault]:
    for field in ("name", "token_sha256"):
        for index, value in _repeated(getattr(each, field) for each in config.api.submitters):
            why = "a submitter before has the same: give each its own"
            yield _mistake(NodeCode.CONFIG_VALUE, f"api.submitters[{index}].{field}", value, why)


def _tls_unusable(config: NodeConfig) -> Iterator[CrossclearError]:
    api = config.api
    if bool(api.tls_certificate) is not bool(api.tls_key):
        missing = "api.tls_key" if api.tls_certificate else "api.tls_certificate"
        yield _mistake(NodeCode.CONFIG_MISSING, missing, "", "give both files, or none")
    elif api.enabled and api.tls_certificate:
        yield from _at("api.tls_certificate", config.path(api.tls_certificate), lambda: tls_files(api, config.home))


_CHECKS: tuple[Callable[[NodeConfig], Iterable[CrossclearError]], ...] = (
    value_faults,
    _own_key_as_peer,
    _key_twice,
    _peer_address_twice,
    _own_address_as_peer,
    _port_twice,
    _genesis_unusable,
    _genesis_of_another_network,
    _password_unusable,
    _key_unusable,
    _preshared_key_unusable,
    _chain_twice,
    _replay_without_file,
    _price_sources_unusable,
    _surface_sources_unusable,
    _trust_by_half,
    _trust_chain_unknown,
    _signer_without_key,
    _submitter_twice,
    _tls_unusable,
)

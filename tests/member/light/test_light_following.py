"""Rules of following a network without a node: only what certificates lead to is kept, whatever servers do."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import encode
from clearing.base.errors import CrossclearError, LocalFault, RemoteFault
from clearing.base.validators import ValidatorSet
from consensus.codes import ConsensusCode
from consensus.evidence.attack import check_attack
from consensus.light_client import CurveLightVerifier, LightBlock, TrustPolicy
from member.codes import NodeCode
from member.light import source as source_module
from member.light.client import LightClient, LightOptions, follow
from member.light.evidence import read_attack
from member.light.source import HttpSource
from member.light.store import LightStore
from member.light.trust import TrustedGenesis, TrustedHash, parse_trust
from tests.kit.headers import BLOCK_MS
from tests.kit.node.light_chain import (
    NETWORK,
    NOW_MS,
    POLICY,
    Answer,
    Node,
    certified,
    chain_of,
    header_of,
    serving,
    set_of,
    shown,
    turning,
)
from tests.kit.refusals import refused

HEIGHTS = 24
CHAIN = chain_of(turning(HEIGHTS, 3))
STEADY = chain_of([range(4)] * HEIGHTS)
GENESIS = TrustedGenesis(NETWORK, CHAIN[0].validators, 0)
VERIFIER = CurveLightVerifier()


@contextmanager
def following(
    folder: Path,
    *nodes: Node,
    trusted: TrustedHash | TrustedGenesis | None = None,
    also: Sequence[str] = (),
    sequential: bool = False,
    now_ms: int = NOW_MS,
    policy: TrustPolicy = POLICY,
) -> Iterator[tuple[LightClient, list[str]]]:
    """A client of these servers that begins with what is trusted, and what it tells. Sleeping costs nothing."""
    words: list[str] = []
    with serving(*nodes) as urls, LightStore(folder / "light.sqlite") as store, ExitStack() as open_sources:
        sources = [open_sources.enter_context(closing(HttpSource(url))) for url in (*urls, *also)]
        options = LightOptions(policy, sequential)
        evidence = folder / "evidence"
        client = LightClient(store, sources, options, VERIFIER, evidence, lambda: now_ms, words.append, lambda _: None)
        if trusted is not None:
            client.begin(trusted)
        yield client, words


def only_truth(store: LightStore, chain: list[LightBlock] = CHAIN) -> None:
    for height in store.heights():
        block = store.at(height)
        assert block is not None
        assert block.header.hash == chain[height - 1].header.hash


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("start", ["genesis", "hash"])
def test_the_newest_height_is_reached_by_skipping_or_step_by_step(tmp_path: Path, sequential: bool, start: str) -> None:
    node, witness = Node(CHAIN), Node(CHAIN)
    trusted = GENESIS if start == "genesis" else TrustedHash(5, CHAIN[4].header.hash)
    first = 1 if start == "genesis" else 5
    with following(tmp_path, node, witness, sequential=sequential) as (client, words):
        assert client.begin(trusted).header.height == first
        assert client.update().header.hash == CHAIN[-1].header.hash
        assert not words
        only_truth(client.store)
        if sequential:
            assert client.store.heights() == tuple(range(first, HEIGHTS + 1))
        else:
            assert len(client.store.heights()) < HEIGHTS - first
        assert witness.asked == [str(HEIGHTS)], "agreement costs a witness one answer"
        assert client.update().header.height == HEIGHTS
        assert not node.evidence


def test_while_the_set_stays_one_certificate_leads_anywhere(tmp_path: Path) -> None:
    node = Node(STEADY)
    with following(tmp_path, node, trusted=TrustedHash(1, STEADY[0].header.hash)) as (client, _):
        client.update(HEIGHTS)
        assert node.asked == ["1", str(HEIGHTS)]
        assert client.update(HEIGHTS).header.height == HEIGHTS
        assert len(node.asked) == 2, "what is trusted is not asked for again"
        assert client.update(12).header.hash == STEADY[11].header.hash


@pytest.mark.parametrize(
    "trusted",
    [
        TrustedHash(5, bytes(32)),
        TrustedHash(6, CHAIN[4].header.hash),
        TrustedGenesis(bytes(32), CHAIN[0].validators, 0),
        TrustedGenesis(NETWORK, CHAIN[20].validators, 0),
    ],
)
def test_a_server_that_shows_another_beginning_is_not_asked_any_more(
    tmp_path: Path, trusted: TrustedHash | TrustedGenesis
) -> None:
    with following(tmp_path, Node(CHAIN)) as (client, words):
        with pytest.raises(RemoteFault):
            client.begin(trusted)
        assert client.store.heights() == ()
        assert len(words) == 1
        with pytest.raises(LocalFault):
            client.update()


@pytest.mark.parametrize("text", ["", "5", "5:", ":ab", "0:" + "ab" * 32, "5:" + "zz" * 32, "5:" + "ab" * 33, "-1:x"])
def test_what_is_no_trust_is_refused(text: str) -> None:
    with refused(NodeCode.LIGHT_NO_TRUST, LocalFault):
        parse_trust(text)


def test_trust_is_a_height_and_a_hash() -> None:
    for text in ("5:" + "AB" * 32, "5:0x" + "ab" * 32):
        assert parse_trust(text) == TrustedHash(5, b"\xab" * 32)


def test_trust_that_is_too_old_ends_it(tmp_path: Path) -> None:
    policy = TrustPolicy(trusting_period_ms=5000)
    with following(tmp_path, Node(CHAIN), trusted=TrustedHash(1, CHAIN[0].header.hash), policy=policy) as (client, _):
        with refused(ConsensusCode.TRUST_EXPIRED, LocalFault):
            client.update()
        assert len(client.sources) == 1, "which is nobody's lie"


def test_heights_below_are_bound_by_the_parents_hashes(tmp_path: Path) -> None:
    node = Node(CHAIN)
    with following(tmp_path, node, trusted=TrustedHash(20, CHAIN[19].header.hash)) as (client, _):
        assert client.update(15).header.hash == CHAIN[14].header.hash
        assert client.store.heights() == (15, 20)
        other = chain_of(turning(16, 3), b"other")
        node.lie = lambda path: (200, shown(other[11])) if path.endswith("/12") else None
        with pytest.raises(RemoteFault) as refused:
            client.update(10)
        assert (refused.value.code, refused.value.at) == (ConsensusCode.BROKEN_LINK, "parent")
        assert client.store.heights() == (15, 20)


def _lies() -> dict[str, object]:
    unsigned = msgspec.structs.replace(CHAIN[-1], certificate=CHAIN[-2].certificate)
    other = chain_of(turning(HEIGHTS, 3), network=bytes(32))
    strangers = frozenset({8})
    forged = certified(header_of(HEIGHTS, b"p" * 32, strangers, strangers, b"forged"), strangers, strangers, strangers)
    late = msgspec.structs.replace(CHAIN[-1].header, time_ms=NOW_MS + 10**9)
    members = frozenset(turning(HEIGHTS, 3)[-1])
    good = shown(CHAIN[-1])
    return {
        "another height's certificate": (200, shown(unsigned)),
        "another network": (200, shown(other[-1])),
        "a set of strangers": (200, shown(forged)),
        "a header from the future": (200, shown(certified(late, members, members, members))),
        "another height": (200, shown(CHAIN[3])),
        "nonsense": (200, b"\xff\xfe nonsense"),
        "nested": (200, b"[" * 100_000),
        "no hex": (200, msgspec.json.encode({**msgspec.json.decode(good), "block": "0xzz"})),
        "cut": (200, msgspec.json.encode({**msgspec.json.decode(good), "block": "0x" + encode(CHAIN[-1]).hex()[:-2]})),
        "far too long": (200, b"a" * (1 << 20)),
        "a redirect": (302, b""),
        "an error": (500, b"oops"),
        "a refusal": (400, b"{}"),
    }


LIES = _lies()


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_lying_server_is_replaced_by_a_witness_and_leaves_nothing_behind(tmp_path: Path, lie: str) -> None:
    """It is honest up to the beginning, and lies about the newest height however it is asked for."""
    answer = LIES[lie]
    newest = ("/latest", f"/{HEIGHTS}")
    liar = Node(CHAIN, lambda path: answer if path.endswith(newest) else None)  # type: ignore[arg-type,return-value]
    witness = Node(CHAIN)
    with following(tmp_path, liar, witness, Node(CHAIN), trusted=GENESIS) as (client, words):
        assert client.update(HEIGHTS).header.hash == CHAIN[-1].header.hash
        only_truth(client.store)
        assert words
        assert client.sources[0].name == witness.url


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_whatever_bytes_a_server_changes_only_the_truth_is_kept(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    chain = STEADY[:6]
    good = encode(chain[-1])
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    view = {**msgspec.json.decode(shown(chain[-1])), "block": "0x" + bad.hex()}
    liar = Node(chain, lambda path: (200, msgspec.json.encode(view)) if path.endswith("/6") else None)
    with following(tmp_path_factory.mktemp("changed"), liar, trusted=TrustedHash(1, chain[0].header.hash)) as (
        client,
        _,
    ):
        with suppress(CrossclearError):
            client.update(6)
        for height in client.store.heights():
            assert client.store.at(height) == chain[height - 1], "also what no signature covers: proofs of possession"


def _fork(at: int, members: list[set[int]]) -> list[LightBlock]:
    """The same chain below a height, another one from there on, certified by the given sets."""
    return chain_of(members, b"forked", CHAIN[: at - 1])


FORKED = _fork(14, turning(HEIGHTS, 3))


@pytest.mark.parametrize("liar_serves", [False, True])
def test_two_certified_headers_end_it_with_evidence_for_everybody(tmp_path: Path, liar_serves: bool) -> None:
    honest, liar = Node(CHAIN), Node(FORKED)
    nodes = (liar, honest) if liar_serves else (honest, liar)
    with following(tmp_path, *nodes, trusted=GENESIS) as (client, words):
        client.update(10)
        before = client.store.heights()
        with refused(NodeCode.LIGHT_ATTACK, LocalFault) as seen:
            client.update()
        assert client.store.heights() == before, "neither side is believed"
    (file,) = (tmp_path / "evidence").iterdir()
    assert str(file) in str(seen.value)
    assert file.stat().st_mode & 0o777 == 0o600
    attack = read_attack(file)
    check_attack(attack, VERIFIER)
    assert attack.common.header.hash == CHAIN[attack.common.header.height - 1].header.hash
    assert attack.first.header.height == attack.second.header.height >= 14
    for node in nodes:
        assert node.evidence == [file.read_bytes()]
    assert any("accepted the evidence" in each for each in words)


def test_an_attack_on_the_height_that_is_trusted_already_is_seen_later(tmp_path: Path) -> None:
    """The server itself shows another newest header than it did before."""
    node = Node(CHAIN)
    with following(tmp_path, node, trusted=GENESIS) as (client, _):
        client.update()
        assert client.update().header.height == HEIGHTS
        node.blocks = FORKED
        with refused(NodeCode.LIGHT_ATTACK, LocalFault):
            client.update()
        assert len(node.evidence) == 1


def test_a_third_of_the_trusted_set_that_certifies_for_a_made_up_set_is_evidence(tmp_path: Path) -> None:
    """Lunatic: two of four trusted validators and strangers sign a set that the chain never had."""
    made_up = frozenset({0, 1, 6, 7, 5})
    false = [
        *STEADY[:13],
        *(
            certified(header_of(height, b"p" * 32, made_up, made_up, b"lunatic"), made_up, made_up, made_up)
            for height in range(14, HEIGHTS + 1)
        ),
    ]
    with (
        following(tmp_path, Node(false), Node(STEADY), trusted=TrustedHash(1, STEADY[0].header.hash)) as (client, _),
        refused(NodeCode.LIGHT_ATTACK, LocalFault),
    ):
        client.update()
    (file,) = (tmp_path / "evidence").iterdir()
    attack = read_attack(file)
    check_attack(attack, VERIFIER)
    assert {attack.first.validators.hash, attack.second.validators.hash} == {
        set_of(made_up).hash,
        STEADY[0].validators.hash,
    }


def test_a_witness_whose_lie_is_not_certified_is_dropped_and_the_others_count(tmp_path: Path) -> None:
    unsigned = msgspec.structs.replace(
        CHAIN[-1], header=msgspec.structs.replace(CHAIN[-1].header, payload_root=bytes(32))
    )
    liar = Node(CHAIN, lambda path: (200, shown(unsigned)) if path.endswith(f"/{HEIGHTS}") else None)
    with following(tmp_path, Node(CHAIN), liar, Node(CHAIN), trusted=GENESIS) as (client, words):
        assert client.update().header.hash == CHAIN[-1].header.hash
        assert liar.url not in [source.name for source in client.sources]
        assert len(client.sources) == 2
        assert len(words) == 1
    assert not (tmp_path / "evidence").exists()


def test_without_one_witness_that_confirms_nothing_is_kept(tmp_path: Path) -> None:
    """Both are unreachable, or don't have the height."""
    nodes = (Node(CHAIN), Node(CHAIN[:3]))
    with following(tmp_path, *nodes, trusted=GENESIS, also=["http://127.0.0.1:1"]) as (client, words):
        with refused(ConsensusCode.NO_WITNESS, LocalFault):
            client.update()
        assert client.store.heights() == (1,)
        assert len(client.sources) == 3, "who is late or away is asked again"
        assert len(words) == 2


def test_a_witness_some_blocks_behind_is_waited_for(tmp_path: Path) -> None:
    behind = Node(CHAIN[: HEIGHTS - 1])

    def catch_up(path: str) -> Answer | None:
        if len(behind.asked) == 3:
            behind.blocks = CHAIN
        return None

    behind.lie = catch_up
    with following(tmp_path, Node(CHAIN), behind, trusted=GENESIS) as (client, words):
        assert client.update().header.height == HEIGHTS
        assert not words


def test_following_tells_each_height_once_and_waits_for_a_server_that_is_away(tmp_path: Path) -> None:
    node = Node(STEADY[:3])
    seen: list[int] = []
    words: list[str] = []
    waits = 0

    def wait() -> bool:
        nonlocal waits
        waits += 1
        node.blocks = STEADY[: 3 + waits // 2]
        node.lie = (lambda _: (503, b"")) if waits % 5 == 0 else (lambda _: None)
        return waits < 12

    with following(tmp_path, node, trusted=TrustedHash(1, STEADY[0].header.hash)) as (client, _):
        follow(client, lambda block: seen.append(block.header.height), words.append, wait)
    assert seen == sorted(set(seen))
    assert seen[0] == 1
    assert seen[-1] == 3 + 11 // 2
    assert any("R0857" in each for each in words)


def test_a_server_that_shows_nothing_new_is_told_once_a_standstill(tmp_path: Path) -> None:
    node, left = Node(STEADY[:3]), [8]
    words: list[str] = []

    def wait() -> bool:
        left[0] -= 1
        if left[0] == 5:
            node.blocks = STEADY[:4]
        return left[0] > 0

    def now_ms() -> int:
        return 4 * BLOCK_MS + (10_000 if 3 < left[0] < 6 else 61_000)

    with following(tmp_path, node, trusted=TrustedHash(1, STEADY[0].header.hash)) as (client, _):
        follow(client, lambda _: None, words.append, wait, now_ms)
    assert len(words) == 2
    assert all("s old" in each for each in words)


def test_following_ends_where_trust_ends(tmp_path: Path) -> None:
    node = Node(CHAIN)
    with (
        following(tmp_path, node, Node(FORKED), trusted=GENESIS) as (client, _),
        refused(NodeCode.LIGHT_ATTACK, LocalFault),
    ):
        follow(client, lambda _: None, lambda _: None, lambda: True)


@pytest.mark.parametrize("too_old", [False, True])
def test_the_time_of_the_chain_is_the_trusting_periods_measure(tmp_path: Path, too_old: bool) -> None:
    """A little before the newest trusted header is too old it still leads on; then it never does again."""
    period, trusted = 100_000, TrustedHash(1, STEADY[0].header.hash)
    policy, now_ms = TrustPolicy(trusting_period_ms=period), BLOCK_MS + period - (not too_old)
    with (
        following(tmp_path, Node(STEADY), trusted=trusted, now_ms=now_ms, policy=policy) as (client, _),
        refused(ConsensusCode.TRUST_EXPIRED, LocalFault) if too_old else nullcontext(),
    ):
        assert client.update().header.height == HEIGHTS


def test_the_sources_answer_is_cut_at_its_limit_and_typed() -> None:
    node = Node(CHAIN)
    with serving(node) as (url,), closing(HttpSource(url)) as source:
        assert source.block(7) == CHAIN[6]
        with refused(ConsensusCode.LIGHT_LACKING, LocalFault):
            source.block(HEIGHTS + 1)
        node.lie = lambda _: (200, b"a" * 600_000)
        with refused(NodeCode.NODE_ANSWER):
            source.block(7)
    with closing(HttpSource("http://127.0.0.1:1")) as away, refused(NodeCode.NODE_UNREACHABLE, LocalFault):
        away.block(None)


def test_a_server_that_asks_for_patience_gets_it_and_not_for_ever() -> None:
    waits: list[float] = []
    node = Node(STEADY, lambda _: (429, b"{}") if len(node.asked) < 4 else None)
    with serving(node) as (url,), closing(HttpSource(url, sleep=waits.append)) as source:
        assert source.block(3) == STEADY[2]
        assert waits == [1.0] * 3
        node.lie = lambda _: (429, b"{}")
        with refused(NodeCode.NODE_UNREACHABLE, LocalFault):
            source.block(3)
        assert len(waits) < 30


def without_possession(validators: ValidatorSet) -> ValidatorSet:
    return ValidatorSet(tuple(msgspec.structs.replace(each, possession=bytes(96)) for each in validators.validators))


@pytest.mark.parametrize("sequential", [False, True])
def test_proofs_of_possession_that_were_not_checked_are_not_kept(tmp_path: Path, sequential: bool) -> None:
    """A set that a header named is known by its hash, which says nothing of the proofs that the next block shows."""
    spoilt = [msgspec.structs.replace(block, validators=without_possession(block.validators)) for block in CHAIN[1:]]
    liar = Node([CHAIN[0], *spoilt])
    with following(tmp_path, liar, trusted=GENESIS, sequential=sequential) as (client, _):
        for height in range(2, 9):
            client.update(height)
            assert client.store.at(height) == CHAIN[height - 1]


def test_proofs_of_possession_are_checked_of_both_sets_on_the_way_down(tmp_path: Path) -> None:
    block = CHAIN[4]
    bad = msgspec.structs.replace(block, next_validators=without_possession(block.next_validators))
    liar = Node([*CHAIN[:4], bad, *CHAIN[5:]])
    with following(tmp_path, liar, trusted=TrustedHash(8, CHAIN[7].header.hash)) as (client, _):
        with pytest.raises(RemoteFault):
            client.update(5)
        assert client.store.heights() == (8,)


class AtOnce(threading.Timer):
    """Time is over before there is a connection."""

    def start(self) -> None:
        self.function()


@pytest.mark.parametrize("timer", [threading.Timer, AtOnce])
@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"])
def test_an_answer_that_drips_ends_in_time(
    said: bytes, timer: type[threading.Timer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "CALL_S_MAX", 0.3)
    monkeypatch.setattr(source_module, "Timer", timer)
    ended = threading.Event()

    def drip(listener: socket.socket) -> None:
        link, _ = listener.accept()
        with link, suppress(OSError):
            link.sendall(said)
            while not ended.wait(0.02):
                link.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=drip, args=(listener,))
        server.start()
        source = HttpSource(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(LocalFault) as refused:
            source.block(1)
        ended.set()
        server.join()
        source.close()
    assert refused.value.code is NodeCode.NODE_UNREACHABLE


def test_a_set_of_genesis_that_may_have_retired_begins_nothing(tmp_path: Path) -> None:
    """It loses nothing by signing another first header, dated now: genesis' own time counts, not that header's."""
    people, now_ms = frozenset(range(4)), NOW_MS + POLICY.trusting_period_ms
    forged: list[LightBlock] = []
    for height in range(1, 4):
        parent = forged[-1].header.hash if forged else NETWORK
        header = header_of(height, parent, people, people, b"forged", time_ms=now_ms - 1000 + height)
        forged.append(certified(header, people, people, people))
    old = TrustedGenesis(NETWORK, set_of(people), NOW_MS)
    with following(tmp_path, Node(forged), now_ms=now_ms) as (client, _):
        with refused(ConsensusCode.TRUST_EXPIRED, LocalFault):
            client.begin(old)
        assert client.store.heights() == ()
    with following(tmp_path, Node(forged), now_ms=now_ms - 1) as (client, _):
        assert client.begin(old).header.height == 1, "a moment before it still counts"


def test_a_height_that_contradicts_what_is_trusted_above_it_is_not_kept(tmp_path: Path) -> None:
    """Who signed at first may be retired by then, and sign a header of a height between with any time."""
    people, late = frozenset(range(4)), STEADY[20].header.time_ms
    forged = certified(header_of(10, bytes(32), people, people, b"forged", time_ms=late), people, people, people)
    liar = Node([*STEADY[:9], forged])
    with following(tmp_path, Node(STEADY), trusted=TrustedHash(1, STEADY[0].header.hash)) as (client, _):
        client.update(21)
    with following(tmp_path, liar) as (client, _):
        with refused(ConsensusCode.BROKEN_LINK):
            client.update(10)
        assert client.store.heights() == (1, 21)
    with following(tmp_path, Node(STEADY)) as (client, _):
        assert client.update(10).header.hash == STEADY[9].header.hash


def test_a_witness_that_was_dropped_leaves_no_server_alone(tmp_path: Path) -> None:
    """Garbage in a witness's name must not free the server that it was named to watch."""
    words: list[str] = []
    turns = iter((True, True, False))
    with following(tmp_path, Node(CHAIN), Node(CHAIN, lambda _: (200, b"garbage")), trusted=GENESIS) as (client, _):
        follow(client, lambda _: None, words.append, lambda: next(turns))
        assert client.store.heights() == (1,)
    assert all("R0543" in word for word in words)
    assert len(words) == 3

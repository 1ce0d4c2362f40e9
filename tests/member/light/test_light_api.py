"""A light client over the real API of a node that decides heights, by the real commands."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
import trio

from clearing.base.codec import decode, encode
from clearing.base.errors import RemoteFault
from clearing.base.validators import ValidatorSet
from clearing.genesis.json import genesis_to_json
from clearing.governance.shown_protocol import read_protocol
from clearing.schema.records.governance import ProtocolRecord
from cli.member.light import _trusted
from consensus.application import Misbehaviour, MisbehaviourKind
from consensus.codes import ConsensusCode
from consensus.evidence.attack import LightClientAttack, conflict
from consensus.light_client import LightBlock
from member.light.evidence import keep_attack
from member.light.trust import TrustedHash
from node.api import chain, governance
from node.api.calls import Turnstile
from node.chains import vault_anchor
from node.config import Api
from node.http.server import build_api, serve_api
from node.store.store import Store
from tests.kit.command_line import CommandLine, Printed
from tests.kit.node.light_chain import chain_of
from tests.kit.node.live_view import live_view
from tests.kit.node.station import Home, Station, make_home

replace = msgspec.structs.replace
HEIGHTS = 6
UPGRADE = ProtocolRecord(1, 1, 2, 900)
PERIOD = ["--trusting-period-s", "999999999"]
ACCUSED = Misbehaviour(MisbehaviourKind(1), 5, 0, b"k" * 32, 1)


class Court:
    """What a node makes of evidence."""

    def __init__(self) -> None:
        self.heard: list[LightClientAttack] = []
        self.convinced = True

    def submit(self, attack: LightClientAttack) -> tuple[Misbehaviour, ...]:
        self.heard.append(attack)
        if not self.convinced:
            raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "light client attack")
        return (ACCUSED,)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "net")


@pytest.fixture
def court(monkeypatch: pytest.MonkeyPatch) -> Court:
    monkeypatch.setattr(chain, "_turnstile", Turnstile(0.0))
    return Court()


@pytest.fixture
def station(home: Home) -> Iterator[Station]:
    with Store(home.path / "node.sqlite", home.network) as store:
        yield Station(home, store)


@asynccontextmanager
async def served(station: Station, court: Court, times: int = 1) -> AsyncIterator[list[str]]:
    """The URLs at which the station's node answers."""
    async with trio.open_nursery() as nursery:
        urls = []
        for _ in range(times):
            settings = Api(port=0)
            app = build_api(live_view(station, submit_attack=court.submit), settings, lambda: 0)
            urls += await nursery.start(serve_api, app, settings)
        yield urls
        nursery.cancel_scope.cancel()


async def test_a_member_learns_of_an_upgrade_from_a_header_that_it_verified(
    station: Station, home: Home, court: Court, tmp_path: Path, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def protocol(*words: object, code: int = 0) -> Printed:
        return await trio.to_thread.run_sync(lambda: cli("light", "protocol", *words, *PERIOD, code=code))

    genesis, where = tmp_path / "genesis.json", ["--store", tmp_path / "light.sqlite"]
    genesis.write_bytes(genesis_to_json(home.genesis))
    station.decide()
    async with served(station, court) as (url,):
        where += ["--url", url, "--genesis", genesis]
        assert "R0544" in (await protocol(*where, code=1)).err
        # As if a vote had scheduled it.
        station.state.protocol.put(0, UPGRADE)
        station.decide()
        shown = (await protocol(*where, "--output", "json")).json
        assert shown == {"height": 2, **msgspec.structs.asdict(UPGRADE)}
        assert "protocol 2 from height 900 on" in (await protocol(*where)).out
        other = governance.show_protocol(station.state)
        assert other is not None
        lie = encode(replace(read_protocol(other), record=ProtocolRecord(1, 1)))
        monkeypatch.setattr(governance, "show_protocol", lambda _: lie)
        await protocol(*where, code=6)
        monkeypatch.setattr(governance, "show_protocol", lambda _: other)
        station.state.protocol.put(0, replace(UPGRADE, next_height=30))
        station.decide()
        await protocol(*where)
        follow = ("light", "follow", *where, *PERIOD, "--once")
        await trio.to_thread.run_sync(lambda: cli(*follow))
        assert "shown=2 trusted=3" in (await protocol(*where, code=6)).err, "an upgrade that is near would be kept back"


async def test_a_member_follows_a_node_from_genesis_and_verifies_heights(
    station: Station, home: Home, court: Court, tmp_path: Path, cli: CommandLine
) -> None:
    async def light(*words: object, code: int = 0) -> Printed:
        return await trio.to_thread.run_sync(lambda: cli("light", *words, code=code))

    genesis, path = tmp_path / "genesis.json", tmp_path / "light.sqlite"
    genesis.write_bytes(genesis_to_json(home.genesis))
    hashes = [station.decide().block.header.hash.hex() for _ in range(HEIGHTS)]
    async with served(station, court, 2) as (url, other):
        where = ["--store", path, "--url", url, "--witness", other, *PERIOD]
        await light("verify", "2", *where, code=3)  # nothing is trusted yet
        printed = await light("follow", *where, "--genesis", genesis, "--once", "--output", "json")
        followed = [json.loads(line) for line in printed.out.splitlines()]
        assert [(each["height"], each["hash"]) for each in followed] == [(1, hashes[0]), (HEIGHTS, hashes[-1])]
        await light("verify", "3", *where, "--hash", hashes[2])
        await light("verify", "3", *where, "--hash", "0x" + hashes[3], code=6)
        again = ["follow", "--store", tmp_path / "other", "--url", url, *PERIOD, "--once"]
        await light(*again, "--trust", f"4:{hashes[3]}")
        await light(*again, "--trust", f"4:{hashes[2]}", code=6)
        await light(*again, "--trust", "nonsense", code=3)
        await light("follow", *where, "--witness", url + "/", "--once", code=2)
        await light(*again, "--trust", f"4:{hashes[3]}", "--genesis", genesis, code=2)
        await light(*again, "--checkpoint", "1", code=2)
        found = (await light("show", "--store", path, "--output", "json")).json
        assert (found["lowest"]["height"], found["newest"]["height"]) == (1, HEIGHTS)
        assert found["network"] == home.network.hex()


async def test_light_blocks_are_those_that_were_decided(station: Station, home: Home, court: Court) -> None:
    async with served(station, court) as (url,), httpx.AsyncClient(base_url=url, timeout=60) as http:
        assert (await http.get("/v1/light/latest")).status_code == 404
        decided = [station.decide() for _ in range(3)]
        for height in ("1", "3", "latest"):
            shown = (await http.get(f"/v1/light/{height}")).json()
            block = decode(bytes.fromhex(shown["block"][2:]), LightBlock)
            committed = decided[-1 if height == "latest" else int(height) - 1]
            assert (block.header, block.certificate) == (committed.block.header, committed.certificate)
            assert block.validators == home.genesis.validators
            assert shown["hash"] == "0x" + block.header.hash.hex()
        for height in ("4", "0", "-1", "x", str(10**18)):
            assert (await http.get(f"/v1/light/{height}")).status_code in (400, 404)


async def test_evidence_is_judged_by_its_form_first_and_then_a_few_at_a_time(
    station: Station, court: Court, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cli: CommandLine
) -> None:
    network = station.home.network
    honest, false = (chain_of([range(4)] * 5, mark, network=network) for mark in (b"", b"false"))
    attack = conflict(honest[0], honest[4], false[4])
    foreign = conflict(*(chain_of([range(4)] * 5, mark)[4] for mark in (b"", b"a", b"b")))
    same = LightClientAttack(common=honest[0], first=honest[4], second=honest[4])
    async with served(station, court) as (url,):
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:

            async def post(data: bytes) -> httpx.Response:
                return await http.post("/v1/evidence", content=data, headers={"content-type": "application/msgpack"})

            for bad in (b"", b"\xff" * 100, encode(attack)[:-1], encode(foreign), encode(same), bytes(500_000)):
                assert (await post(bad)).status_code == 400
            assert not court.heard, "nothing of that cost a signature check"
            answer = await post(encode(attack))
            accused = {"envelope_key": "0x" + (b"k" * 32).hex(), "height": 5, "round": 0, "kind": ACCUSED.kind.name}
            assert (answer.status_code, answer.json()["accused"]) == (202, [accused])
            assert court.heard == [attack]
            court.convinced = False
            unconvinced = await post(encode(attack))
            assert (unconvinced.status_code, unconvinced.json()["code"]) == (422, "R0516")
            spoilt = tuple(replace(each, possession=bytes(96)) for each in false[4].validators.validators)
            shown = replace(false[4], validators=ValidatorSet(validators=spoilt))
            assert (await post(encode(conflict(honest[0], honest[4], shown)))).status_code == 422
            assert len(court.heard) == 2, "consensus hears of nothing whose signatures do not hold"
            monkeypatch.setattr(chain, "_turnstile", Turnstile(1000.0))
            assert (await post(encode(attack))).status_code == 422
            late = await post(encode(attack))
            assert late.status_code == 429
            assert int(late.headers["retry-after"]) in (999, 1000)
            assert len(court.heard) == 3
        monkeypatch.setattr(chain, "_turnstile", Turnstile(0.0))
        submit = ["light", "submit", keep_attack(tmp_path / "kept", attack), "--url"]
        await trio.to_thread.run_sync(lambda: cli(*submit, url, code=4))
        court.convinced = True
        printed = await trio.to_thread.run_sync(lambda: cli(*submit, "http://127.0.0.1:1", "--url", url))
        assert "1 accused" in printed.err


def test_trust_may_begin_with_a_vaults_checkpoint(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the vault says is `bridge.rpc.vault_reads`' to read; here is what becomes of it."""
    asked = []

    async def newest(genesis: object, chains: object, chain_id: int) -> tuple[int, bytes]:
        await trio.lowlevel.checkpoint()
        asked.append((genesis, chain_id))
        return 7, b"h" * 32

    monkeypatch.setattr(vault_anchor, "newest_checkpoint", newest)
    genesis, config = home.path / "genesis.json", home.path / "node.toml"
    assert _trusted(None, genesis, 31337, config) == TrustedHash(7, b"h" * 32)
    assert asked == [(home.genesis, 31337)]


def test_the_turnstile_lets_one_through_and_the_next_after_its_time() -> None:
    now = 10.0
    turnstile = Turnstile(2.0, lambda: now)
    assert turnstile.wait_ms() == 0
    assert turnstile.wait_ms() == 2000
    now = 11.5
    assert turnstile.wait_ms() == 500
    now = 12.0
    assert turnstile.wait_ms() == 0
    assert turnstile.wait_ms() == 2000

"""A light client over the real API of a node that decides heights, by the real commands."""

import json
from pathlib import Path

import httpx
import msgspec
import pytest
import trio

from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from clearing.base.validators import ValidatorSet
from clearing.genesis.json import genesis_to_json
from cli.main import run
from consensus.application import Misbehaviour, MisbehaviourKind
from consensus.codes import ConsensusCode
from consensus.evidence.attack import LightClientAttack, conflict
from consensus.light_client import LightBlock
from member.light.evidence import keep_attack
from node.api import chain
from node.api.calls import Turnstile
from node.api.view import NodeView
from node.config import Api
from node.http.server import build_api, serve_api
from node.store.store import Store
from tests.kit.node.light_chain import chain_of
from tests.kit.node.live_view import live_view
from tests.kit.node.station import Home, Station, make_home

HEIGHTS = 6
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


def view_of(station: Station, court: Court) -> NodeView:
    return live_view(station, submit_attack=court.submit)


async def served(nursery: trio.Nursery, station: Station, court: Court) -> str:
    settings = Api(port=0)
    app = build_api(view_of(station, court), settings, lambda: 0)
    bound: list[str] = await nursery.start(serve_api, app, settings)
    return bound[0]


async def command(*arguments: str) -> int:
    return await trio.to_thread.run_sync(lambda: run(list(arguments)))


async def test_a_member_follows_a_node_from_genesis_and_verifies_heights(
    home: Home, court: Court, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    genesis = tmp_path / "genesis.json"
    genesis.write_bytes(genesis_to_json(home.genesis))
    store_path = str(tmp_path / "light.sqlite")
    with Store(home.path / "node.sqlite", home.network) as store:
        station = Station(home, store)
        hashes = [station.decide().block.header.hash.hex() for _ in range(HEIGHTS)]
        async with trio.open_nursery() as nursery:
            url = await served(nursery, station, court)
            other = await served(nursery, station, court)
            where = ["--store", store_path, "--url", url, "--witness", other, *PERIOD]
            assert await command("light", "verify", "2", *where) == 3, "nothing is trusted yet"
            assert (
                await command("light", "follow", *where, "--genesis", str(genesis), "--once", "--output", "json") == 0
            )
            told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
            assert [(each["height"], each["hash"]) for each in told] == [(1, hashes[0]), (HEIGHTS, hashes[-1])]
            assert await command("light", "verify", "3", *where, "--hash", hashes[2]) == 0
            assert await command("light", "verify", "3", *where, "--hash", "0x" + hashes[3]) == 6
            again = ["light", "follow", "--store", str(tmp_path / "other"), "--url", url, *PERIOD, "--once"]
            assert await command(*again, "--trust", f"4:{hashes[3]}") == 0
            assert await command(*again, "--trust", f"4:{hashes[2]}") == 6
            assert await command(*again, "--trust", "nonsense") == 3
            assert await command("light", "follow", *where, "--witness", url + "/", "--once") == 2
            assert await command(*again, "--trust", f"4:{hashes[3]}", "--genesis", str(genesis)) == 2
            assert await command(*again, "--checkpoint", "1") == 2
            capsys.readouterr()
            assert await command("light", "show", "--store", store_path, "--output", "json") == 0
            found = json.loads(capsys.readouterr().out)
            assert (found["lowest"]["height"], found["newest"]["height"]) == (1, HEIGHTS)
            assert found["network"] == home.network.hex()
            nursery.cancel_scope.cancel()


async def test_light_blocks_are_those_that_were_decided(home: Home, court: Court) -> None:
    from clearing.base.codec import decode

    with Store(home.path / "node.sqlite", home.network) as store:
        station = Station(home, store)
        async with trio.open_nursery() as nursery:
            url = await served(nursery, station, court)
            async with httpx.AsyncClient(base_url=url, timeout=60) as http:
                assert (await http.get("/v1/light/latest")).status_code == 404
                decided = [station.decide() for _ in range(3)]
                for height in ("1", "3", "latest"):
                    shown = (await http.get(f"/v1/light/{height}")).json()
                    block = decode(bytes.fromhex(shown["block"][2:]), LightBlock)
                    committed = decided[-1 if height == "latest" else int(height) - 1]
                    assert block.header == committed.block.header
                    assert block.certificate == committed.certificate
                    assert block.validators == home.genesis.validators
                    assert shown["hash"] == "0x" + block.header.hash.hex()
                for height in ("4", "0", "-1", "x", str(10**18)):
                    assert (await http.get(f"/v1/light/{height}")).status_code in (400, 404)
            nursery.cancel_scope.cancel()


async def test_evidence_is_judged_by_its_form_first_and_then_a_few_at_a_time(
    home: Home, court: Court, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = home.network
    honest = chain_of([range(4)] * 5, network=network)
    false = chain_of([range(4)] * 5, b"false", network=network)
    attack = conflict(honest[0], honest[4], false[4])
    foreign = conflict(*(chain_of([range(4)] * 5, mark)[4] for mark in (b"", b"a", b"b")))
    same = LightClientAttack(common=honest[0], first=honest[4], second=honest[4])
    headers = {"content-type": "application/msgpack"}
    with Store(home.path / "node.sqlite", home.network) as store:
        station = Station(home, store)
        async with trio.open_nursery() as nursery:
            url = await served(nursery, station, court)
            async with httpx.AsyncClient(base_url=url, timeout=60) as http:

                async def post(data: bytes) -> httpx.Response:
                    return await http.post("/v1/evidence", content=data, headers=headers)

                for bad in (b"", b"\xff" * 100, encode(attack)[:-1], encode(foreign), encode(same)):
                    assert (await post(bad)).status_code == 400
                assert (await post(bytes(500_000))).status_code == 400
                assert not court.heard, "nothing of that cost a signature check"
                answer = await post(encode(attack))
                assert answer.status_code == 202
                assert answer.json()["accused"] == [
                    {"envelope_key": "0x" + (b"k" * 32).hex(), "height": 5, "round": 0, "kind": ACCUSED.kind.name}
                ]
                assert court.heard == [attack]
                court.convinced = False
                refused = await post(encode(attack))
                assert refused.status_code == 422
                assert refused.json()["code"] == "R0516"
                spoiled = tuple(
                    msgspec.structs.replace(each, possession=bytes(96)) for each in false[4].validators.validators
                )
                shown = msgspec.structs.replace(false[4], validators=ValidatorSet(validators=spoiled))
                unproven = encode(conflict(honest[0], honest[4], shown))
                assert (await post(unproven)).status_code == 422
                assert len(court.heard) == 2, "consensus hears of nothing whose signatures do not hold"
                monkeypatch.setattr(chain, "_turnstile", Turnstile(1000.0))
                assert (await post(encode(attack))).status_code == 422
                late = await post(encode(attack))
                assert late.status_code == 429
                assert int(late.headers["retry-after"]) in (999, 1000)
                assert len(court.heard) == 3
            monkeypatch.setattr(chain, "_turnstile", Turnstile(0.0))
            file = str(keep_attack(tmp_path / "kept", attack))
            assert await command("light", "submit", file, "--url", url) == 4
            court.convinced = True
            assert await command("light", "submit", file, "--url", "http://127.0.0.1:1", "--url", url) == 0
            assert "1 accused" in capsys.readouterr().err
            nursery.cancel_scope.cancel()


def test_trust_may_begin_with_a_vaults_checkpoint(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the vault says is `bridge.rpc.vault_reads`' to read; here is what becomes of it."""
    from cli.member.light import _trusted
    from member.light.trust import TrustedHash
    from node.chains import vault_anchor

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

"""Random bytes at the peers' door and nonsense at the members' door cost the network nothing: it goes on and pays."""

import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import msgpack
import pytest
import trio

from bridge.evm.events import WITHDRAWN
from bridge.rpc.endpoint import Endpoint
from clearing.schema.receipts.withdrawals import WithdrawalConfirmed, WithdrawalReleased
from devnet.demo.story import USDC, DevnetDeposit, until
from devnet.members import now_ms, signed_withdrawal
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from member.api.types import Problem
from tests.kit.e2e.live import PATIENCE_SECONDS, check_deposits, deposit, height_of, reach, recorded, roots_equal

pytestmark = [pytest.mark.network, pytest.mark.chain]

AMOUNT = 5_000 * USDC
HELLOS = (b"", b"\x13/multistream/1.0.0\n", b"\x13/multistream/1.0.0\n\x07/noise\n", b"GET / HTTP/1.1\r\n\r\n")
DEEP = b"[" * 100_000
HUGE = b"9" * 5_000


async def hostile_peer(port: int, seed: int) -> None:
    """Connects, says something, and stays or goes, again and again."""
    chance = random.Random(seed)
    while True:
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            async with stream:
                await stream.send_all(chance.choice(HELLOS) + chance.randbytes(chance.randrange(1, 200_000)))
                with trio.move_on_after(chance.random()):
                    await stream.receive_some(1 << 16)
        except (trio.BrokenResourceError, OSError):
            await trio.sleep(0.05)


async def hostile_client(port: int, seed: int) -> None:
    """The same at the API's port: bytes that are no HTTP, or only begin like it."""
    chance = random.Random(seed)
    starts = (b"", b"GET /", b"POST /v1/submit HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"GET / HTTP/1.1\r\nA: ")
    while True:
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            async with stream:
                await stream.send_all(chance.choice(starts) + chance.randbytes(chance.randrange(1, 50_000)))
                with trio.move_on_after(chance.random()):
                    await stream.receive_some(1 << 16)
        except (trio.BrokenResourceError, OSError):
            await trio.sleep(0.05)


def requests() -> list[tuple[str, str, bytes, str]]:
    """Method, target, body, content type: none of them deserves more than a refusal."""
    chance = random.Random(1)
    trade = {"type": "trade", "venue": 1, "venue_trade_id": 1, "buyer": 1, "seller": 2, "instrument": 1}
    bodies = [
        *(b"", b"{", b"null", b"[]", b"{}", b'{"transactions": []}', DEEP, b'{"transactions":' + DEEP),
        *(HUGE, b"1e999", b"NaN", b'{"transactions": [{"type": "trade", "venue": ' + HUGE + b"}]}"),
        *(b"\xff\xfe\x00", b"\x00" * 1000, json.dumps({"transactions": [trade] * 1000}).encode()),
        *(b" " * (2 << 20), b'{"transactions": [' + b"0," * (1 << 20)),
    ]
    packed = [
        *(msgpack.packb([[1, 2, 3]]), msgpack.packb({"a": 1}), msgpack.packb([[[7]]])),
        *(b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\x91" * 5000, b"\xc1"),
        msgpack.packb([[[1, *[2**64 - 1] * 8, b"", b""]]]),
        *(chance.randbytes(chance.randrange(1, 2000)) for _ in range(20)),
    ]
    found = [("POST", "/v1/submit", body, "application/json") for body in bodies]
    found += [("POST", "/v1/submit", body, "application/msgpack") for body in packed]
    found += [("POST", "/v1/collateral-events", body, "application/json") for body in bodies]
    found += [("POST", "/v1/submit", b"{}", media) for media in ("", "text/html", "application/msgpack; a", "x" * 1000)]
    digits = "9" * 400
    targets = (
        *("/../../../../etc/passwd", "/v1/proofs/../../../../etc/passwd", "/v1/proofs/..%2f..%2f..%2fetc%2fpasswd"),
        *(
            "/v1/proofs/%2e%2e%2f%2e%2e%2fnode.toml",
            "/v1/headers/..%5c..%5cpassword",
            "/keys/validator.json",
            "/password",
        ),
        *("/v1/headers/-1", "/v1/headers/0", f"/v1/headers/{digits}", "/v1/headers/999999999999999999"),
        *("/v1/headers/%D9%A1", "/v1/headers/1%00", "/v1/headers/1e3", "/%ff", "//", "/v1", "/v1/submit"),
        *(f"/v1/proofs/{digits}", "/v1/proofs/999999999999999999", "/v1/accounts/1", f"/v1/accounts/{digits}"),
        *("/v1/receipts?account=1&account=2", "/v1/receipts?account=1&after=9:9&limit=99999", "/v1/receipts"),
        "/v1/state?x=1",
    )
    found += [("GET", target, b"", "") for target in targets]
    return found + [(method, "/v1/state", b"", "") for method in ("DELETE", "PUT", "TRACE", "POST")]


async def exchange(port: int, method: str, target: str, body: bytes, media: str) -> bytes:
    """Send these very bytes, which a proper client would not, and read until the server closes."""
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    head += f"Content-Type: {media}\r\n" if media else ""
    answer = b""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream, trio.open_nursery() as nursery:

        async def say() -> None:
            with suppress(trio.BrokenResourceError):  # answered and closed before all of it was read
                await stream.send_all(head.encode() + b"\r\n" + body)

        nursery.start_soon(say)
        with suppress(trio.BrokenResourceError):
            async for chunk in stream:
                answer += chunk
        nursery.cancel_scope.cancel()
    return answer


async def refused_all(port: int) -> int:
    """Every request is answered by a refusal in the one shape; how many were sent."""
    sent = requests()
    for method, target, body, media in sent:
        head, _, content = (await exchange(port, method, target, body, media)).partition(b"\r\n\r\n")
        request = (method, target[:80], media[:80], body[:40], head[:40])
        if not head:
            assert len(body) > 1 << 16, request  # the system drops an answer when the rest was never read
            continue
        status = int(head.split(b" ", 2)[1])
        assert 400 <= status < 500, request
        assert b"root:" not in content, request
        if content:
            assert set(json.loads(content)) == set(Problem.__struct_fields__), request
    return len(sent)


async def pay_across(devnet: Devnet, planned: tuple[DevnetDeposit, ...]) -> None:
    """A member is paid on the chain that it did not deposit on, seen in receipts and on that chain."""
    member, chain = devnet.members[1], devnet.chains[1]
    token = chain.deployed.tokens["USDC"]
    there = [each for each in devnet.genesis.assets if each.chain_id == chain.anvil.chain_id]
    asset = next(each for each in there if each.token == token)
    assert {each.chain for each in planned if each.member is member} == {0}
    wallet = devnet.wallet(1, member)
    assert await wallet.token_balance(token) == 0
    async with devnet.client_of(member) as client:
        nonce = (await client.account(member.id)).next_nonce
        request = signed_withdrawal(devnet.network, member, asset.id, AMOUNT, nonce, now_ms())
        (result,) = (await client.submit((request,))).results
        assert result.status == "accepted", result

        async def paid() -> int | None:
            return await wallet.token_balance(token) or None

        assert await until("the vault to pay", PATIENCE_SECONDS, paid) == AMOUNT
        kinds = [each.kind for each in (await client.receipts(member.id)).receipts]
        assert kinds.count("WithdrawalReleased") == 1
        # The same request again pays nothing again.
        (again,) = (await client.submit((request,))).results
        assert again.status == "known"
    await until("one payment in the vault's log", PATIENCE_SECONDS, withdrawn_once(devnet, member.address))


def withdrawn_once(devnet: Devnet, to: bytes) -> Callable[[], Awaitable[bool | None]]:
    """Looks at the vault's own events on its chain."""
    endpoint: Endpoint = devnet.endpoints[1]
    vault = "0x" + devnet.chains[1].deployed.vault.hex()

    async def look() -> bool | None:
        wanted = {"address": vault, "topics": ["0x" + WITHDRAWN.hex()], "fromBlock": "0x0", "toBlock": "finalized"}
        logs = await endpoint.call("eth_getLogs", wanted)
        assert isinstance(logs, list)
        if not logs:
            return None
        (event,) = logs
        assert event["topics"][3].endswith(to.hex())
        _account, amount = event["data"][2:66], event["data"][66:]
        assert int(amount, 16) == AMOUNT
        return True

    return look


async def test_a_network_under_hostile_bytes_goes_on_and_pays_across_chains(anvil_binary: Path, tmp_path: Path) -> None:
    folder = tmp_path / "devnet"
    async with running_devnet(DevnetOptions(output_dir=folder, members=4)) as devnet:
        house, one, *_ = devnet.members
        planned = (
            DevnetDeposit(house, 0, "USDC", 100_000 * USDC),
            DevnetDeposit(house, 1, "USDC", 100_000 * USDC),
            DevnetDeposit(one, 0, "USDC", 50_000 * USDC),
        )
        async with trio.open_nursery() as nursery:
            for seed, node in enumerate(devnet.testnet.nodes):
                nursery.start_soon(hostile_peer, node.config.p2p.port, seed)
                nursery.start_soon(hostile_client, node.config.api.port, 100 + seed)
            await deposit(devnet, planned)
            await pay_across(devnet, planned)
            for node in devnet.testnet.nodes:
                client = devnet.clients[node.config.node.name]
                at = await height_of(client)
                assert await refused_all(node.config.api.port) > 80
                await reach(client, at + 1)
            at = await height_of(devnet.clients["n0"])
            await reach(devnet.clients["n0"], at + 5)
            nursery.cancel_scope.cancel()
        await roots_equal(devnet, at + 5)
        for process in devnet.nodes.values():
            process.check()
        confirmed = await height_of(devnet.clients["n0"])
        await reach(devnet.clients["n0"], confirmed + 5)

    for record in recorded(devnet, folder):
        check_deposits(record, planned, lambda each: each.amount)
        released, confirmed_receipts = record.of_kind(WithdrawalReleased), record.of_kind(WithdrawalConfirmed)
        assert [each.account for each in released] == [1]
        assert [(each.nonce, each.chain_id) for each in confirmed_receipts] == [
            (released[0].nonce, devnet.chains[1].anvil.chain_id)
        ]
    for log in (folder / "logs").glob("*.log"):
        assert "request failed" not in log.read_text()
        assert "Traceback" not in log.read_text()

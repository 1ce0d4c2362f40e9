"""A node that is one function, as far as the FIX gateway needs one: it novates a trade id once, refuses and forgets."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import msgspec

from crossclear_client import Client, Retries, requests

NETWORK = b"\x2a" * 32


@dataclass
class FixNode:
    """`refusals`: codes of blocks by ticks of a trade; `doors`: codes before that. `down`: nobody answers."""

    clock_ms: Callable[[], int]
    refusals: dict[int, str] = field(default_factory=dict)
    doors: dict[int, str] = field(default_factory=dict)
    down: bool = False
    forgets: bool = False
    """Fates are not known, though blocks applied them."""
    lose_answers: int = 0
    """So many answers to submissions are lost after they were taken."""
    applied: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    trades: dict[int, requests.TradeReport] = field(default_factory=dict)
    submitted: list[requests.TradeReport] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("down")
        answer = self._submit(request) if request.method == "POST" else self._fate(request.url.path[-66:])
        if request.method == "POST" and self.lose_answers:
            self.lose_answers -= 1
            raise httpx.ReadError("lost")
        return httpx.Response(answer.status_code, stream=httpx.ByteStream(answer.content))

    def client(self) -> Client:
        fast = Retries(attempts=3, first_wait=0.001, longest_wait=0.002)
        return Client("http://node", network=NETWORK, retries=fast, transport=httpx.MockTransport(self))

    def decide(self, report: requests.TradeReport, hash_: str) -> None:
        """A block with this report."""
        if report.venue_trade_id in self.trades:
            self.refused[hash_] = "R0209"
        elif report.not_after_ms < self.clock_ms():
            self.refused[hash_] = "R0201"
        elif report.ticks in self.refusals:
            self.refused[hash_] = self.refusals[report.ticks]
        else:
            self.refused.pop(hash_, None)
            self.trades[report.venue_trade_id] = report
            self.applied[hash_] = 100 + len(self.trades)

    def _submit(self, request: httpx.Request) -> httpx.Response:
        hash_ = "0x" + hashlib.sha256(request.content[1:]).hexdigest()
        (values,) = msgspec.msgpack.decode(request.content)[0]
        fields = [item.name for item in requests.TradeReport.FIELDS]
        report = requests.TradeReport(**dict(zip(fields, values[1:], strict=True)))
        self.submitted.append(report)
        code = self.doors.get(report.ticks)
        if code is not None:
            result = {"hash": hash_, "status": "refused", "problem": problem(code)}
            return httpx.Response(422, json={"results": [result]})
        if hash_ not in self.applied:
            self.decide(report, hash_)
        return httpx.Response(202, json={"results": [{"hash": hash_, "status": "accepted"}]})

    def _fate(self, hash_: str) -> httpx.Response:
        if hash_ in self.applied and not self.forgets:
            return httpx.Response(200, json={"hash": hash_, "state": "applied", "height": self.applied[hash_]})
        if hash_ in self.refused:
            refused = {"hash": hash_, "state": "refused", "height": 9, "problem": problem(self.refused[hash_])}
            return httpx.Response(200, json=refused)
        return httpx.Response(404, json=problem("R0877"))


def problem(code: str) -> dict[str, str]:
    return {"code": code, "message": "refused here", "at": "trade_report", "remedy": "none"}

"""`ClearingHouse`: a booked report brought to its fate at the network, by signed requests to a node.

Rule: a report has one trade id, which the network novates once; whatever is signed anew has the same id and terms. A
request is kept before it is sent, so a restart sends the same bytes. "Refused" is said at once, and looked at again
when the request can no longer be applied, because a request that a block refused is valid until its not-after.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import anyio

from crossclear_client import Client, ClientError, Key, RequestRefused, request_of, requests
from crossclear_client.client import UNKNOWN_TRANSACTION
from crossclear_client.generated.answers import TransactionView
from crossclear_fix.errors import FATE_CHANGED
from crossclear_fix.log import log
from crossclear_fix.store import BookedReport, Fate, Store

EXPIRED = frozenset(("R0201", "R0830", "R0831", "R0832"))
"""The request ended before a block judged its trade: the same trade may be signed again."""
ALREADY_NOVATED = "R0209"
PAUSE_SECONDS = 1.0
SETTLE_SECONDS = 30.0
LATE_MS = 2_000
"""A block's time may be this far behind the clock here when a refusal becomes final."""


@dataclass(frozen=True, slots=True)
class Signing:
    """Who signs. `sides`: keys of accounts whose own signature the gateway adds, instead of a mandate. Times in ms.

    `renew_ms`: so long after a report came in its trade is signed again when a request expired.
    """

    venue: int
    venue_key: Key
    sides: Mapping[int, Key]
    valid_ms: int
    renew_ms: int


class ClearingHouse:
    """`notify` is called with each report whose fate became known or changed, in the transaction that keeps it."""

    def __init__(
        self,
        client: Client,
        store: Store,
        signing: Signing,
        notify: Callable[[BookedReport], None],
        clock_ms: Callable[[], int],
        in_flight_max: int,
    ) -> None:
        self._client = client
        self._store = store
        self._signing = signing
        self._notify = notify
        self._clock_ms = clock_ms
        self._in_flight = anyio.Semaphore(in_flight_max)

    async def follow(self, booked: BookedReport) -> None:
        """Until the fate is final. An unreachable node is asked again for ever."""
        if booked.fate is Fate.WAITING:
            async with self._in_flight:
                booked = await self._settle(booked)
        if booked.fate is Fate.REFUSED:
            booked = await self._look_again(booked)
        log("report", session=booked.session, report_id=booked.report.report_id, fate=booked.fate, code=booked.code)

    async def _settle(self, booked: BookedReport) -> BookedReport:
        try:
            booked = self._try_again(booked) if booked.signed else await self._sign(booked)
        except ClientError as error:
            return self._refuse(booked, error)
        while True:
            try:
                applied = await self._client.settle(self._last(booked), seconds=SETTLE_SECONDS)
            except RequestRefused as refused:
                ended = await self._refused(booked, refused)
                if ended.fate is not Fate.WAITING:
                    return ended
                booked = ended
            except ClientError as error:
                log("node", code=error.code, why=error.message[:200])
                await anyio.sleep(PAUSE_SECONDS)
                booked = self._try_again(booked)
            else:
                return self._novated(booked, applied)

    async def _refused(self, booked: BookedReport, refused: RequestRefused) -> BookedReport:
        if refused.code == ALREADY_NOVATED:
            found = await self._find_applied(booked)
            if found is not None:
                return self._novated(booked, found)
            if booked.attempts > 1:  # an earlier attempt was, and the node has forgotten its block
                return self._keep(booked, fate=Fate.NOVATED, is_open=False, code="", why="")
        is_young = self._clock_ms() - booked.received_ms < self._signing.renew_ms
        if refused.code in EXPIRED and is_young:
            return await self._sign(booked)
        return self._refuse(booked, refused)

    async def _sign(self, booked: BookedReport) -> BookedReport:
        """Sign the trade, again if it must be, and keep the request."""
        report, signing = booked.report, self._signing
        unsigned = requests.TradeReport(
            venue=signing.venue,
            venue_trade_id=booked.trade_id,
            buyer=report.buyer,
            seller=report.seller,
            instrument=report.instrument,
            lots=report.lots,
            ticks=report.ticks,
            traded_ms=report.traded_ms,
            not_before_ms=0,
            not_after_ms=self._clock_ms() + signing.valid_ms,
        )
        signers = {"venue_signature": signing.venue_key}
        for side, account in (("buyer_signature", report.buyer), ("seller_signature", report.seller)):
            if account in signing.sides:
                signers[side] = signing.sides[account]
        request = await self._client.sign(unsigned, **signers)
        body = json.dumps(request.body()).encode()
        with self._store.transaction():
            return self._store.change_report(booked, signed=(*booked.signed, body), attempts=booked.attempts + 1)

    def _try_again(self, booked: BookedReport) -> BookedReport:
        with self._store.transaction():
            return self._store.change_report(booked, attempts=booked.attempts + 1)

    async def _look_again(self, booked: BookedReport) -> BookedReport:
        """A refusal is final when no request of the report can be applied any more."""
        last = self._last(booked) if booked.signed else None
        if last is not None:
            await anyio.sleep(max(0, last.not_after_ms + LATE_MS - self._clock_ms()) / 1000)
            found = await self._find_applied(booked)
            if found is not None:
                log("fate changed", level="error", report_id=booked.report.report_id, code=booked.code)
                return self._novated(booked, found, code=FATE_CHANGED)
        with self._store.transaction():
            return self._store.change_report(booked, is_open=False)

    async def _find_applied(self, booked: BookedReport) -> TransactionView | None:
        """The request of this report that a block applied."""
        for body in booked.signed:
            hash_ = _request(body).id
            while True:
                try:
                    view = await self._client.ask("GET", f"/v1/transactions/{hash_}", TransactionView)
                except ClientError as error:
                    if error.code == UNKNOWN_TRANSACTION:
                        break
                    await anyio.sleep(PAUSE_SECONDS)
                else:
                    if view.state == "applied":
                        return view
                    break
        return None

    def _last(self, booked: BookedReport) -> requests.TradeReport:
        return _request(booked.signed[-1])

    def _novated(self, booked: BookedReport, applied: TransactionView, code: str = "") -> BookedReport:
        known = {"height": applied.height, "hash": applied.hash, "code": code, "why": ""}
        return self._keep(booked, fate=Fate.NOVATED, is_open=False, **known)

    def _refuse(self, booked: BookedReport, error: ClientError) -> BookedReport:
        why = f"{error.message} ({error.at})" if error.at else error.message
        return self._keep(booked, fate=Fate.REFUSED, code=error.code, why=why)

    def _keep(self, booked: BookedReport, **changes: object) -> BookedReport:
        with self._store.transaction():
            changed = self._store.change_report(booked, **changes)
            self._notify(changed)
        return changed


def _request(body: bytes) -> requests.TradeReport:
    request = request_of(json.loads(body), (requests.TradeReport,))
    if not isinstance(request, requests.TradeReport):
        raise TypeError(type(request))
    return request

"""Several endpoints of one chain as one source that is as good as a quorum of them.

Rule: the quorum never shrinks. A lost or lying endpoint is one vote less, and too few votes are a fault, never a
weaker answer. Data that proves itself (a header by its hash, receipts by their root) is taken from any endpoint. A
block is final only if no endpoint that answers contradicts the quorum about it, nor the witness, if there is one.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.codes import BridgeCode
from bridge.evm.header import BlockHeader, is_same_header, read_header, stated_identity
from bridge.evm.hexadecimal import hex_data, hex_quantity, malformed, read_object, read_quantity
from bridge.evm.layouts import ETHEREUM, ChainLayout
from bridge.evm.receipts import Receipt
from bridge.rpc.block_receipts import Source, fetch_receipts
from bridge.rpc.dissent import DISSENT_SECONDS, DissentRecord
from bridge.rpc.endpoint import Refusal, Result, RpcCall, accepted
from bridge.rpc.endpoint_set import EndpointSet
from bridge.rpc.witness import ANCHORED_MAX, FinalWitness
from bridge.watched_chain import FinalityPolicy
from clearing.base.errors import RemoteFault


@dataclass(frozen=True, slots=True)
class Tips:
    """The result of a poll: the final height, and the hash of the watched block if a quorum agrees on it."""

    final_number: int
    watched_hash: bytes | None


class EndpointQuorum(EndpointSet):
    """Reads of one chain by `quorum` of `endpoints`, in the chain's `layout`.

    Raises LocalFault BAD_QUORUM unless 2·quorum > endpoints.
    """

    def __init__(
        self,
        endpoints: Sequence[Source],
        quorum: int,
        dissent_seconds: float = DISSENT_SECONDS,
        layout: ChainLayout = ETHEREUM,
        witness: FinalWitness | None = None,
    ) -> None:
        super().__init__(endpoints, quorum)
        self.layout = layout
        witnesses = [] if witness is None else [witness.name]
        self.dissents = DissentRecord([*(endpoint.name for endpoint in endpoints), *witnesses], dissent_seconds)
        self._witness = witness
        self._compared: int | None = None
        """The newest of the witness's blocks that the quorum was asked about."""

    @property
    def is_anchored(self) -> bool:
        """Whether final heights are blocks that a required witness proved."""
        return self._witness is not None and self._witness.is_required

    def anchor_of(self, number: int) -> int | None:
        """The lowest block from `number` on that the witness proved, at most ANCHORED_MAX above."""
        anchor = self._witness.oldest_from(number) if self._witness is not None else None
        return anchor if anchor is not None and anchor - number <= ANCHORED_MAX else None

    async def check_chain(self, chain_id: int) -> None:
        """Check that a quorum serves `chain_id`; an endpoint that serves another is blamed.

        Raises RemoteFault WRONG_CHAIN.
        """

        def judge(stated: dict[int, int]) -> int:
            wrong = [index for index, served in stated.items() if served != chain_id]
            faults = [
                RemoteFault(
                    BridgeCode.WRONG_CHAIN, self._endpoints[index].name, stated=stated[index], expected=chain_id
                )
                for index in wrong
            ]
            if len(stated) - len(wrong) < self.quorum:
                raise faults[0]
            for index, fault in zip(wrong, faults, strict=True):
                self.blame(index, fault)
            return chain_id

        await self._judged(
            (RpcCall("eth_chainId"),), lambda results: read_quantity(results[0], "eth_chainId", 63), judge
        )

    async def tips(self, policy: FinalityPolicy, watched_number: int) -> Tips:
        """One batch an endpoint: the final height (the q-th highest reported) and the hash now at `watched_number`.

        `watched_number` is a final block; who contradicts the quorum about it dissents. `watched_hash` is None when no
        quorum agrees on a hash there: lagging endpoints are not evidence. Where a witness is required, the final height
        is its newest block up to there. Raises RemoteFault also LIGHT_CLIENT_CONFLICT, LIGHT_CLIENT_BEHIND.
        """
        tags = [policy.tag, "latest"] if policy.depth else [policy.tag]
        calls = [RpcCall("eth_getBlockByNumber", (at, False)) for at in (*tags, hex_quantity(watched_number))]

        def parse(results: list[Result]) -> tuple[int, bytes | None]:
            final = stated_identity(accepted(results[0], policy.tag))[0]
            if policy.depth:
                head = stated_identity(accepted(results[1], "latest"))[0]
                final = min(final, max(head - policy.depth, 0))
            watched = results[-1]
            if watched is None or isinstance(watched, Refusal):
                return final, None
            number, hash_ = stated_identity(watched)
            if number != watched_number:
                raise malformed("header.number", number)
            return final, hash_

        answers = await self.read(calls, parse)
        self._note_heights(answers)
        heights = sorted((final for final, _ in answers.values()), reverse=True)
        agreed_height, highest = heights[self.quorum - 1], heights[0]
        is_late = agreed_height < watched_number or agreed_height == watched_number < highest
        if is_late and len(answers) < len(self._endpoints):
            answers = await self.read(calls, parse, patient=True)
            self._note_heights(answers)
            heights = sorted((final for final, _ in answers.values()), reverse=True)
        hashes = Counter(hash_ for _, hash_ in answers.values() if hash_ is not None)
        agreed = next((hash_ for hash_, votes in hashes.items() if votes >= self.quorum), None)
        for index, (_, stated) in answers.items():
            if agreed is not None and stated is not None:
                self.dissents.note(index, watched_number, agreed, stated)
        return Tips(self._witnessed_height(heights[self.quorum - 1], watched_number), agreed)

    def _witnessed_height(self, final_number: int, watched_number: int) -> int:
        """The final height, as far as a required witness proved it; `watched_number` where it proved nothing newer."""
        if self._witness is None:
            return final_number
        self._witness.check()
        if not self._witness.is_required:
            return final_number
        if self._witness.newest_within(0, final_number) is None:
            why = self._witness.last_fault
            raise RemoteFault(BridgeCode.LIGHT_CLIENT_BEHIND, self._witness.name, final=final_number, why=why)
        proven = self._witness.newest_within(watched_number, final_number)
        return min(watched_number, final_number) if proven is None else proven

    def _note_heights(self, answers: dict[int, tuple[int, bytes | None]]) -> None:
        for index, (final, _) in answers.items():
            self.health[index].final_number = final

    async def headers(self, numbers: Sequence[int]) -> list[BlockHeader]:
        """Headers of `numbers`, each hash reported by a quorum and recomputed from its fields.

        Raises RemoteFault ENDPOINT_QUORUM_LOST or ENDPOINTS_DISAGREE.
        """
        return await self._judged(
            _header_calls(numbers), _identities, lambda answers: self._agreed_headers(numbers, answers)
        )

    async def undisputed_headers(self, numbers: Sequence[int]) -> list[BlockHeader]:
        """Headers of blocks that need not be final: as `headers`, and no endpoint that answers in time contradicts.

        An endpoint may lack them yet. Raises RemoteFault ENDPOINT_QUORUM_LOST or ENDPOINTS_DISAGREE.
        """
        answers = await self.read(_header_calls(numbers), _identities, patient=True)
        headers = self._agreed_headers(numbers, answers)
        for position, header in enumerate(headers):
            stated = {row[position][0] for row in answers.values()} - {None}
            if stated != {header.hash}:
                raise RemoteFault(BridgeCode.ENDPOINTS_DISAGREE, "header", number=header.number, hashes=len(stated))
        return headers

    async def final_headers(self, numbers: Sequence[int]) -> list[BlockHeader]:
        """Headers of final blocks: as `headers`, and no endpoint that answers in time states anything else.

        Raises also RemoteFault FINAL_BLOCK_DISPUTED, FINAL_BLOCK_LACKING, DISPUTE_UNDECIDED.
        """
        answers = await self.read(_header_calls(numbers), _identities, patient=True)
        headers = self._agreed_headers(numbers, answers)
        for position, header in enumerate(headers):
            for index, row in answers.items():
                self.dissents.note(index, header.number, header.hash, row[position][0])
            proven = self._witness.hash_at(header.number) if self._witness is not None else None
            if proven is not None:
                self.dissents.note(len(self._endpoints), header.number, header.hash, proven)
        self.dissents.check()
        return headers

    async def recheck_dissents(self, final_number: int) -> None:
        """Ask again about every block up to `final_number` that an endpoint dissents about, and about the newest block
        there that the witness proved. Raises as `final_headers`.

        A quorum that takes a final height back gives up what it said above it.
        """
        self.dissents.forget_above(final_number)
        for number in sorted({dissent.number for dissent in self.dissents.open}):
            await self.final_headers((number,))
        proven = self._witness.newest_within(0, final_number) if self._witness is not None else None
        if proven is not None and proven != self._compared:
            await self.final_headers((proven,))
            self._compared = proven

    async def header_by_hash(self, block_hash: bytes) -> BlockHeader:
        """The header that a quorum has on its main chain under this hash. Raises RemoteFault UNTRUSTED_BLOCK."""
        calls = (RpcCall("eth_getBlockByHash", (hex_data(block_hash), False)),)

        def parse(results: list[Result]) -> BlockHeader | None:
            return None if results[0] is None else read_header(results[0], self.layout.header)

        answers = await self.read(calls, parse)
        numbers = {header.number for header in answers.values() if header is not None and header.hash == block_hash}
        for number in sorted(numbers):  # the hash binds the number, so there is at most one
            header = (await self.headers((number,)))[0]
            if header.hash == block_hash:
                return header
        raise RemoteFault(BridgeCode.UNTRUSTED_BLOCK, "block", hash=block_hash)

    async def receipts(self, header: BlockHeader) -> tuple[Receipt, ...]:
        """All receipts of a block, from the first endpoint whose receipts rebuild the header's root.

        Raises RemoteFault: the last endpoint's fault, RECEIPTS_ROOT_MISMATCH if it lied.
        """

        layout = self.layout.receipts
        return await self.first_good("receipts", lambda source: fetch_receipts(source, layout, header), blame=True)

    def _agreed_headers(
        self, numbers: Sequence[int], answers: dict[int, list[tuple[bytes | None, Result]]]
    ) -> list[BlockHeader]:
        return [
            self._agreed_header(number, {index: row[position] for index, row in answers.items()})
            for position, number in enumerate(numbers)
        ]

    def _agreed_header(self, number: int, answers: dict[int, tuple[bytes | None, Result]]) -> BlockHeader:
        votes = Counter(hash_ for hash_, _ in answers.values() if hash_ is not None)
        agreed = next((hash_ for hash_, count in votes.items() if count >= self.quorum), None)
        if agreed is None:
            raise RemoteFault(BridgeCode.ENDPOINTS_DISAGREE, "header", number=number, hashes=len(votes))
        found: BlockHeader | None = None
        read: Result = None
        fault: RemoteFault | None = None
        # Also those after the first good answer: who contradicts is blamed in whatever order endpoints are listed.
        for index, (hash_, value) in answers.items():
            if hash_ != agreed:
                if hash_ is not None:
                    self.blame(index, RemoteFault(BridgeCode.ENDPOINTS_DISAGREE, "header", number=number, hash=hash_))
                continue
            if is_same_header(value, read, self.layout.header):
                continue
            try:
                found, read = self._numbered_header(number, value), value
            except RemoteFault as error:
                fault = error
                self.blame(index, error)
        if found is None:
            raise fault or malformed("header.number", number)
        return found

    def _numbered_header(self, number: int, value: Result) -> BlockHeader:
        header = read_header(value, self.layout.header)
        if header.number != number:
            raise malformed("header.number", header.number)
        return header


def _header_calls(numbers: Sequence[int]) -> list[RpcCall]:
    return [RpcCall("eth_getBlockByNumber", (hex_quantity(number), False)) for number in numbers]


def _identities(results: list[Result]) -> list[tuple[bytes | None, Result]]:
    return [_identity(result) for result in results]


def _identity(result: Result) -> tuple[bytes | None, Result]:
    """(stated hash, answer); no hash where the endpoint has no such block."""
    if result is None:
        return None, None
    read_object(accepted(result, "header"), "header")
    return stated_identity(result)[1], result

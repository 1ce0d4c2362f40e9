"""The light client's objects, with their roots.

Source: consensus specifications, phase0/beacon-chain.md (`BeaconBlockHeader`), altair/beacon-chain.md
(`SyncCommittee`, `SyncAggregate`), capella and deneb/beacon-chain.md (`ExecutionPayloadHeader`),
altair and capella/light-client/sync-protocol.md (the others). Numbers of 2^63 and more are refused: none is in use.
"""

from typing import Annotated

import msgspec

from bridge.beacon.network import Layout
from bridge.beacon.ssz import ZERO, merkle_root, short_list_root, uint_chunk, vector_root
from clearing.base.codec import U63, Bytes20, Bytes32, Bytes48, Bytes96, Wire

COMMITTEE_MAX = 512
BRANCH_MAX = 16
Branch = Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=BRANCH_MAX)]


class BeaconHeader(Wire, frozen=True):
    """`BeaconBlockHeader`."""

    slot: U63
    proposer_index: U63
    parent_root: Bytes32
    state_root: Bytes32
    body_root: Bytes32

    @property
    def root(self) -> bytes:
        """The root that names the block."""
        numbers = uint_chunk(self.slot), uint_chunk(self.proposer_index)
        return merkle_root([*numbers, self.parent_root, self.state_root, self.body_root])


class ExecutionHeader(Wire, frozen=True):
    """`ExecutionPayloadHeader`."""

    parent_hash: Bytes32
    fee_recipient: Bytes20
    state_root: Bytes32
    receipts_root: Bytes32
    logs_bloom: Annotated[bytes, msgspec.Meta(min_length=256, max_length=256)]
    prev_randao: Bytes32
    block_number: U63
    gas_limit: U63
    gas_used: U63
    timestamp: U63
    extra_data: Annotated[bytes, msgspec.Meta(max_length=32)]
    base_fee_per_gas: Bytes32
    """Little-endian, as SSZ has it."""
    block_hash: Bytes32
    transactions_root: Bytes32
    withdrawals_root: Bytes32
    blob_gas_used: U63 = 0
    excess_blob_gas: U63 = 0

    def root(self, layout: Layout) -> bytes:
        """The root by the fields of a fork (electra/light-client/sync-protocol.md, `get_lc_execution_root`)."""
        chunks = [
            self.parent_hash,
            self.fee_recipient.ljust(32, b"\0"),
            self.state_root,
            self.receipts_root,
            vector_root(self.logs_bloom),
            self.prev_randao,
            uint_chunk(self.block_number),
            uint_chunk(self.gas_limit),
            uint_chunk(self.gas_used),
            uint_chunk(self.timestamp),
            short_list_root(self.extra_data),
            self.base_fee_per_gas,
            self.block_hash,
            self.transactions_root,
            self.withdrawals_root,
        ]
        if layout.has_blob_gas:
            chunks += [uint_chunk(self.blob_gas_used), uint_chunk(self.excess_blob_gas)]
        return merkle_root(chunks)


class LightHeader(Wire, frozen=True):
    """`LightClientHeader`: a beacon header, and the execution header that its body has by `execution_branch`."""

    beacon: BeaconHeader
    execution: ExecutionHeader
    execution_branch: Branch


class SyncCommittee(Wire, frozen=True):
    """`SyncCommittee`: BLS keys by place; one validator may have several places."""

    pubkeys: Annotated[tuple[Bytes48, ...], msgspec.Meta(min_length=1, max_length=COMMITTEE_MAX)]
    aggregate_pubkey: Bytes48

    @property
    def root(self) -> bytes:
        """Its root in the state; the number of keys is the preset's, a power of two."""
        return merkle_root([merkle_root(list(map(vector_root, self.pubkeys))), vector_root(self.aggregate_pubkey)])


class Bootstrap(Wire, frozen=True):
    """`LightClientBootstrap`: a header, and the committee of its period."""

    header: LightHeader
    committee: SyncCommittee
    committee_branch: Branch


class Update(Wire, frozen=True):
    """`LightClientUpdate`, or, without a next committee, `LightClientFinalityUpdate`."""

    attested_header: LightHeader
    finalized_header: LightHeader
    finality_branch: Branch
    participation: Annotated[bytes, msgspec.Meta(min_length=1, max_length=COMMITTEE_MAX // 8)]
    """`sync_committee_bits`: place 0 is the lowest bit of the first byte."""
    signature: Bytes96
    signature_slot: U63
    next_committee: SyncCommittee | None = None
    """None where the endpoint proves none: its branch is of zeros."""
    next_committee_branch: Branch = ()

    @property
    def has_finality(self) -> bool:
        """Whether a final header is proven at all (`is_finality_update`)."""
        return any(node != ZERO for node in self.finality_branch)

    def signers(self, committee: SyncCommittee) -> list[bytes]:
        """The keys of the places that signed."""
        bits = int.from_bytes(self.participation, "little")
        return [key for place, key in enumerate(committee.pubkeys) if bits >> place & 1]

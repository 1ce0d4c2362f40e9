"""The light client's objects from the JSON of the Beacon API (`/eth/v1/beacon/light_client/…`).

Rule: for any JSON, the result is an object of the network's sizes, or RemoteFault MALFORMED_ANSWER; never another
error. Numbers are decimal text, bytes are `0x…` text. Fields that are not known are ignored, as the API allows.
"""

import re

from bridge.beacon.containers import (
    BRANCH_MAX,
    BeaconHeader,
    Bootstrap,
    ExecutionHeader,
    LightHeader,
    SyncCommittee,
    Update,
)
from bridge.beacon.network import BeaconNetwork
from bridge.beacon.ssz import ZERO
from bridge.evm.hexadecimal import malformed, read_data, read_list, read_object

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}", re.ASCII)


def read_bootstrap(value: object, network: BeaconNetwork) -> Bootstrap:
    """`LightClientBootstrap`. Raises RemoteFault MALFORMED_ANSWER."""
    fields = read_object(value, "bootstrap")
    return Bootstrap(
        header=_light_header(fields.get("header"), "header"),
        committee=_committee(fields.get("current_sync_committee"), "current_sync_committee", network),
        committee_branch=_branch(fields.get("current_sync_committee_branch"), "current_sync_committee_branch"),
    )


def read_update(value: object, network: BeaconNetwork) -> Update:
    """`LightClientUpdate` or `LightClientFinalityUpdate`. Raises RemoteFault MALFORMED_ANSWER."""
    fields = read_object(value, "update")
    aggregate = read_object(fields.get("sync_aggregate"), "sync_aggregate")
    branch = fields.get("next_sync_committee_branch")
    nodes = _branch(branch, "next_sync_committee_branch") if branch is not None else ()
    # A branch of zeros stands for "no committee" (`is_sync_committee_update`); what stands beside it means nothing.
    proves_committee = any(node != ZERO for node in nodes)
    committee = fields.get("next_sync_committee")
    return Update(
        attested_header=_light_header(fields.get("attested_header"), "attested_header"),
        finalized_header=_light_header(fields.get("finalized_header"), "finalized_header"),
        finality_branch=_branch(fields.get("finality_branch"), "finality_branch"),
        participation=read_data(
            aggregate.get("sync_committee_bits"), "sync_committee_bits", network.committee_size // 8
        ),
        signature=read_data(aggregate.get("sync_committee_signature"), "sync_committee_signature", 96),
        signature_slot=_number(fields.get("signature_slot"), "signature_slot"),
        next_committee=_committee(committee, "next_sync_committee", network) if proves_committee else None,
        next_committee_branch=nodes if proves_committee else (),
    )


def _light_header(value: object, at: str) -> LightHeader:
    fields = read_object(value, at)
    return LightHeader(
        beacon=_beacon_header(fields.get("beacon"), f"{at}.beacon"),
        execution=_execution_header(fields.get("execution"), f"{at}.execution"),
        execution_branch=_branch(fields.get("execution_branch"), f"{at}.execution_branch"),
    )


def _beacon_header(value: object, at: str) -> BeaconHeader:
    fields = read_object(value, at)

    def root(name: str) -> bytes:
        return read_data(fields.get(name), f"{at}.{name}", 32)

    return BeaconHeader(
        slot=_number(fields.get("slot"), f"{at}.slot"),
        proposer_index=_number(fields.get("proposer_index"), f"{at}.proposer_index"),
        parent_root=root("parent_root"),
        state_root=root("state_root"),
        body_root=root("body_root"),
    )


def _execution_header(value: object, at: str) -> ExecutionHeader:
    fields = read_object(value, at)

    def data(name: str, size: int | None = 32, limit: int = 256) -> bytes:
        return read_data(fields.get(name), f"{at}.{name}", size, limit)

    def number(name: str, bits: int = 63) -> int:
        return _number(fields.get(name), f"{at}.{name}", bits)

    def added(name: str) -> int:
        """A field that Deneb added: older answers lack it."""
        return number(name) if name in fields else 0

    return ExecutionHeader(
        parent_hash=data("parent_hash"),
        fee_recipient=data("fee_recipient", 20),
        state_root=data("state_root"),
        receipts_root=data("receipts_root"),
        logs_bloom=data("logs_bloom", 256),
        prev_randao=data("prev_randao"),
        block_number=number("block_number"),
        gas_limit=number("gas_limit"),
        gas_used=number("gas_used"),
        timestamp=number("timestamp"),
        extra_data=data("extra_data", None, 32),
        base_fee_per_gas=number("base_fee_per_gas", 256).to_bytes(32, "little"),
        block_hash=data("block_hash"),
        transactions_root=data("transactions_root"),
        withdrawals_root=data("withdrawals_root"),
        blob_gas_used=added("blob_gas_used"),
        excess_blob_gas=added("excess_blob_gas"),
    )


def _committee(value: object, at: str, network: BeaconNetwork) -> SyncCommittee:
    fields = read_object(value, at)
    keys = read_list(fields.get("pubkeys"), f"{at}.pubkeys", network.committee_size)
    if len(keys) != network.committee_size:
        raise malformed(f"{at}.pubkeys", keys)
    return SyncCommittee(
        pubkeys=tuple(read_data(key, f"{at}.pubkeys", 48) for key in keys),
        aggregate_pubkey=read_data(fields.get("aggregate_pubkey"), f"{at}.aggregate_pubkey", 48),
    )


def _branch(value: object, at: str) -> tuple[bytes, ...]:
    return tuple(read_data(node, at, 32) for node in read_list(value, at, BRANCH_MAX))


def _number(value: object, at: str, bits: int = 63) -> int:
    if not isinstance(value, str) or _DECIMAL.fullmatch(value) is None:
        raise malformed(at, value)
    number = int(value)
    if number >> bits:
        raise malformed(at, value)
    return number

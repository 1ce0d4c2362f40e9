"""What the demonstration counts of its block log."""

from clearing.schema.blocks.block import BlockResult
from clearing.schema.receipts.default_fund import FundPaid
from devnet.demo.report import count
from devnet.market import load_market
from tests.kit.market_genesis import genesis_of


def test_a_member_whose_deadline_passed_has_not_paid_into_the_fund() -> None:
    paid = FundPaid(0, 1, 1, 500_000_000, 500_000_000, 0)
    lapsed = FundPaid(2**32 - 1, 2, 2, 0, 0, 500_000_000, lapsed=True)
    tally = count(genesis_of(load_market()), [result_of(paid, lapsed)])
    assert dict(tally.contributed) == {1: 500_000_000}


def result_of(*receipts: FundPaid) -> BlockResult:
    fields = dict.fromkeys(BlockResult.__struct_fields__)
    return BlockResult(**(fields | {"receipts": receipts}))

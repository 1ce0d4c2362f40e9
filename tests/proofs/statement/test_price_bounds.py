"""No price lies outside of what the rulebook allows beside its index; what is left open is listed by name and value."""

import msgspec
import pytest

from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.rulebook import MarkPrice, read_rulebook, write_rulebook
from clearing.schema.terms.instruments import Instrument, InstrumentKind, forward_ticks
from clearing.schema.terms.prices import FundingTerms
from clearing.settlement.funding import perpetual_mark_ticks
from clearing.settlement.settlement_prices import TimeAverage, expected_average_ticks
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.price_bounds import attested, check_price_bounds, mark_bounds
from proofs.statement.rulebook_checks import check_rulebook
from proofs.verify.package_verifier import verify_package
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, make_genesis
from tests.kit.clearing.world import funded
from tests.kit.proofs.stressed import MEMBERS, PREMIUM, RULEBOOK, snapshot_of

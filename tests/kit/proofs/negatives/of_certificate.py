"""Certificates, roots and ages that a verifier must refuse."""

from collections.abc import Iterator
from typing import Any

from clearing.base import bls
from clearing.base.certificate import VoteKind, vote_digest
from clearing.base.validators import Validator, ValidatorSet
from proofs.epoch.package import EpochPackage
from proofs.verify.freshness import AHEAD_MS_MAX, DAY_MS, MAX_AGE_MS, TRUSTING_PERIOD_MS, Freshness
from tests.kit.certificates import make_certificate
from tests.kit.proofs import small_market as market
from tests.kit.proofs.negatives.making import (
    ANCHORED,
    LISTED,
    TIME,
    WHOLE,
    anchored,
    certified,
    frozen,
    read,
    refused,
    replace,
    stating,
)
from tests.kit.proofs.vector_files import Trust, Vector
from tests.kit.validator_records import made_validator

INFINITY_1, INFINITY_2 = b"\xc0" + bytes(47), b"\xc0" + bytes(95)
NO_POINT = b"\x80" + bytes(46) + b"\x05"
NO_POINT_2 = b"\x80" + bytes(94) + b"\x07"
YEARS = 2 * 365 * DAY_MS


def vectors() -> Iterator[Vector]:
    """Of the checks `certificate`, `roots`, `freshness`, and of strictness."""
    yield from _certificates()
    yield from _validators()
    yield from _trust()
    yield from _roots()
    yield from _ages()
    yield from _strict()


def _with(**changes: Any) -> EpochPackage:
    good = read()
    return replace(good, certificate=replace(good.certificate, **changes))


def _signed(kind: VoteKind, signers: tuple[int, ...], **header: Any) -> EpochPackage:
    """A header signed by some validators, by a vote of some kind."""
    good = read()
    head = replace(good.header, **header)
    digest = vote_digest(head.network, good.validators.hash, kind, head.height, 1, head.hash)
    shares = {index: bls.sign(market.SECRETS[index], digest) for index in signers}
    certificate = make_certificate(kind, head.height, 1, head.hash, good.validators, shares)
    return replace(good, header=head, certificate=certificate)


def _certificates() -> Iterator[Vector]:
    good = read()
    by = "certificate"
    yield refused("prevotes", "all validators signed prevotes", by, "WRONG_KIND", _signed(VoteKind.PREVOTE, (0, 1)))
    yield refused("another-value", "`value` is not the header's hash", by, "WRONG_VALUE", _with(value=bytes(32)))
    yield refused("another-height", "the certificate's `height` is one more", by, "WRONG_VALUE", _with(height=44))
    yield refused("another-round", "`round` is 2, and was signed as 1", by, "BAD_SIGNATURE", _with(round=2))
    yield refused(
        "header-changed",
        "the header's `time_ms` is one more after the signatures",
        by,
        "WRONG_VALUE",
        replace(good, header=replace(good.header, time_ms=TIME + 1)),
    )
    yield refused(
        "certificate-of-another-set",
        "the certificate's `validators_hash` is 32 zero bytes",
        by,
        "WRONG_VALIDATOR_SET",
        _with(validators_hash=bytes(32)),
    )
    yield refused(
        "header-of-another-set",
        "the header's `validators_hash` is 32 zero bytes, signed",
        by,
        "WRONG_VALIDATOR_SET",
        _signed(VoteKind.PRECOMMIT, (0, 1), validators_hash=bytes(32)),
    )
    yield refused(
        "stray-signer",
        "the bit of validator 2 of two is set",
        by,
        "STRAY_SIGNER",
        _with(signers=(7).to_bytes(32, "big")),
    )
    yield refused(
        "half-the-power", "one of two validators signed", by, "UNDER_QUORUM", _signed(VoteKind.PRECOMMIT, (0,))
    )
    yield refused("nobody-signed", "no bit of `signers` is set", by, "UNDER_QUORUM", _with(signers=bytes(32)))
    yield refused("aggregate-at-infinity", "`aggregate` is infinity", by, "BAD_POINT", _with(aggregate=INFINITY_2))
    yield refused(
        "aggregate-no-point", "`aggregate` is no point of the curve", by, "BAD_POINT", _with(aggregate=NO_POINT_2)
    )
    yield refused(
        "one-signature-for-two",
        "`aggregate` is that of one validator, both bits are set",
        by,
        "BAD_SIGNATURE",
        _with(aggregate=_signed(VoteKind.PRECOMMIT, (0,)).certificate.aggregate),
    )


def _validators() -> Iterator[Vector]:
    good = read()
    first, second = good.validators.validators

    def listing(*validators: Validator) -> EpochPackage:
        return replace(good, validators=ValidatorSet(validators))

    bad = ("certificate", "BAD_VALIDATOR_SET")
    yield refused("no-validators", "the set is empty", *bad, listing())
    yield refused("validators-out-of-order", "the two validators are exchanged", *bad, listing(second, first))
    yield refused(
        "validator-twice",
        "the second validator has the first one's `bls_key`",
        *bad,
        listing(first, replace(second, bls_key=first.bls_key)),
    )
    yield refused(
        "validator-without-power", "the first validator's `power` is 0", *bad, listing(replace(first, power=0), second)
    )
    yield refused(
        "too-much-power", "the sum of all `power` is 2^60", *bad, listing(replace(first, power=2**60 - 10), second)
    )
    yield refused(
        "no-address",
        "the first `evm_address` is 20 zero bytes",
        *bad,
        listing(replace(first, evm_address=bytes(20)), second),
    )
    yield refused(
        "one-address-for-two",
        "both validators have one `evm_address`",
        *bad,
        listing(first, replace(second, evm_address=first.evm_address)),
    )
    yield refused(
        "key-at-infinity",
        "the first `bls_key` is infinity",
        "certificate",
        "BAD_POINT",
        listing(replace(first, bls_key=INFINITY_1), second),
    )
    yield refused(
        "possession-of-another",
        "the first `possession` is the second validator's",
        "certificate",
        "BAD_POSSESSION_PROOF",
        listing(replace(first, possession=second.possession), second),
    )
    yield refused(
        "evm-possession-of-another",
        "the first `evm_possession` is the second validator's",
        "certificate",
        "BAD_POSSESSION_PROOF",
        listing(replace(first, evm_possession=second.evm_possession), second),
    )
    yield refused(
        "evm-possession-of-no-parity",
        "v of the first `evm_possession` is 29",
        "certificate",
        "BAD_SIGNATURE",
        listing(replace(first, evm_possession=first.evm_possession[:64] + b"\x1d"), second),
    )


def _trust() -> Iterator[Vector]:
    data = frozen("three-accounts.ccp")
    yield refused(
        "another-network-trusted",
        "the caller trusts another network",
        "certificate",
        "WRONG_NETWORK",
        data,
        trust=Trust(network=bytes([8]) * 32),
    )
    yield refused(
        "another-set-trusted",
        "the caller trusts another validator set",
        "certificate",
        "WRONG_NETWORK",
        data,
        trust=Trust(validators_hash=bytes(32)),
    )
    secret = bls.secret_from_seed(bytes([99]) * 32)
    own = ValidatorSet((made_validator(bytes([1]) * 32, secret, 10),))
    good = read()
    head = replace(good.header, validators_hash=own.hash, next_validators_hash=own.hash)
    digest = vote_digest(head.network, own.hash, VoteKind.PRECOMMIT, head.height, 1, head.hash)
    certificate = make_certificate(VoteKind.PRECOMMIT, head.height, 1, head.hash, own, {0: bls.sign(secret, digest)})
    forged = replace(good, header=head, certificate=certificate, validators=own)
    yield refused(
        "a-set-of-its-own",
        "a set that anybody made certifies the package; the caller trusts the network's",
        "certificate",
        "WRONG_NETWORK",
        forged,
        trust=ANCHORED,
    )


def _roots() -> Iterator[Vector]:
    good = read()
    (a, first), (b, second), last = good.commitments
    root = ("roots", "WRONG_ROOT")
    yield refused(
        "state-changed",
        "`state_root` of the statement is changed after the signatures",
        *root,
        replace(good, statement=replace(good.statement, state_root=bytes(32))),
    )
    yield refused(
        "accounts-exchanged",
        "two accounts have each other's commitment",
        *root,
        replace(good, commitments=((a, second), (b, first), last)),
    )
    yield refused(
        "account-renumbered",
        "account 5 is called 6",
        *root,
        replace(good, commitments=(*good.commitments[:2], (6, last[1]))),
    )
    yield refused("domain-changed", "`domain` is 512", *root, replace(good, domain=512))
    yield refused(
        "shortfall-listed-later",
        "a shortfall is listed after the signatures",
        *root,
        replace(good, statement=replace(good.statement, shortfalls=((1, 5),))),
    )
    yield refused(
        "another-snapshot",
        "the header's `commitments_height` is one less, certified",
        *root,
        certified({}, commitments_height=39),
    )
    yield refused(
        "snapshot-of-its-own-height",
        "the header has the height of the snapshot, certified",
        *root,
        certified({}, height=40),
    )
    yield refused(
        "snapshot-of-a-later-height",
        "header and statement agree on a snapshot above the header, certified",
        *root,
        certified({"statement": replace(good.statement, height=50)}, height=50),
    )
    yield refused(
        "statement-of-another-network",
        "the statement's `network` is another one than the header's, certified",
        "roots",
        "WRONG_NETWORK",
        stating(network=bytes([8]) * 32),
    )
    for name, epoch in (("an-earlier", 3), ("a-later", 5)):
        yield refused(
            f"statement-of-{name}-epoch",
            f"the statement's `epoch` is {epoch}, the header's 4, certified",
            "roots",
            "EPOCH_DIFFERS",
            certified({"statement": replace(good.statement, epoch=epoch)}, epoch=4),
        )
    yield refused(
        "equal-commitments",
        "two accounts have one commitment, certified",
        "roots",
        "COMMITMENTS_EQUAL",
        certified({"commitments": ((a, first), (b, first), last)}),
    )


def _ages() -> Iterator[Vector]:
    data, by = frozen("three-accounts.ccp"), "freshness"

    def at(**wanted: Any) -> Trust:
        return anchored(freshness=Freshness(**wanted))

    yield refused(
        "stale-header",
        "the package is judged 7 days and a millisecond after its header",
        by,
        "STALE",
        data,
        trust=at(now_ms=TIME + MAX_AGE_MS + 1),
    )
    yield refused(
        "older-than-the-caller-accepts",
        "the header is 5 ms old, and 4 ms are accepted",
        by,
        "STALE",
        data,
        trust=at(now_ms=TIME + 5, max_age_ms=4),
    )
    yield refused(
        "header-of-the-future",
        "the header is 5 minutes and a millisecond ahead",
        by,
        "FROM_THE_FUTURE",
        data,
        trust=at(now_ms=TIME - AHEAD_MS_MAX - 1),
    )
    yield refused(
        "below-the-least-height",
        "the caller wants a snapshot of height 41 or more",
        by,
        "BELOW_MIN_HEIGHT",
        data,
        trust=at(now_ms=TIME, min_height=41),
    )
    yield refused(
        "set-not-known-lately",
        "the set was known 14 days and a millisecond ago",
        by,
        "SET_EXPIRED",
        data,
        trust=at(now_ms=TIME, set_known_ms=TIME - TRUSTING_PERIOD_MS - 1),
    )
    again = certified({}, time_ms=TIME + YEARS)
    yield refused(
        "retired-set-signs-anew",
        "validators sign anew after two years; the set was last known at the time of the prices, any age is accepted",
        by,
        "SET_EXPIRED",
        again,
        trust=at(now_ms=TIME + YEARS, max_age_ms=None, set_known_ms=TIME),
    )
    yield refused(
        "stale-prices",
        "a new header certifies a snapshot with prices of two years before",
        by,
        "STALE",
        again,
        trust=at(now_ms=TIME + YEARS),
    )


def _strict() -> Iterator[Vector]:
    small, code = frozen("three-accounts.ccp"), "CHECK_OPEN"
    whole = read(LISTED)
    base = {"base": LISTED}
    yield refused(
        "strict-without-an-anchor",
        "nothing is changed; strictly, and no validator set and network are trusted",
        "certificate",
        code,
        frozen(WHOLE),
        trust=Trust(strict=True),
        base=WHOLE,
    )
    yield refused(
        "strict-stripped-house",
        "`house` is empty, strictly",
        "house",
        code,
        replace(whole, house=b""),
        trust=anchored(strict=True),
        **base,
    )
    yield refused(
        "strict-stripped-custody",
        "`custody` is empty, strictly",
        "custody",
        code,
        replace(whole, custody=()),
        trust=anchored(strict=True),
        **base,
    )
    yield refused(
        "strict-custody-of-one-chain",
        "`custody` lacks the second chain's block, strictly",
        "custody",
        code,
        replace(whole, custody=whole.custody[:1]),
        trust=anchored(strict=True),
        **base,
    )
    yield refused(
        "strict-without-stress",
        "a package without stress scenarios, strictly; custody may be open",
        "cover",
        code,
        small,
        trust=anchored(strict=True, allowed=("custody",)),
    )

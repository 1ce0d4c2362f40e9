"""The small genesis with every rule of the requirement turned on."""

import msgspec

from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.parameters import JointCredit, collapse
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from tests.kit.clearing.genesis import BTC_PERP, ETH_PERP, EXPIRY_MS, USD, WETH_1, make_genesis

BTC_FAR = 5


def genesis(**risk) -> Genesis:
    """The test network with every term on and a call that no scenario reaches."""
    plain = make_genesis()
    groups = tuple(msgspec.structs.replace(group, short_option_ppm=50_000) for group in plain.risk.groups)
    terms = {
        "groups": groups,
        "joint": JointCredit(collapse([(11, 11), (13, 13), (13, 7), (7, 13), (3, 3)]), 2, keep_largest=True),
        "charges": (LotCharge(BTC_PERP, 5_000, 1_000, 10_000, 5_000, 10_000), LotCharge(ETH_PERP, 5_000)),
        "concentration": (ConcentrationTier(WETH_1, 10_000_000, 200_000),),
    }
    far = Instrument(BTC_FAR, "BTC-FAR", InstrumentKind.CALL, 1, 1, USD, 10, EXPIRY_MS, 50_000_000, 1_000_000)
    rules = msgspec.structs.replace(plain.risk, **terms | risk)
    return msgspec.structs.replace(plain, instruments=(*plain.instruments, far), risk=rules)

"""Members sign what their wallets would sign, and nothing else counts."""

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from clearing.base import secp256k1
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.ids import NetworkId
from clearing.schema.requests.trades import Trade

SECRET = b"\x01" * 32
NETWORK = NetworkId(b"\x2a" * 32)


def test_a_wallet_signing_the_typed_data_gives_our_signature() -> None:
    trade = Trade(1, 2, 3, 4, 5, 6, 7, 8, bytes(65), bytes(65))
    message = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "salt", "type": "bytes32"},
            ],
            "Trade": [
                {"name": name, "type": kind}
                for kind, name in (
                    ("uint64", "venue"),
                    ("uint64", "venueTradeId"),
                    ("uint64", "buyer"),
                    ("uint64", "seller"),
                    ("uint32", "instrument"),
                    ("uint64", "lots"),
                    ("uint64", "ticks"),
                    ("uint64", "notAfterMs"),
                )
            ],
        },
        "primaryType": "Trade",
        "domain": {"name": "crossclear", "version": "1", "salt": NETWORK},
        "message": {
            "venue": 1,
            "venueTradeId": 2,
            "buyer": 3,
            "seller": 4,
            "instrument": 5,
            "lots": 6,
            "ticks": 7,
            "notAfterMs": 8,
        },
    }
    wallet = Account.sign_message(encode_typed_data(full_message=message), SECRET)
    assert bytes(wallet.signature) == secp256k1.sign_digest(SECRET, trade.digest(NETWORK))
    assert secp256k1.recover(trade.digest(NETWORK), bytes(wallet.signature)) == secp256k1.address(SECRET)
    assert secp256k1.address(SECRET) == bytes.fromhex(Account.from_key(SECRET).address[2:])


def test_the_mirrored_signature_is_refused() -> None:
    digest = bytes(range(32))
    good = secp256k1.sign_digest(SECRET, digest)
    mirrored = (
        good[:32] + (secp256k1.ORDER - int.from_bytes(good[32:64], "big")).to_bytes(32, "big") + bytes((55 - good[64],))
    )
    with pytest.raises(RemoteFault) as caught:
        secp256k1.recover(digest, mirrored)
    assert caught.value.code is BaseCode.BAD_SIGNATURE


@given(st.binary(min_size=0, max_size=70))
def test_arbitrary_bytes_recover_no_known_signer(signature: bytes) -> None:
    try:
        assert secp256k1.recover(bytes(32), signature) != secp256k1.address(SECRET)
    except RemoteFault as fault:
        assert fault.code is BaseCode.BAD_SIGNATURE

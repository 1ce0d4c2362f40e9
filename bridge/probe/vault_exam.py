"""Examine which certificates a chain's vault takes: its verifier, by code, against the profile of the chain.

Rule: an endpoint is believed in nothing else, either; one that answers is enough, because what it says decides nothing.
"""

from collections.abc import Sequence

from bridge.contracts import load_artifact
from bridge.contracts.schemes import CertificateScheme
from bridge.contracts.vault import VERIFIER
from bridge.evm.hexadecimal import hex_data, malformed, read_data
from bridge.probe.findings import Examined, Finding, fault, ok
from bridge.rpc.block_receipts import Source
from bridge.rpc.endpoint import RpcCall, accepted, view_call
from clearing.base.errors import RemoteFault

_CERTIFICATES = {
    CertificateScheme.BLS: "consensus certificates (BLS12-381)",
    CertificateScheme.ECDSA: "secp256k1 signatures of the validators",
}
_CHECK = "verifier"


async def examine_vault(sources: Sequence[Source], at: bytes, scheme: CertificateScheme) -> Examined:
    """The finding on the vault at an address, which should take certificates of `scheme`."""
    faults = []
    for source in sources:
        try:
            return Examined(f"vault {hex_data(at)}", (await _verifier(source, at, scheme),))
        except RemoteFault as found:
            faults.append(str(found))
    unread = fault(_CHECK, "; ".join(faults), "Nobody says what the vault is: check the endpoints, and genesis.")
    return Examined(f"vault {hex_data(at)}", (unread,))


async def _verifier(source: Source, at: bytes, scheme: CertificateScheme) -> Finding:
    (answer,) = await source.batch((view_call(at, VERIFIER),))
    word = read_data(accepted(answer, "eth_call"), "verifier")
    if len(word) != 32 or any(word[:12]):
        raise malformed("verifier", word.hex())
    (answer,) = await source.batch((RpcCall("eth_getCode", (hex_data(word[12:]), "latest")),))
    code = read_data(accepted(answer, "eth_getCode"), "eth_getCode")
    taken = next((each for each in CertificateScheme if load_artifact(each.verifier).is_code(code)), None)
    if taken is None:
        shown = f"the verifier {hex_data(word[12:])} has other code than the committed ones"
        return fault(_CHECK, shown, "Do not use the vault: compare it with `crossclear vault verify`.")
    shown = f"the vault takes {_CERTIFICATES[taken]}: {taken.verifier} at {hex_data(word[12:])}"
    if taken is scheme:
        return ok(_CHECK, shown)
    return fault(
        _CHECK, shown, f"The profile says {scheme.verifier}. Name the profile by which the vault was deployed."
    )

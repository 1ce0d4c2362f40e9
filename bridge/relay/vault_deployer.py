"""Creates a vault's contracts through one endpoint of its chain.

Rule: everything that a vault is bound to for ever is checked, and its constructor is run without a transaction, before
anything is sent. What stands already is not created again, except the vault, which nobody deploys twice by mistake.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.codes import BridgeCode
from bridge.contracts import load_artifact
from bridge.contracts.creation import FACTORY, FACTORY_CODE, Creation, vault_creations
from bridge.contracts.deploy import VaultTerms
from bridge.contracts.errors import error_text
from bridge.contracts.schemes import CertificateScheme
from bridge.evm.hexadecimal import hex_data, read_data, read_quantity
from bridge.relay.transactions import Mined, Sender
from bridge.rpc.endpoint import Endpoint, Refusal, RpcCall, accepted
from bridge.rpc.precompiles import G1_ADD, has_eip2537
from clearing.base.errors import Detail, RemoteFault
from clearing.base.validators import check_validator_set


@dataclass(frozen=True, slots=True)
class PlannedContract:
    """A contract, and the gas that its transaction takes by the endpoint's estimate; 0: it stands already."""

    creation: Creation
    gas: int


class VaultDeployer:
    """One vault, through one endpoint."""

    def __init__(self, endpoint: Endpoint, terms: VaultTerms, salt: int = 0) -> None:
        check_validator_set(terms.validators)
        self._endpoint = endpoint
        self._terms = terms
        self._creations = vault_creations(terms, salt)

    async def plan(self, payer: bytes) -> tuple[PlannedContract, ...]:
        """Check the chain and the terms, and estimate the gas. Sends nothing.

        Raises RemoteFault NO_CREATE2_FACTORY, NO_EIP2537,
        TOKEN_WITHOUT_CODE, VAULT_EXISTS, TERMS_REFUSED, WRONG_CODE, or an endpoint's fault.
        """
        await self._check_chain()
        planned, made = [], dict[bytes, bytes]()
        for creation in self._creations:
            (found,) = await self._codes(creation.address)
            if found and creation is self._creations[-1]:
                raise RemoteFault(BridgeCode.VAULT_EXISTS, "deploy", vault=creation.address)
            if found:
                _check_code(creation, found)
                planned.append(PlannedContract(creation, 0))
                continue
            made[creation.address] = await self._simulate(creation, payer, made)
            # The contract itself must not be there when its creation is estimated.
            others = {at: code for at, code in made.items() if at != creation.address}
            planned.append(PlannedContract(creation, await self._estimate(creation, payer, others)))
        return tuple(planned)

    async def create(self, sender: Sender, planned: PlannedContract) -> Mined | None:
        """Create a contract and check what is there then; None when it stood already. Raises RemoteFault."""
        creation, mined = planned.creation, None
        if planned.gas:
            mined = await sender.send(FACTORY, creation.call)
        (found,) = await self._codes(creation.address)
        _check_code(creation, found)
        return mined

    async def _check_chain(self) -> None:
        tokens = [asset.token for asset in self._terms.assets]
        factory, *codes = await self._codes(FACTORY, *tokens)
        if factory != FACTORY_CODE:
            raise RemoteFault(BridgeCode.NO_CREATE2_FACTORY, "deploy", factory=FACTORY)
        for token, code in zip(tokens, codes, strict=True):
            if not code:
                raise RemoteFault(BridgeCode.TOKEN_WITHOUT_CODE, "deploy", token=token)
        if self._terms.scheme is CertificateScheme.BLS and not await has_eip2537(self._endpoint):
            raise RemoteFault(BridgeCode.NO_EIP2537, "deploy", precompile=G1_ADD)

    async def _simulate(self, creation: Creation, payer: bytes, made: Mapping[bytes, bytes]) -> bytes:
        """The code that would stand there, where what was simulated before stands. The factory would hide the error."""
        call = {"from": hex_data(payer), "data": hex_data(creation.code)}
        (answer,) = await self._endpoint.batch((RpcCall("eth_call", (call, "latest", *_overrides(made))),))
        if isinstance(answer, Refusal) and answer.is_revert:
            raise RemoteFault(BridgeCode.TERMS_REFUSED, creation.name, **_error_of(creation.name, answer))
        code = read_data(accepted(answer, "eth_call"), "eth_call")
        _check_code(creation, code)
        return code

    async def _estimate(self, creation: Creation, payer: bytes, made: Mapping[bytes, bytes]) -> int:
        call = {"from": hex_data(payer), "to": hex_data(FACTORY), "data": hex_data(creation.call)}
        (answer,) = await self._endpoint.batch((RpcCall("eth_estimateGas", (call, "latest", *_overrides(made))),))
        return read_quantity(accepted(answer, "eth_estimateGas"), "eth_estimateGas")

    async def _codes(self, *addresses: bytes) -> Sequence[bytes]:
        calls = [RpcCall("eth_getCode", (hex_data(address), "latest")) for address in addresses]
        answers = await self._endpoint.batch(calls)
        return [read_data(accepted(answer, "eth_getCode"), "eth_getCode") for answer in answers]


def _overrides(made: Mapping[bytes, bytes]) -> tuple[object, ...]:
    """The parameter with which an endpoint takes code to be at addresses; left out where it is not needed."""
    return ({hex_data(at): {"code": hex_data(code)} for at, code in made.items()},) if made else ()


def _check_code(creation: Creation, found: bytes) -> None:
    if not load_artifact(creation.name).is_code(found):
        raise RemoteFault(BridgeCode.WRONG_CODE, creation.name, address=creation.address, bytes=len(found))


def _error_of(name: str, refusal: Refusal) -> dict[str, Detail]:
    """The name and the values of a constructor's error, as far as the artifact knows them."""
    try:
        error = error_text(name, read_data(refusal.data, "revert data"))
    except RemoteFault:
        error = ""
    return {"error": error} if error else {"message": refusal.message}

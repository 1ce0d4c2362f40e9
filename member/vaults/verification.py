"""Compare a deployed vault with the committed artifacts and with what it should be bound to.

Rule: the code is compared first, because what a contract says of itself is only as true as its code. Code alone does
not show what the constructor left in storage: a receipt does, whose terms lead to the address again. Each check names
what was found; one endpoint is believed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bridge.contracts import load_artifact
from bridge.contracts.creation import vault_creations
from bridge.contracts.deploy import VaultAsset, VaultTerms
from bridge.contracts.schemes import CertificateScheme
from bridge.relay.vault_reader import TrustedSet, VaultBindings, VaultReader
from bridge.rpc.chain_profiles import profile_of
from bridge.rpc.endpoint import Endpoint
from clearing.schema.terms.genesis import Genesis, network_id
from member.api.types import Body, Id, hexed
from member.vaults.receipt import VaultReceipt, salt_of, terms_of

NOT_STATED = "nothing to compare with"


class VaultCheck(Body, frozen=True):
    """One comparison. `ok` is None where nothing was stated to compare with."""

    name: str
    ok: bool | None
    found: str
    expected: str = ""


class VaultReport(Body, frozen=True):
    """All comparisons of one vault. Those after a wrong code are left out: they would say nothing."""

    ok: bool
    chain_id: Id
    vault: str
    checks: tuple[VaultCheck, ...]


@dataclass(frozen=True, slots=True)
class ExpectedVault:
    """What the caller states. None and empty: not stated."""

    chain_id: int | None = None
    vault: bytes | None = None
    network: bytes | None = None
    validators_hash: bytes | None = None
    guardian: bytes | None = None
    assets: tuple[VaultAsset, ...] = ()
    """A minimum of 0: any."""
    terms: VaultTerms | None = None
    salt: int = 0


def expected_by_receipt(receipt: VaultReceipt) -> ExpectedVault:
    """What a receipt states. Raises RemoteFault BAD_VAULT_RECEIPT, BAD_POINT."""
    terms = terms_of(receipt)
    return ExpectedVault(
        chain_id=receipt.chain_id,
        vault=bytes.fromhex(receipt.vault.address[2:]),
        network=terms.network,
        validators_hash=terms.validators.hash,
        guardian=terms.guardian,
        assets=terms.assets,
        terms=terms,
        salt=salt_of(receipt),
    )


def expected_by_genesis(genesis: Genesis, chain_id: int) -> ExpectedVault:
    """What genesis states of the chain; of a chain that it does not list, network and set only."""
    vault = next((chain.vault for chain in genesis.chains if chain.chain_id == chain_id), None)
    assets = [asset for asset in genesis.assets if asset.chain_id == chain_id]
    return ExpectedVault(
        vault=vault,
        network=network_id(genesis),
        validators_hash=genesis.validators.hash,
        assets=tuple(VaultAsset(asset.token, asset.base_units) for asset in assets),
    )


async def verify_at(
    rpc: str, at: bytes, stated: ExpectedVault, genesis: Genesis | None, receipt: VaultReceipt | None, profile: str = ""
) -> VaultReport:
    """Compare the vault at an address, through an endpoint of its chain, with all that is stated.

    What is stated by itself is newer than genesis and receipt, and takes the place of what they state.
    `profile`: of the chain, by default the one that names its chain id; the vault takes its certificates.
    Raises RemoteFault for an endpoint's faults, BAD_VAULT_RECEIPT; LocalFault WRONG_PROFILE.
    """
    async with Endpoint(rpc) as endpoint:
        origins = [expected_by_receipt(receipt)] if receipt is not None else []
        if genesis is not None:
            origins.append(expected_by_genesis(genesis, await endpoint.chain_id()))
        newer = [
            replace(
                each,
                validators_hash=None if stated.validators_hash else each.validators_hash,
                guardian=None if stated.guardian else each.guardian,
            )
            for each in origins
        ]
        scheme = profile_of(await endpoint.chain_id(), profile).scheme
        return await verify_vault(endpoint, at, [stated, *newer], scheme)


async def verify_vault(
    endpoint: Endpoint, at: bytes, expected: Sequence[ExpectedVault], scheme: CertificateScheme = CertificateScheme.BLS
) -> VaultReport:
    """Compare the vault with each of `expected`. Raises RemoteFault for an endpoint's faults."""
    reader, chain_id = VaultReader(endpoint, at), await endpoint.chain_id()
    checks = [_code("Vault", await reader.code(at))]
    if checks[0].ok:
        bindings = await reader.bindings()
        checks.append(_code("VaultExtension", await reader.code(bindings.extension)))
        checks.append(_code(scheme.verifier, await reader.code(bindings.verifier)))
        if all(check.ok for check in checks):
            same = await reader.shares_settings(bindings.extension)
            found = "those of the vault" if same else "others than the vault's"
            checks.append(VaultCheck(name="the extension's settings", ok=same, found=found))
            checks += _compared(chain_id, at, bindings, await reader.trusted_set(), expected)
            for each in expected:
                checks += [await _asset(reader, asset) for asset in each.assets]
    ok = all(check.ok is not False for check in checks)
    return VaultReport(ok=ok, chain_id=chain_id, vault=hexed(at), checks=tuple(_unique(checks)))


def _code(name: str, found: bytes) -> VaultCheck:
    """The code against the artifact, with what the constructor fills in left out."""
    artifact = load_artifact(name)
    ok = artifact.is_code(found)
    shown = f"{len(found)} bytes" if found else "no code"
    wanted = f"{artifact.code_bytes} bytes of artifact {artifact.hash.hex()}"
    return VaultCheck(name=f"code of {name}", ok=ok, found=wanted if ok else shown, expected=wanted)


def _compared(
    chain_id: int, at: bytes, found: VaultBindings, trusted: TrustedSet, expected: Sequence[ExpectedVault]
) -> Iterator[VaultCheck]:
    yield _equal("chain", str(chain_id), [str(each.chain_id) for each in expected if each.chain_id is not None])
    yield _equal("address", hexed(at), [hexed(each.vault) for each in expected if each.vault is not None])
    yield _equal("network", hexed(found.network), [hexed(each.network) for each in expected if each.network])
    hashes = [hexed(each.validators_hash) for each in expected if each.validators_hash]
    yield _equal("trusted set", hexed(trusted.hash), hashes)
    installed = trusted.keys_hash in (b"", trusted.hash)
    keys = hexed(trusted.keys_hash) if trusted.keys_hash else "not installed yet: `crossclear vault rotate`"
    yield VaultCheck(name="keys of the set", ok=installed, found=keys, expected=hexed(trusted.hash))
    yield _equal("guardian", hexed(found.guardian), [hexed(each.guardian) for each in expected if each.guardian])
    terms = [each.terms for each in expected if each.terms is not None]
    yield _equal("trusting period", f"{found.trusting_s} s", [f"{each.trusting_s} s" for each in terms])
    yield _equal("pause period", f"{found.pause_s} s", [f"{each.pause_s} s" for each in terms])
    wrapped = [hexed(each.wrapped_native or bytes(20)) for each in terms]
    yield _equal("wrapped native coin", hexed(found.wrapped_native), wrapped)
    made = [hexed(vault_creations(each.terms, each.salt)[-1].address) for each in expected if each.terms is not None]
    yield _equal("address that the terms lead to", hexed(at), made)


async def _asset(reader: VaultReader, asset: VaultAsset) -> VaultCheck:
    listed = await reader.listing(asset.token)
    found = f"unit {listed.unit}, minimum {listed.minimum}" if listed.unit else "not listed"
    ok = listed.unit == asset.unit and asset.minimum in (0, listed.minimum)
    expected = f"unit {asset.unit}" + (f", minimum {asset.minimum}" if asset.minimum else "")
    return VaultCheck(name=f"token {hexed(asset.token)}", ok=ok, found=found, expected=expected)


def _equal(name: str, found: str, expected: Sequence[str]) -> VaultCheck:
    """Whether all that state it state what was found."""
    if not expected:
        return VaultCheck(name=name, ok=None, found=found, expected=NOT_STATED)
    wrong = next((each for each in expected if each != found), None)
    return VaultCheck(name=name, ok=wrong is None, found=found, expected=expected[0] if wrong is None else wrong)


def _unique(checks: Sequence[VaultCheck]) -> list[VaultCheck]:
    return list(dict.fromkeys(checks))

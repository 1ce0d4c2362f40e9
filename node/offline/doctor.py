"""`crossclear doctor`: the endpoints in a node's settings, examined, and which certificates the vaults take.

Rule: settings are all it needs; vaults are examined where genesis is at hand. The node may run, and nothing is written.
Endpoints are named by host and port: their addresses may contain secrets.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import msgspec

from bridge.probe.chain_exam import examine_chain
from bridge.probe.endpoint_exam import Needs
from bridge.probe.findings import Examined, Gravity, worst
from bridge.probe.vault_exam import examine_vault
from bridge.rpc.chain_profiles import profile_of
from bridge.rpc.endpoint import Endpoint
from clearing.base.errors import LocalFault
from member.codes import NodeCode
from node.config import ChainConfig, NodeConfig
from node.genesis_file import read_genesis


@dataclass(frozen=True, slots=True)
class ExaminedChain:
    """One `[[chains]]`: findings on each endpoint, on all of them together, and on the vault that genesis lists."""

    chain_id: int
    name: str
    profile: str
    examined: tuple[Examined, ...]

    @property
    def gravity(self) -> Gravity:
        """Of the gravest finding."""
        return worst(self.examined)


async def examine_chains(config: NodeConfig, now: Callable[[], float], name: str = "") -> tuple[ExaminedChain, ...]:
    """Examine every chain in the settings, or the one of that name. `now`: seconds since 1970 by the own clock.

    Raises LocalFault CONFIG_VALUE where the settings name no such chain, and as `read_genesis`.
    """
    wanted = [chain for chain in config.chains if name in ("", chain.name)]
    if name and not wanted:
        raise LocalFault(
            NodeCode.CONFIG_VALUE, "chains", name=name, known=", ".join(chain.name for chain in config.chains)
        )
    path = config.path(config.node.genesis)
    listed = read_genesis(path).chains if path.exists() else ()
    vaults = {terms.chain_id: terms.vault for terms in listed}
    return tuple([await _examine(chain, vaults.get(chain.chain_id), now) for chain in wanted])


async def _examine(chain: ChainConfig, vault: bytes | None, now: Callable[[], float]) -> ExaminedChain:
    profile = profile_of(chain.chain_id, chain.profile)
    policy = profile.finality(chain.quorum, chain.confirmations)
    needs = Needs(chain.chain_id, profile, policy.depth, chain.logs_span)
    async with AsyncExitStack() as stack:
        endpoints = [
            await stack.enter_async_context(Endpoint(url, timeout_seconds=chain.timeout_ms / 1000))
            for url in chain.endpoints
        ]
        examined = await examine_chain(endpoints, chain.quorum, needs, now)
        if vault is not None:
            examined = (*examined, await examine_vault(endpoints, vault, profile.scheme))
    return ExaminedChain(chain.chain_id, chain.name, profile.name, examined)


def as_json(chains: tuple[ExaminedChain, ...]) -> list[dict[str, object]]:
    """The same as plain values: gravity by name."""
    return [
        {
            "chain_id": chain.chain_id,
            "name": chain.name,
            "profile": chain.profile,
            "gravity": chain.gravity.name.lower(),
            "endpoints": [
                {
                    "endpoint": each.name,
                    "findings": [
                        {**msgspec.to_builtins(finding), "gravity": finding.gravity.name.lower()}
                        for finding in each.findings
                    ],
                }
                for each in chain.examined
            ],
        }
        for chain in chains
    ]


def as_text(chains: tuple[ExaminedChain, ...]) -> str:
    """One line a check; what to do under each that is not ok."""
    lines = []
    for chain in chains:
        lines.append(f"chain {chain.chain_id} {chain.name}, profile {chain.profile}")
        for each in chain.examined:
            lines.append(f"  {each.name}")
            for finding in each.findings:
                lines.append(f"    {finding.gravity.name.lower():8}{finding.check}: {finding.found}")
                lines += [f"            {finding.advice}"] if finding.advice else []
    gravest = max((chain.gravity for chain in chains), default=Gravity.OK)
    return "\n".join([*lines, f"worst: {gravest.name.lower()}" if chains else "the settings name no chain"])

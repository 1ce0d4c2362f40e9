"""`crossclear doctor`: a node's machine, settings, peers and endpoints, and which certificates the vaults take.

Rule: the chains need no more than settings; vaults are examined where genesis is at hand. The node may run.
Endpoints are named by host and port: their addresses may contain secrets.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import msgspec

from bridge.probe.chain_exam import examine_chain
from bridge.probe.endpoint_exam import Needs
from bridge.probe.findings import Examined, Finding, Gravity, fault, ok, warning, worst
from bridge.probe.vault_exam import examine_vault
from bridge.rpc.chain_profiles import profile_of
from bridge.rpc.endpoint import Endpoint
from clearing.base.errors import LocalFault
from member.codes import NodeCode
from node.config import ChainConfig, NodeConfig
from node.genesis_file import read_genesis
from node.offline.clock_exam import examine_clocks
from node.offline.config_checks import config_mistakes, config_warnings, own_key
from node.offline.machine_exam import judge_machine, read_machine
from node.offline.peer_exam import examine_peers
from node.offline.terms_in_force import genesis_in_force


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
    listed = genesis_in_force(config, read_genesis(path)).chains if path.exists() else ()
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


@dataclass(frozen=True, slots=True)
class Examination:
    """What the doctor looked at; empty where it was not asked to."""

    node: tuple[Examined, ...] = ()
    """This machine, the settings, the peers, the clocks."""
    chains: tuple[ExaminedChain, ...] = ()

    @property
    def gravity(self) -> Gravity:
        """Of the gravest finding."""
        return max((worst(self.node), *(chain.gravity for chain in self.chains)))


async def examine_node(config: NodeConfig) -> tuple[Examined, ...]:
    """This machine, the settings beside their files, the peers, and the clocks of all validators.

    Raises OSError for a home that can't be written.
    """
    return (
        judge_machine(read_machine(config.home)),
        _examine_settings(config),
        await examine_peers(config),
        examine_clocks(config, own_key(config)),
    )


def _examine_settings(config: NodeConfig) -> Examined:
    mistakes = config_mistakes(config)
    findings = [fault(each.at, str(each), each.code.remedy) for each in mistakes]
    if not mistakes:
        findings = [warning("unwise", each, "See configs/node.toml.") for each in config_warnings(config)]
    return Examined("settings", tuple(findings) or (ok("mistakes", "none"),))


def as_json(examination: Examination) -> dict[str, object]:
    """The same as plain values: gravity by name."""
    chains = [
        {
            "chain_id": chain.chain_id,
            "name": chain.name,
            "profile": chain.profile,
            "gravity": chain.gravity.name.lower(),
            "endpoints": [
                {"endpoint": each.name, "findings": _findings_as_json(each.findings)} for each in chain.examined
            ],
        }
        for chain in examination.chains
    ]
    node = {each.name: _findings_as_json(each.findings) for each in examination.node}
    return {"gravity": examination.gravity.name.lower(), "node": node, "chains": chains}


def _findings_as_json(findings: tuple[Finding, ...]) -> list[dict[str, object]]:
    return [{**msgspec.to_builtins(finding), "gravity": finding.gravity.name.lower()} for finding in findings]


def as_text(examination: Examination) -> str:
    """One line a check; what to do under each that is not ok."""
    lines = []
    for each in examination.node:
        lines += [each.name, *_finding_lines(each.findings, "  ")]
    for chain in examination.chains:
        lines.append(f"chain {chain.chain_id} {chain.name}, profile {chain.profile}")
        for each in chain.examined:
            lines += [f"  {each.name}", *_finding_lines(each.findings, "    ")]
    return "\n".join([*lines, f"worst: {examination.gravity.name.lower()}"])


def _finding_lines(findings: tuple[Finding, ...], indent: str) -> list[str]:
    lines = []
    for finding in findings:
        lines.append(f"{indent}{finding.gravity.name.lower():8}{finding.check}: {finding.found}")
        lines += [f"{indent}        {finding.advice}"] if finding.advice else []
    return lines

"""Members get tokens, approve the vault and deposit, on real chains.

Rule: what is deposited where is a table; the house's capital first, or nobody could be liquidated into it.
"""

from dataclasses import dataclass

import trio
from eth_abi.abi import encode as abi_encode

from bridge.vault import approve_call, selector
from node.devnet.members import DevnetMember
from node.devnet.network import Devnet

MINT = selector("mint(address,uint256)")
DEPOSIT = selector("deposit(address,uint256,uint64)")
USDC = 10**6
WETH = 10**18


@dataclass(frozen=True, slots=True)
class Funding:
    """One deposit: who, on which chain (by position), which token, how many base units."""

    member: DevnetMember
    chain: int
    symbol: str
    amount: int


def fundings(devnet: Devnet) -> tuple[Funding, ...]:
    """Who deposits what. erin brings little; frank deposits on the first chain only, and will be paid on the second."""
    house, *members = devnet.members
    planned = [Funding(house, chain, "USDC", devnet.market.house.capital_micros) for chain in range(len(devnet.chains))]
    for member in members:
        if member.name == "erin":
            planned.append(Funding(member, 0, "USDC", 17_000 * USDC))
        elif member.name == "frank":
            planned += [Funding(member, 0, "USDC", 250_000 * USDC), Funding(member, 0, "WETH", 50 * WETH)]
        else:
            first, second = member.id % len(devnet.chains), (member.id + 1) % len(devnet.chains)
            planned += [Funding(member, first, "USDC", 200_000 * USDC), Funding(member, second, "WETH", 100 * WETH)]
    return tuple(planned)


async def deposit_all(devnet: Devnet, planned: tuple[Funding, ...]) -> None:
    """Mint, approve and deposit, each member in its own order, all at once. Raises LocalFault for a reverted call."""
    async with trio.open_nursery() as nursery:
        for chain in range(len(devnet.chains)):
            for member in devnet.members:
                mine = [each for each in planned if each.chain == chain and each.member is member]
                if mine:
                    nursery.start_soon(_deposit, devnet, chain, member, mine)


async def _deposit(devnet: Devnet, chain: int, member: DevnetMember, planned: list[Funding]) -> None:
    wallet, deployed = devnet.wallet(chain, member), devnet.chains[chain].deployed
    pending = []
    for each in planned:
        token = deployed.tokens[each.symbol]
        calls = (
            (token, MINT + abi_encode(["address", "uint256"], [member.address, each.amount])),
            (token, approve_call(deployed.vault, each.amount)),
            (deployed.vault, DEPOSIT + abi_encode(["address", "uint256", "uint64"], [token, each.amount, member.id])),
        )
        for to, data in calls:
            pending.append((f"{member.name} {each.symbol}", await wallet.send(to, data)))
    for what, transaction in pending:
        await wallet.mined(transaction, what)

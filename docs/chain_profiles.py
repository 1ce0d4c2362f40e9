"""The reference page of chain profiles, out of `configs/chains`.

Rule: every fact of a profile is on the page beside its source.
"""

from bridge.evm.layouts import HEADERS, RECEIPTS
from bridge.rpc.chain_profiles import ChainProfile, all_profiles

INTRODUCTION = """# Chains

The bridge reads a chain as its profile says: how headers and receipts are hashed, when a block is final, how many
blocks `eth_getLogs` is asked for. A profile is a file in `configs/chains`. The table of a chain in `node.toml` may name
one; else the profile that names the chain id serves it. A name that contradicts the chain id is refused (R0681), and so
is a chain id that no profile names, unless the table says `profile = "evm"` or the node is of a devnet.

A header or receipt that the layout does not explain is refused, and nothing of the chain is credited from there on. See
[how to add a chain](../how-to/add-a-chain.md).

"""
OVERVIEW = "| chain | profile | chain ids | a block every | final after about | EIP-2537 |\n|---|---|---|---|---|---|\n"


def page() -> str:
    """The page."""
    profiles = sorted(all_profiles().values(), key=lambda profile: (not profile.facts.chain_ids, profile.facts.title))
    return INTRODUCTION + OVERVIEW + "".join(map(_row, profiles)) + "\n" + "\n".join(map(_section, profiles))


def _row(profile: ChainProfile) -> str:
    facts = profile.facts
    ids = ", ".join(map(str, facts.chain_ids)) or "any other"
    cells = (
        facts.title,
        f"`{profile.name}`",
        ids,
        _time(facts.blocks.milliseconds),
        _time(1000 * facts.finality.seconds),
    )
    return f"| {' | '.join(cells)} | {'yes' if facts.precompiles.eip2537 else 'no'} |\n"


def _section(profile: ChainProfile) -> str:
    facts = profile.facts
    depth = f", and {facts.finality.depth} blocks under the head" if facts.finality.depth else ""
    rows: tuple[tuple[str, str, str], ...] = (
        ("final", f"tag `{facts.finality.tag}`{depth}. {facts.finality.meaning}", facts.finality.source),
        ("a block every", _time(facts.blocks.milliseconds), facts.blocks.source),
        ("logs", _logs(profile), facts.logs.source),
        (
            "EIP-2537",
            "yes" if facts.precompiles.eip2537 else "no: vaults take secp256k1 signatures",
            facts.precompiles.source,
        ),
        ("header", _header(profile), facts.header.source),
        ("receipts", _receipts(profile), facts.receipts.source),
    )
    if facts.beacon_chains:
        served = ", ".join(str(beacon.chain_id) for beacon in facts.beacon_chains)
        rows += (("light client", f"of chain ids {served}", "; ".join(each.source for each in facts.beacon_chains)),)
    table = "".join(f"| {name} | {fact} | {source} |\n" for name, fact, source in rows)
    notes = "".join(f"- {note}\n" for note in facts.notes)
    return f"## {facts.title}\n\n| | | source |\n|---|---|---|\n{table}" + (f"\n{notes}" if notes else "")


def _logs(profile: ChainProfile) -> str:
    logs = profile.facts.logs
    blooms = "headers have true blooms" if logs.blooms else "blooms are not used"
    return f"{logs.range:,} blocks at once, at most {logs.range_max:,}; {blooms}"


def _header(profile: ChainProfile) -> str:
    facts = profile.facts.header
    names = ", ".join(f"`{name}`" for name, _ in HEADERS[facts.layout])
    return f"after `nonce`: {names}; `extraData` of at most {facts.extra_data_max:,} bytes"


def _receipts(profile: ChainProfile) -> str:
    kinds = RECEIPTS[profile.facts.receipts.layout].kinds
    named = (
        f"0x{kind:02x}" + (f" (and {', '.join(f'`{name}`' for name in more)})" if more else "")
        for kind, more in kinds.items()
    )
    return "types " + ", ".join(named)


def _time(milliseconds: int) -> str:
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 120_000:
        return f"{milliseconds / 1000:g} s"
    return f"{milliseconds / 60_000:.0f} min"

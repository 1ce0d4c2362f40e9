"""The limits that the specification states: constants of the code by their names, with what they bound."""

import importlib
from typing import Any, NamedTuple

from docs.wire_tables import power_text


class Limit(NamedTuple):
    """One limit."""

    what: str
    name: str
    """Module and constant; an entry of a mapping in brackets."""

    @property
    def text(self) -> str:
        """The value in the code."""
        path, _, key = self.name.rstrip("]").partition("[")
        module, _, constant = path.rpartition(".")
        value: Any = getattr(importlib.import_module(module), constant)
        if key:
            value = value[key]
        if isinstance(value, bytes):
            return f"`{value.hex()}`"
        if isinstance(value, tuple):
            return ", ".join(map(str, value))
        return power_text(value) if value < 2**20 or value & (value - 1) else f"2^{value.bit_length() - 1}"


LIMITS = (
    Limit("bytes of a package", "proofs.epoch.package.PACKAGE_BYTES_MAX"),
    Limit("bytes of the part `header`", "proofs.epoch.package.PART_BYTES_MAX[header]"),
    Limit("bytes of the part `certificate`", "proofs.epoch.package.PART_BYTES_MAX[certificate]"),
    Limit("bytes of the part `validators`", "proofs.epoch.package.PART_BYTES_MAX[validators]"),
    Limit("bytes of the part `statement`", "proofs.epoch.package.PART_BYTES_MAX[statement]"),
    Limit("bytes of the part `custody`", "proofs.epoch.package.PART_BYTES_MAX[custody]"),
    Limit("blocks with storage proofs", "proofs.epoch.package.CUSTODY_BLOCKS_MAX"),
    Limit("module roots of a header", "clearing.base.header.MODULES_MAX"),
    Limit("deposit cursors of a header", "clearing.base.header.CHAINS_MAX"),
    Limit("validators of a set", "clearing.base.validators.VALIDATORS_MAX"),
    Limit("bytes of a rulebook", "clearing.margin.statement.snapshot.RULES_BYTES_MAX"),
    Limit("bytes of a name in a rulebook", "clearing.margin.statement.rulebook.NAME_BYTES_MAX"),
    Limit("version of the rulebook's function", "clearing.margin.statement.rulebook.VERSION"),
    Limit("custody terms", "clearing.margin.statement.snapshot.CUSTODY_TERMS_MAX"),
    Limit("scenarios of a grid", "clearing.schema.risk.parameters.SCENARIOS_MAX"),
    Limit("stress scenarios", "clearing.schema.risk.parameters.STRESS_MAX"),
    Limit("joint scenarios", "clearing.schema.risk.parameters.JOINT_SCENARIOS_MAX"),
    Limit("sum of the counts of joint scenarios", "clearing.schema.risk.parameters.JOINT_COUNT_MAX"),
    Limit("moves of history", "clearing.schema.risk.history.HISTORY_MAX"),
    Limit("sum of the counts of moves of history", "clearing.schema.risk.history.HISTORY_COUNT_MAX"),
    Limit("sizes of a charge", "clearing.schema.risk.charges.CHARGE_SIZES_MAX"),
    Limit("pillars of a surface", "clearing.schema.risk.volatility_surface.PILLARS_MAX"),
    Limit("ticks of an index or strike", "clearing.schema.terms.instruments.INDEX_TICKS_MAX"),
    Limit("ticks of a mark", "clearing.margin.statement.rulebook.MARK_TICKS_MAX"),
    Limit("micros a tick", "clearing.schema.terms.instruments.MICROS_PER_TICK_MAX"),
    Limit(
        "absolute value of a coefficient of the rulebook",
        "clearing.margin.risk_arrays.reference_arrays.COEFFICIENT_MAX",
    ),
    Limit("absolute value of a constant of the rulebook", "clearing.margin.statement.rows.CONSTANT_MAX"),
    Limit("order n of the domain of a network", "proofs.statement.arithmetization.DOMAIN"),
    Limit("largest n", "proofs.algebra.domain.SIZE_MAX"),
    Limit("entries of the table", "proofs.algebra.domain.TABLE_SIZE"),
    Limit("widths of slots and rows", "proofs.linear.layout.WIDTHS"),
    Limit("absolute value of a coefficient of a layout, below", "proofs.linear.layout.COEFFICIENT_MAX"),
    Limit("absolute value of a constant of a layout, below", "proofs.linear.layout.CONSTANT_MAX"),
    Limit("listed shortfall, below", "proofs.linear.layout.SHORTFALL_MAX"),
    Limit("columns of a layout", "proofs.linear.layout.COLUMNS_MAX"),
    Limit("bytes of a proof without its accounts", "proofs.linear.messages.TAIL_BYTES"),
    Limit("bytes of the link of the default fund", "proofs.cover.verifier.LINK_BYTES"),
    Limit("bytes of an EVM block header", "clearing.base.evm.evidence.HEADER_BYTES_MAX"),
    Limit("bytes of a trie node", "clearing.base.evm.evidence.NODE_BYTES_MAX"),
    Limit("trie nodes of a block", "clearing.base.evm.evidence.NODES_MAX"),
    Limit("nested lists of RLP", "clearing.base.evm.rlp_coding.DEPTH_MAX"),
    Limit("storage slot of the vault's mapping `deposited`", "clearing.base.evm.storage.VAULT_DEPOSITED"),
    Limit("storage slot of the vault's mapping `withdrawn`", "clearing.base.evm.storage.VAULT_WITHDRAWN"),
    Limit("depth of a Merkle tree", "clearing.base.merkle.DEPTH_MAX"),
    Limit("accounts on chain", "proofs.onchain.keys.ACCOUNTS_MAX"),
    Limit("bytes of a `.cco` file", "proofs.onchain.file.FILE_BYTES_MAX"),
    Limit("bytes of a `.cca` file", "proofs.onchain.file.ACCOUNT_BYTES_MAX"),
    Limit("shares in a `.cco` file", "proofs.onchain.file.SHARES_MAX"),
    Limit("bytes of a signed inclusion answer", "proofs.verify.signed_inclusion.ANSWER_BYTES_MAX"),
    Limit("largest bytes of a standalone proof", "proofs.verify.standalone.STANDALONE_BYTES_MAX"),
)

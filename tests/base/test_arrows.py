"""The arrows that import-linter cannot say in one contract."""

from functools import cache

import grimp


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("clearing", "consensus", "proofs", "bridge", "node", include_external_packages=True)


def test_of_clearing_consensus_imports_only_the_base() -> None:
    wrong = {
        (module, imported)
        for module in graph().modules
        if module.split(".")[0] == "consensus"
        for imported in graph().find_modules_directly_imported_by(module)
        if imported.split(".")[0] == "clearing" and not (imported + ".").startswith("clearing.base.")
    }
    assert not wrong


def test_proofs_read_positions_only_from_the_risk_snapshot() -> None:
    """Besides it they know the definition of the rules, to compute public rows again, but nothing that has a state."""
    rules = ("clearing.margin.", "clearing.schema.risk.", "clearing.schema.terms.", "clearing.genesis.custody_listing.")
    allowed = ("clearing.base.", *rules)
    wrong = {
        (module, imported)
        for module in graph().modules
        if module.split(".")[0] == "proofs"
        for imported in graph().find_modules_directly_imported_by(module)
        if imported.split(".")[0] == "clearing" and not (imported + ".").startswith(allowed)
    }
    assert not wrong
    assert not graph().chain_exists(importer="proofs", imported="clearing.state", as_packages=True)


def test_bridge_emits_facts_and_knows_nothing_else_of_clearing() -> None:
    allowed = ("clearing.base.", "clearing.schema.facts.")
    wrong = {
        (module, imported)
        for module in graph().modules
        if module.split(".")[0] == "bridge"
        for imported in graph().find_modules_directly_imported_by(module)
        if imported.split(".")[0] == "clearing" and not (imported + ".").startswith(allowed)
    }
    assert not wrong

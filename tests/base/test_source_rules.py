"""What modules state: no circle of imports leads back, arrows point where they may, no key stands twice.

Every import counts, wherever it stands: in a function, or under `TYPE_CHECKING`.
"""

import ast
from collections import Counter
from collections.abc import Mapping
from functools import cache

import grimp
import pytest

from tests.kit.sources import PRODUCT, ROOT, imported, sources

FACADES = {"proofs": "it names the library's functions and imports each when it is first used"}
"""`__init__` modules whose imports do not count, and why."""

Folders = dict[str, set[str]]
"""For each folder, by its dotted name, the folders that its modules import."""


def product() -> dict[str, str]:
    """The source of every module of the product by its dotted name, a package's as `name.__init__`."""
    return {name.removesuffix(".py").replace("/", "."): source for name, source in sources().items()}


def folder_graph(sources: Mapping[str, str]) -> Folders:
    """Folders and what they import, without what they import from themselves."""
    graph: Folders = {module.rpartition(".")[0]: set() for module in sources}
    for module, source in sources.items():
        folder, _, name = module.rpartition(".")
        if name == "__init__" and folder in FACADES:
            continue
        targets = {folder_of(target, sources, graph) for target in imported(source)}
        graph[folder] |= {target for target in targets if target} - {folder}
    return graph


def folder_of(target: str, sources: Mapping[str, str], folders: Folders) -> str:
    """The folder of an imported module or of a name in one; empty for what is not of the product."""
    while target and target not in sources and target not in folders:
        target = target.rpartition(".")[0]
    return target if target in folders else target.rpartition(".")[0]


def circles(graph: Folders) -> list[tuple[str, ...]]:
    """Groups of folders that reach each other, the pairs among them; empty if the graph has an order."""
    reached = {folder: reachable(folder, graph) for folder in graph}
    groups = {tuple(sorted(other for other in reached[folder] if folder in reached[other])) for folder in graph}
    return sorted(group for group in groups if group)


def reachable(start: str, graph: Folders) -> set[str]:
    """All folders on a way of imports from a folder; the folder itself only if a way leads back."""
    found: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        folder = ahead.pop()
        if folder not in found:
            found.add(folder)
            ahead.extend(graph[folder])
    return found


def test_no_folders_of_the_product_import_each_other() -> None:
    assert len(product()) > 450
    graph = folder_graph(product())
    assert {folder.split(".")[0] for folder in graph} == set(PRODUCT)
    assert circles(graph) == []


def test_each_facade_exists_and_only_names_things() -> None:
    for folder in FACADES:
        source = product()[f"{folder}.__init__"]
        assert "if TYPE_CHECKING:" in source
        assert "import_module(" in source


def test_a_planted_import_back_is_found() -> None:
    modules = product()
    modules["clearing.base.codec"] += "\n\ndef planted():\n    from clearing.state import ledger\n"
    (circle,) = circles(folder_graph(modules))
    assert {"clearing.base", "clearing.state"} <= set(circle)


def test_a_circle_of_three_folders_is_found_under_type_checking_too() -> None:
    sources = {
        "a.one": "from b.two import f",
        "b.two": "if TYPE_CHECKING:\n    import c.three",
        "c.three": "def g():\n    from a import one",
        "d.four": "from a.one import h\nimport json",
    }
    assert folder_graph(sources) == {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert circles(folder_graph(sources)) == [("a", "b", "c")]


@cache
def modules() -> grimp.ImportGraph:
    return grimp.build_graph("clearing", "consensus", "proofs", "bridge", "node", include_external_packages=True)


RULES = ("clearing.margin.", "clearing.schema.risk.", "clearing.schema.terms.", "clearing.genesis.custody_listing.")
"""Their definition, to compute public rows again; nothing that has a state."""


@pytest.mark.parametrize(
    ("package", "allowed"), [("consensus", ()), ("bridge", ("clearing.schema.facts.",)), ("proofs", RULES)]
)
def test_of_clearing_others_import_its_base_and(package: str, allowed: tuple[str, ...]) -> None:
    wrong = {
        (module, target)
        for module in modules().modules
        if module.split(".")[0] == package
        for target in modules().find_modules_directly_imported_by(module)
        if target.split(".")[0] == "clearing" and not (target + ".").startswith(("clearing.base.", *allowed))
    }
    assert not wrong


def test_proofs_read_positions_only_from_the_risk_snapshot() -> None:
    assert not modules().chain_exists(importer="proofs", imported="clearing.state", as_packages=True)


PROGRAMS = ("tests.sim", "tests.testnets", "tests.mutation", "tests.model", "tests.machine", "tests.vectors")
"""They simulate the network, run testnets, try small faults, check models and machine-checked proofs, and verify
vectors by the specification."""
SHARED = ("tests.kit", *PROGRAMS)
ARITHMETIC = "tests.vectors.proofs.runner.ed25519"
"""Of a curve with points of small order; the kit makes keys and signatures of them, which no library does."""


def wrong_imports(source: str) -> list[str]:
    """Imports of tests' modules that may not be."""
    names = [name for name in imported(source) if name.split(".")[0] == "tests"]
    return [name for name in names if not name.startswith(SHARED) or is_test(name)]


def is_test(name: str) -> bool:
    """Whether a dotted name leads into a test module or a conftest."""
    steps = name.split(".")
    files = [ROOT.joinpath(*steps[:count]).with_suffix(".py") for count in range(2, len(steps) + 1)]
    return any(each.is_file() and each.stem.startswith(("test_", "conftest")) for each in files)


def test_no_test_imports_another_test_module() -> None:
    assert len(sources("tests")) > 350
    wrong = {file: wrong_imports(source) for file, source in sources("tests").items()}
    assert {file: names for file, names in wrong.items() if names} == {}


def test_the_kit_imports_no_program_of_tests() -> None:
    names = {name for source in sources("tests/kit").values() for name in imported(source)}
    assert sorted(name for name in names if name.startswith(PROGRAMS) and not name.startswith(ARITHMETIC)) == []


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("from tests.base.test_source_rules import wrong", ["tests.base.test_source_rules.wrong"]),
        ("def f():\n    import tests.conftest", ["tests.conftest"]),
        ("from tests import conftest", ["tests.conftest"]),
        ("from tests.testnets.test_manifests import FOLDER", ["tests.testnets.test_manifests.FOLDER"]),
        ("from tests.kit.ports import free_port\nimport clearing.schema.codes", []),
    ],
)
def test_an_import_of_a_test_module_is_seen(source: str, wrong: list[str]) -> None:
    assert wrong_imports(source) == wrong


def repeated_keys(source: str) -> list[str]:
    """As they are written, those that stand twice in one dictionary: the second would silently replace the first."""
    dictionaries = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Dict)]
    counts = [Counter(ast.unparse(key) for key in each.keys if key is not None) for each in dictionaries]
    return [key for keys in counts for key, count in keys.items() if count > 1]


def test_no_dictionary_of_the_product_states_a_key_twice() -> None:
    repeated = {file: repeated_keys(source) for file, source in sources().items()}
    assert {file: keys for file, keys in repeated.items() if keys} == {}


def test_a_repeated_key_is_seen() -> None:
    assert repeated_keys("{Code.A: 1, Code.B: 2, Code.A: 1}") == ["Code.A"]
    assert repeated_keys("{'a': 1, **{'a': 2}}") == []


TAKES_A_TYPE = {"decode": 1, "Decoder": 0, "convert": 1, "type_info": 0}
"""Functions of msgspec, and the place of the type among their arguments; by keyword it is `type`."""
TYPE_CHECKED_ELSEWHERE = {"clearing/base/known_types.py": "it makes types known, under its lock"}


def unknown_types(source: str) -> list[int]:
    """Lines that name a type to msgspec which is not of `known_type`, at once or by the name `known`."""
    found: list[int] = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        place = TAKES_A_TYPE.get(node.func.attr)
        if place is None or ast.unparse(node.func.value).split(".")[0] != "msgspec":
            continue
        named = [each.value for each in node.keywords if each.arg == "type"] or node.args[place : place + 1]
        found += [each.lineno for each in named if not ast.unparse(each).startswith("known")]
    return found


def test_every_type_that_msgspec_decodes_was_made_known_by_one_thread_at_a_time() -> None:
    wrong = {name: lines for name, source in sources().items() if (lines := unknown_types(source))}
    assert set(wrong) == set(TYPE_CHECKED_ELSEWHERE)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("msgspec.json.decode(b'')", []),
        ("msgspec.json.decode(b'', type=Report)", [1]),
        ("msgspec.json.decode(b'', type=known_type(Report))", []),
        ("\nmsgspec.msgpack.Decoder(Report)", [2]),
        ("msgspec.convert({}, Report, strict=False)", [1]),
        ("msgspec.convert({}, known_type(Report), strict=False)", []),
        ("msgspec.inspect.type_info(Report)", [1]),
        ("known = known_type(Report)\nmsgspec.inspect.type_info(known)", []),
        ("data.decode('utf-8', Report)", []),
    ],
)
def test_a_type_that_is_named_to_msgspec_directly_is_seen(source: str, lines: list[int]) -> None:
    assert unknown_types(source) == lines

"""Manifests: what is written is what is read, what cannot be is refused with its place, and a seed is a network."""

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from tests.testnets.generate import generate
from tests.testnets.ground import ROOT
from tests.testnets.manifest import Deed, dump_manifest, parse_manifest, read_manifest

FOLDER = Path(__file__).parent / "manifests"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_every_manifest_of_the_folder_is_valid_and_named_as_its_file(path: Path) -> None:
    assert read_manifest(path).name == path.stem


def test_the_manifest_that_the_documentation_shows_is_valid() -> None:
    page = (ROOT / "docs" / "explanation" / "testnets.md").read_text()
    (shown,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    manifest = parse_manifest(tomllib.loads(shown))
    documented = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert documented - {"do"} == set(get_args(Deed))
    assert manifest.liars == {"n3"}


@given(st.integers(0, 2**32))
@settings(max_examples=150)
def test_a_generated_manifest_is_valid_repeatable_and_survives_writing(seed: int) -> None:
    manifest = generate(seed, ("equivocator", "nuller"))
    assert manifest == generate(seed, ("equivocator", "nuller"))
    assert parse_manifest(tomllib.loads(dump_manifest(manifest))) == manifest


def test_seeds_reach_every_kind_of_trouble() -> None:
    made = [generate(seed, ("equivocator",)) for seed in range(200)]
    deeds = {event.do for manifest in made for event in manifest.events}
    assert deeds == set(get_args(Deed)) - {"wait"}
    assert {manifest.observers for manifest in made} == {0, 1}
    assert any(manifest.liars for manifest in made)
    assert any(each.join == "snapshot" for manifest in made for each in manifest.nodes)
    assert {manifest.validators for manifest in made} == {4, 5, 7}


WRONG = (
    ('name = "x"\nspeed = 3', "speed"),
    ('name = "X"', "name"),
    ('name = "x"\nvalidators = 0', "validators"),
    ('name = "x"\nconsensus = {hurry = 1}', "hurry"),
    ('name = "x"\nnodes = [{name = "n4"}]', "beyond n3"),
    ('name = "x"\nnodes = [{name = "n1"}, {name = "n1"}]', "two tables"),
    ('name = "x"\nnodes = [{name = "n1", adversary = "nuller"}, {name = "n2", adversary = "nuller"}]', "lie"),
    ('name = "x"\nnodes = [{name = "n1", late = true}]', "never started"),
    ('name = "x"\nnodes = [{name = "n1", late = true}]\nevents = [{do = "kill", nodes = ["n1"]}]', "not started"),
    ('name = "x"\nground = "namespaces"\nlatency_ms = 3', "latency"),
    ('name = "x"\nevents = [{do = "kill"}]', "nodes"),
    ('name = "x"\nevents = [{do = "kill", nodes = ["n7"]}]', "unknown node"),
    ('name = "x"\nevents = [{do = "start", nodes = ["n1"]}]', "that runs"),
    ('name = "x"\nevents = [{do = "partition", nodes = ["n1"]}]', "nodes"),
    ('name = "x"\nevents = [{do = "partition"}]', "groups"),
    ('name = "x"\nevents = [{do = "partition", groups = [["n1"], ["n1", "n2"]]}]', "two groups"),
    ('name = "x"\nevents = [{do = "upgrade", nodes = ["n1"]}]', "to"),
)


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_cannot_be_is_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(text)
    with pytest.raises(LocalFault, match=message):
        read_manifest(path)


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalFault):
        read_manifest(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("name =")
    with pytest.raises(LocalFault):
        read_manifest(tmp_path / "bad.toml")

"""The JSON schemas of run files say what the programs take."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from docs.run_files import KINDS

ROOT = Path(__file__).resolve().parents[2]
REFERENCE, EXAMPLES = ROOT / "docs/reference", ROOT / "configs/examples"
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "number": (int, float)}


def fits(value: Any, schema: dict[str, Any], definitions: dict[str, Any]) -> bool:
    """As much of JSON Schema as ours use. A keyword that is not known here fails the test."""
    known = {"$ref", "description", "default", "type", "properties", "required", "additionalProperties", "items"}
    known |= {"maxItems", "anyOf", "enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum"}
    assert schema.keys() <= known
    if "$ref" in schema:
        return fits(value, definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    if "anyOf" in schema:
        return any(fits(value, each, definitions) for each in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return value in schema.get("enum", [schema.get("const")])
    if schema["type"] == "integer":
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and value >= schema.get("minimum", value) and value <= schema.get("maximum", value)
    if not isinstance(value, TYPES[schema["type"]]) or (schema["type"] == "number" and isinstance(value, bool)):
        return False
    if isinstance(value, str):
        long_enough = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return long_enough and re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, list):
        return len(value) <= schema["maxItems"] and all(fits(each, schema["items"], definitions) for each in value)
    if isinstance(value, dict):
        properties = schema["properties"]
        named = set(schema["required"]) <= value.keys() <= properties.keys() and not schema["additionalProperties"]
        return named and all(fits(each, properties[name], definitions) for name, each in value.items())
    return True


def schema_of(kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    schema = json.loads((REFERENCE / f"{kind}-run.schema.json").read_text())
    return {"$ref": schema["$ref"]}, schema["$defs"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/*.json")), ids=lambda path: path.stem)
def test_every_example_fits_its_schema(path):
    schema, definitions = schema_of(path.parent.name)
    assert fits(json.loads(path.read_text()), schema, definitions)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_schema_refuses_what_the_program_refuses(kind):
    schema, definitions = schema_of(kind)
    file = json.loads(next((EXAMPLES / kind).glob("c*.json")).read_text())
    assert not fits(file | {"prize": 1}, schema, definitions)
    assert not fits(file | {"format": "other"}, schema, definitions)
    assert not fits({name: each for name, each in file.items() if name != "format"}, schema, definitions)


@pytest.mark.parametrize(("kind", "least"), [("margin", 20), ("settle", 20), ("liquidation", 8), ("waterfall", 5)])
def test_every_field_with_a_docstring_is_described(kind, least):
    _, definitions = schema_of(kind)
    described = sum(
        "description" in each for one in definitions.values() for each in one.get("properties", {}).values()
    )
    assert described > least
    assert all(one.get("description") for one in definitions.values())

"""Answers of a node in which every string is an attack on the page, and what of it came through.

Rule: strings are found by what the answers and their schemas have, not by a list of names. Two kinds: where a text may
say anything, and also where the schema wants digits or hexadecimal digits, which a true node never breaks.
"""

import re
from collections.abc import Callable
from typing import Any

from node.http.routes import ROUTES, openapi
from tests.kit.member.driven_page import Step
from tests.kit.node.rewriting import Rewrite

HOSTILE = (
    '"><img src=x onerror="window.owned=1"><script>window.owned=1</script><svg onload="window.owned=1"></svg>'
    '<a href="javascript:window.owned=1">owned</a><iframe srcdoc="<script>parent.owned=1</script>"></iframe>'
    "' onmouseover='window.owned=1' javascript:window.owned=1 {{constructor.constructor('window.owned=1')()}}"
    "${window.owned=1}\u202e\u2066"
)
SHAPED = re.compile(r"-?[0-9]+|(0x)?[0-9a-fA-F]{32,}|0x[0-9a-fA-F]*|[0-9]+:[0-9]+|[0-9]{4}-[0-9]{2}-[0-9]{2}|")
"""Amounts, hashes, bytes, cursors, days."""
_AUDIT = r"""(() => {
  const found = [];
  const own = { href: /^#|^data:,$|^\/page\/page\.css$/, src: /^\/page\/page\.js$/ };
  const LOADS = /^(srcdoc|action|formaction|data|poster|xlink:href|ping|background|style)$/i;
  for (const element of document.querySelectorAll("*")) {
    const tag = element.tagName;
    if (/^(img|iframe|object|embed|base|frame|audio|video|math|style)$/i.test(tag)) found.push(tag);
    if (/^script$/i.test(tag) && !element.hasAttribute("src")) found.push("inline script");
    for (const { name, value } of element.attributes) {
      if (/^on/i.test(name)) found.push(name);
      if (LOADS.test(name) && /owned|javascript:/i.test(value)) found.push(`${name}=${value}`);
      if (name in own && !own[name].test(value)) found.push(`${name}=${value}`);
    }
  }
  if (window.owned !== undefined) found.push("a script ran");
  const whole = document.documentElement.outerHTML;
  if (/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u.test(whole)) found.push("a mark of direction");
  return { found, place: location.pathname + location.hash, frame: document.querySelectorAll("nav a").length };
})()"""
AUDIT: Step = ["evaluate", _AUDIT]
"""What is in the document that only a text could have made, where the tab is, and how many views it offers."""
_COUNT = "document.querySelector('main').textContent.split('<script>window.owned=1</script>').length - 1"
SHOWN: Step = ["evaluate", _COUNT]
"""How often the text stands in the view, as text."""


def every_text(keep: tuple[str, ...] = ()) -> Rewrite:
    """In a node's own answers: each string that has not the shape of a number, a hash or a cursor. `keep`: fields."""

    def planted(value: Any) -> Any:
        if isinstance(value, str):
            return value if SHAPED.fullmatch(value) else HOSTILE
        if isinstance(value, list):
            return [planted(each) for each in value]
        if isinstance(value, dict):
            return {name: each if name in keep else planted(each) for name, each in value.items()}
        return value

    return lambda _path, status, value: (status, planted(value))


def made_answers(*, shaped: bool) -> Rewrite:
    """Instead of a node's answers: what each route's schema allows, with one of everything, and each string hostile.

    `shaped`: also those that must be digits or hexadecimal, but the network, of which signatures are made. Cursors end,
    since a list without an end is another attack.
    """
    described = openapi()
    schemas = described["components"]["schemas"]
    of_routes = [
        (route.method, re.compile(re.sub(r"{\w+}", "[^/]+", route.path)), route)
        for route in ROUTES
        if route.answer is not None and route.media == "application/json"
    ]

    def schema_of(path: str) -> Any:
        for method, pattern, route in of_routes:
            if pattern.fullmatch(path):
                answer = described["paths"][route.path][method.lower()]["responses"][str(route.statuses[0])]
                return answer["content"]["application/json"]["schema"]
        return None

    make = _maker(schemas, shaped=shaped)

    def rewrite(path: str, status: int, value: Any) -> tuple[int, Any]:
        schema = schema_of(path)
        return (status, value) if schema is None else (200, make(schema, ""))

    return rewrite


def _maker(schemas: dict[str, Any], *, shaped: bool) -> Callable[[Any, str], Any]:
    def text(schema: Any, name: str) -> str:
        pattern = schema.get("pattern", "")
        if name == "next":
            return ""
        if (shaped and name != "network") or not pattern:
            return HOSTILE
        digits = re.search(r"\{(\d+)\}", pattern)
        return "0x" + "ab" * (int(digits[1]) // 2 if digits else 4) if "0x" in pattern else "1"

    def make(schema: Any, name: str) -> Any:
        if "$ref" in schema:
            return make(schemas[schema["$ref"].rpartition("/")[2]], name)
        if "anyOf" in schema or "oneOf" in schema:
            choices = schema.get("anyOf") or schema["oneOf"]
            return make(next(each for each in choices if each.get("type") != "null"), name)
        if "const" in schema or "enum" in schema:
            value = schema["const"] if "const" in schema else schema["enum"][0]
            return HOSTILE if shaped and isinstance(value, str) else value
        kind = schema.get("type", "string")
        if kind == "object":
            made = {each: make(inner, each) for each, inner in schema.get("properties", {}).items()}
            more = schema.get("additionalProperties")
            return made | ({HOSTILE: make(more, "")} if isinstance(more, dict) else {})
        if kind == "array":
            return [make(each, name) for each in schema.get("prefixItems", ())] or [
                make(schema.get("items") or {}, name)
            ]
        return {"integer": 1, "number": 1.5, "boolean": True, "null": None}.get(kind) or (
            text(schema, name) if kind == "string" else None
        )

    return make

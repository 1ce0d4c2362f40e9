"""Calls that the API's description allows, and calls that it forbids: schemathesis draws them, the application answers
them, and each answer is checked against the description.

Rule: a call reaches the application as its bytes would. Values that chance would hardly draw, as the hash of a
transaction that there is, come from the node.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

import httpx
import msgspec
import requests
import schemathesis
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.applications import Starlette
from trio.testing import MockClock

from member.api.types import Problem
from member.client.node_refusal import code_of
from member.codes import NodeCode
from node.api.calls import JSON, MSGPACK
from tests.kit.node.answering_node import AnsweringNode
from tests.kit.node.fake_view import ALICE, signed

URL = "http://node"
EXAMPLES = 24
"""Calls of one route and one mode."""
KNOWN_IDS = frozenset(("feed", "group", "cash_group", "asset", "instrument", "account", "buyer", "seller", "chain_id"))
"""Fields of bodies of which the numbers from 0 to 3 name something."""


class Credential(Enum):
    """What a call carries beside what the description says of it."""

    OWN = "a signature by the owner of account 1"
    OF_ANOTHER = "its signature of another request"
    NONE = "nothing"


class NodeFailed(Failure):
    """The node answered 500, which the description states and which must not happen."""


class AllowedRefused(Failure):
    """A parameter was refused as malformed that its description allows."""


class NoStableCode(Failure):
    """A refusal whose code this release does not know, or with another remedy than the code's."""


@schemathesis.serializer(MSGPACK)
def packed(_: Any, value: Any) -> bytes:
    """Whatever was drawn, as MessagePack; as text where it is a number beyond 64 bits."""
    try:
        return msgspec.msgpack.encode(value)
    except OverflowError:
        return msgspec.msgpack.encode(str(value))


def described(document: Mapping[str, Any]) -> Any:
    """The operations of a description, by path and method. Credentials are not drawn: see `Credential`."""
    project = ProjectConfig(generation=GenerationConfig(with_security_parameters=False))
    config = SchemathesisConfig(projects=ProjectsConfig(default=project))
    return schemathesis.openapi.from_dict(msgspec.json.decode(msgspec.json.encode(document)), config=config)


def try_calls(node: AnsweringNode, app: Starlette, operation: Any, mode: GenerationMode) -> None:
    """Send calls of an operation. Raises an exception group of what was wrong with the answers."""
    credentials = st.sampled_from((*[Credential.OWN] * 6, *Credential))

    @given(calls(operation, mode, node.known), credentials)
    @settings(max_examples=EXAMPLES)
    def answered_as_described(case: Case, credential: Credential) -> None:
        response = trio.run(_answer, app, node, case, credential, clock=MockClock(autojump_threshold=0))
        case.validate_response(response, checks=list(CHECKS))

    answered_as_described()


@st.composite
def calls(draw: st.DrawFn, operation: Any, mode: GenerationMode, known: Mapping[str, tuple[str, ...]]) -> Case:
    """A call of an operation. In the parts that are as described, most values are known to the node."""
    case: Case = draw(operation.as_strategy(generation_mode=mode))
    wrong = {place for place, part in case.meta.components.items() if part.mode.is_negative} if case.meta else set()
    for place, values in ((ParameterLocation.PATH, case.path_parameters), (ParameterLocation.QUERY, case.query)):
        for name in sorted(values.keys() & known.keys()) if place not in wrong else ():
            if draw(st.integers(0, 3)):
                pattern = _pattern(operation, name)
                values[name] = draw(st.sampled_from([value for value in known[name] if re.search(pattern, value)]))
    if isinstance(case.body, dict | list) and ParameterLocation.BODY not in wrong:
        _settle_numbers(draw, case.body)
    return case


def _pattern(operation: Any, name: str) -> str:
    (parameter,) = (each for each in operation.definition.raw["parameters"] if each["name"] == name)
    return str(parameter["schema"]["pattern"])


def _settle_numbers(draw: st.DrawFn, body: Any) -> None:
    """Write whole numbers as such (1.0 is an integer to JSON Schema, and none to the node), and name known ids."""
    for name in body if isinstance(body, dict) else range(len(body)):
        value = body[name]
        if isinstance(value, dict | list):
            _settle_numbers(draw, value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            is_replaced = name in KNOWN_IDS and draw(st.integers(0, 3))
            body[name] = draw(st.integers(0, 3)) if is_replaced else int(value) if value == int(value) else value


async def _answer(app: Starlette, node: AnsweringNode, case: Case, credential: Credential) -> httpx.Response:
    """The clock that this runs under jumps, so that a stream of events ends at once."""
    node.submissions.begin()
    parts = case.as_transport_kwargs(base_url=URL)
    request = requests.Request(**{name: part for name, part in parts.items() if name in _PARTS}).prepare()
    method, url, body = str(request.method), httpx.URL(str(request.url)), request.body or b""
    content = body.encode() if isinstance(body, str) else body
    headers = {
        name: value.encode("latin-1") if isinstance(value, str) else value for name, value in request.headers.items()
    }
    if credential is not Credential.NONE:
        signed_body = content if credential is Credential.OWN else content + b"?"
        target = url.raw_path.decode()
        headers |= signed(ALICE, target, signed_body, method=method, network=node.view.network)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        return await client.request(method, url, headers=headers, content=content)


_PARTS = ("method", "url", "headers", "params", "data", "json", "cookies")


def fails_never(_: Any, response: Any, case: Case) -> None:
    """No call makes the node fail."""
    if response.status_code == 500:
        raise NodeFailed(operation=case.operation.label, title="The node failed", message=response.text)


def refuses_by_stable_codes(_: Any, response: Any, case: Case) -> None:
    """Every refusal in an answer has a code that this release knows, and its remedy."""
    for problem in _problems(_json_of(response)):
        digits = problem.code.removeprefix("R")
        code = code_of(int(digits)) if digits.isdecimal() else None
        if code is None or code is NodeCode.API_REFUSED or problem.remedy != code.remedy:
            raise NoStableCode(operation=case.operation.label, title="No stable code", message=str(problem))


def takes_what_is_allowed(_: Any, response: Any, case: Case) -> None:
    """No parameter that is as described is refused as malformed. How many leaves there are, no description says."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    for problem in _problems(_json_of(response)):
        if problem.code == NodeCode.API_PARAMETER.label and problem.at != "count":
            raise AllowedRefused(operation=case.operation.label, title="An allowed parameter", message=str(problem))


def _json_of(response: Any) -> Any:
    """None where it is none; another check tells."""
    try:
        return msgspec.json.decode(response.content) if response.headers.get("content-type") == [JSON] else None
    except msgspec.DecodeError:
        return None


def _problems(value: Any) -> list[Problem]:
    """Every refusal inside of a JSON value."""
    if isinstance(value, dict) and value.keys() == set(Problem.__struct_fields__):
        return [msgspec.convert(value, Problem)]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [problem for part in inner for problem in _problems(part)]


CHECKS = (
    fails_never,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    refuses_by_stable_codes,
    takes_what_is_allowed,
)

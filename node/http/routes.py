"""The one table of routes, which the server follows, and its OpenAPI 3.1 description.

Rule: each topic declares its own routes, and what is not declared does not exist. A new topic is one more line here.
"""

from typing import Any

import msgspec

from clearing.base.known_types import known_type
from member.api.types import Problem
from node.api import (
    accounts,
    affiliates,
    chain,
    collateral_events,
    deposits,
    fund,
    governance,
    margin,
    margin_calls,
    observed,
    proofs,
    receipts,
    reserves,
    state,
    stream,
    submit,
    transactions,
    withdrawals,
)
from node.api.calls import JSON, Parameter, Route
from node.api.event_stream import EVENT_ID, EVENT_STREAM, LAST_EVENT_ID

ROUTES: tuple[Route, ...] = tuple(
    route
    for topic in (
        state,
        chain,
        observed,
        fund,
        accounts,
        affiliates,
        deposits,
        withdrawals,
        margin,
        margin_calls,
        receipts,
        proofs,
        reserves,
        governance,
        submit,
        transactions,
        collateral_events,
        stream,
    )
    for route in topic.routes
)
REFUSALS = {
    400: "A parameter, the body or a combination of them is malformed, unknown or out of bounds.",
    401: "The request is not signed by a member for this node and this minute, or its token is not listed.",
    403: "The account is not the signer's, or the answer would travel unencrypted.",
    404: "This node has nothing under these parameters.",
    410: "What followed the cursor is no longer kept.",
    413: "The body is too large.",
    415: "The body is of another media type.",
    422: "The request is well formed, and a rule refuses it.",
    429: "Too many requests, or too many at once.",
    500: "The node failed.",
    501: "This node does not keep what is asked for.",
    503: "This node cannot answer yet, or takes no more at present: ask again later, or another node.",
}
"""What each status of a refusal means; the code in the body says which rule refused."""
_RETRY_AFTER = {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer", "minimum": 1}}
_REF = "#/components/schemas/{name}"
_REFUSAL_REF = "#/components/responses/Refusal{status}"


def openapi() -> dict[str, Any]:
    """The description, as JSON types."""
    kinds = {route.name: route.answer for route in ROUTES if route.answer is not None}
    bodies = {route.name: route.body for route in ROUTES if route.body is not None}
    names = [*kinds, *(f"{name} body" for name in bodies)]
    schemas, components = msgspec.json.schema_components(
        [known_type(kind) for kind in (*kinds.values(), *bodies.values(), Problem)], ref_template=_REF
    )
    of = dict(zip(names, schemas, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "crossclear node", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {
                f"Refusal{status}": {
                    "description": description,
                    "content": {JSON: {"schema": schemas[-1]}},
                    **({"headers": {"Retry-After": _RETRY_AFTER}} if status == 429 else {}),
                }
                for status, description in REFUSALS.items()
            },
            "securitySchemes": {
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "Crossclear <time ms>:<nonce, 64 hex>:<EIP-712 signature by the trade key, 130 hex>",
                },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "64 hex digits, whose SHA-256 the node's operator listed under `api.submitters`",
                },
            },
        },
    }


def _schema_of(parameter: Parameter) -> dict[str, Any]:
    schema = {"type": "string", "pattern": f"^({parameter.pattern})$"}
    return schema | ({"format": parameter.format} if parameter.format else {})


def _shown(route: Route, answer: dict[str, Any]) -> dict[str, Any]:
    """The schema of an answer; of a stream, that of each event, whose `data` is the answer's JSON."""
    if route.media != EVENT_STREAM:
        return answer
    data = {"type": "string", "contentMediaType": JSON, "contentSchema": answer}
    return {
        "type": "object",
        "description": "one event of the stream",
        "properties": {"id": {"type": "string", "pattern": f"^({_id_pattern(route)})$"}, "data": data},
        "required": ["id", "data"],
    }


def _id_pattern(route: Route) -> str:
    """Of an event's id: what the route takes as the last one."""
    return next((each.pattern for each in route.parameters if each.name == LAST_EVENT_ID), EVENT_ID)


def _operation(route: Route, of: dict[str, Any]) -> dict[str, Any]:
    content = {route.media: {"schema": _shown(route, of[route.name])} if route.answer is not None else {}}
    answer = {"description": "answer", "content": content}
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.description,
        "responses": {
            **{str(status): {"description": "nothing more"} if status == 204 else answer for status in route.statuses},
            **{str(status): {"$ref": _REFUSAL_REF.format(status=status)} for status in route.refusal_statuses},
        },
    }
    if route.parameters:
        operation["parameters"] = [
            {
                "name": parameter.name,
                "in": parameter.where,
                "required": parameter.required,
                "description": parameter.description,
                "schema": _schema_of(parameter),
            }
            for parameter in route.parameters
        ]
    if route.body is not None:
        schema = {"schema": of[f"{route.name} body"]}
        operation["requestBody"] = {
            "required": True,
            "content": {media: schema if media == JSON else {} for media in route.body_media},
        }
    if route.signed:
        operation["security"] = [{"signature": []}, *([{"token": []}] if route.takes_token else [])]
    elif route.may_sign:
        operation["security"] = [{}, {"signature": []}]
    return operation

"""The one table of routes, which the server follows, and its OpenAPI 3.1 description.

Rule: each topic declares its own routes, and what is not declared does not exist. A new topic is one more line here.
"""

from typing import Any

import msgspec

from member.api.types import Problem
from node.api import (
    accounts,
    chain,
    collateral_events,
    deposits,
    fund,
    governance,
    margin,
    proofs,
    receipts,
    state,
    submit,
    transactions,
    withdrawals,
)
from node.api.calls import JSON, Route

ROUTES: tuple[Route, ...] = tuple(
    route
    for topic in (
        state,
        chain,
        fund,
        accounts,
        deposits,
        withdrawals,
        margin,
        receipts,
        proofs,
        governance,
        submit,
        transactions,
        collateral_events,
    )
    for route in topic.routes
)
_REF = "#/components/schemas/{name}"


def openapi() -> dict[str, Any]:
    """The description, as JSON types."""
    kinds = {route.name: route.answer for route in ROUTES if route.answer is not None}
    bodies = {route.name: route.body for route in ROUTES if route.body is not None}
    names = [*kinds, *(f"{name} body" for name in bodies)]
    schemas, components = msgspec.json.schema_components(
        [*kinds.values(), *bodies.values(), Problem], ref_template=_REF
    )
    of = dict(zip(names, schemas, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, of, schemas[-1])
    return {
        "openapi": "3.1.0",
        "info": {"title": "crossclear node", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": components,
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


def _operation(route: Route, of: dict[str, Any], problem: Any) -> dict[str, Any]:
    content = {route.media: {"schema": of[route.name]} if route.answer is not None else {}}
    answer = {"description": "answer", "content": content}
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.description,
        "responses": {
            **{str(status): {"description": "nothing more"} if status == 204 else answer for status in route.statuses},
            "default": {"description": "refusal", "content": {JSON: {"schema": problem}}},
        },
    }
    if route.parameters:
        operation["parameters"] = [
            {
                "name": parameter.name,
                "in": parameter.where,
                "required": parameter.required,
                "description": parameter.description,
                "schema": {"type": "string", "pattern": f"^({parameter.pattern})$"},
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

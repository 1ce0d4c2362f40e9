"""Asking a view over the API for what only its owner may have; no answer of it may be kept anywhere."""

from typing import Any

import httpx

from node.config import Api
from node.http.server import build_api
from tests.kit.node.fake_view import ALICE, NOW, FakeView, asked, status_and_code


async def ask_view(view: FakeView, target: str, key: bytes = ALICE, **settings: Any) -> httpx.Response:
    app = build_api(view, Api(**settings), lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        return await asked(client, target, key)


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["cache-control"] == "no-store"
    return status_and_code(response)

"""Messages of venues that others published: the shared samples, by venue and name."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearing.base.plain_json import read_json
from node.oracle.events import HttpAnswer


@dataclass(frozen=True)
class Sample:
    venue: str
    name: str
    transport: str
    message: Any
    raw_text: str | None
    status: int
    fields: dict[str, Any]

    @property
    def data(self) -> bytes:
        """As sent where the exact text was kept, else as JSON; plain text as itself."""
        if self.raw_text is not None:
            return self.raw_text.encode()
        return self.message.encode() if isinstance(self.message, str) else json.dumps(self.message).encode()

    @property
    def each(self) -> list[bytes]:
        """Of a sample that lists several messages: each."""
        return [json.dumps(item).encode() for item in self.message]

    def answer(self, retry_after: str = "") -> HttpAnswer:
        return HttpAnswer(self.status, self.data, retry_after)


def samples(folder: Path, venue: str) -> dict[str, Sample]:
    """Raises FileNotFoundError for a venue that nobody collected."""
    stated = read_json((folder / "venues" / f"{venue}.json").read_bytes())
    return {
        item["name"]: Sample(
            venue,
            item["name"],
            item["transport"],
            item["message"],
            item.get("raw_text"),
            item.get("http_status", 200),
            item,
        )
        for item in stated["items"]
    }

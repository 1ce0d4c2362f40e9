"""Frames of a stream as text, a line each."""

from typing import Any

from member.api.streams import StreamFrame


def frame_text(frame: StreamFrame) -> str:
    """`CURSOR TOPIC:` and what is new, in words."""
    name = frame.topic.partition(":")[0]
    words = _WORDS.get(name, _receipt)
    return f"{frame.cursor or '-'} {frame.topic}: {words(frame.data)}"


def _height(data: dict[str, Any]) -> str:
    return f"height {data.get('height')}, epoch {data.get('epoch')}, {data.get('receipts')} receipts"


def _marks(data: dict[str, Any]) -> str:
    prices = [f"{each.get('name')} {each.get('index_ticks')} ({each.get('status')})" for each in _list(data, "prices")]
    marks = [f"{each.get('name')} {each.get('mark_ticks')}" for each in _list(data, "marks")]
    return "; ".join(
        part for part in (f"index {', '.join(prices)}" * bool(prices), f"mark {', '.join(marks)}" * bool(marks)) if part
    )


def _account(data: dict[str, Any]) -> str:
    shown = [f"{name} {value}" for name, value in data.items() if isinstance(value, str | int)]
    counted = [f"{len(value)} {name}" for name, value in data.items() if isinstance(value, list) and value]
    return ", ".join((*shown, *counted))


def _receipt(data: dict[str, Any]) -> str:
    if "kind" not in data:
        return _account(data)
    details = data.get("details")
    fields = details.items() if isinstance(details, dict) else ()
    return f"{data['kind']} " + ", ".join(f"{name} {value}" for name, value in fields)


def _list(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = data.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


_WORDS = {"heights": _height, "marks": _marks, "account": _account, "sales": _account}

"""The consensus log of a stopped node as text: every frame and record, and where bytes are damaged."""

from typing import Any

from consensus.wal import LoggedRecord, LogSummary, describe_record, pieces, summarize_log


def dump_log(data: bytes) -> tuple[LogSummary, list[dict[str, Any]], list[str]]:
    """The log's summary, every frame as data, and every frame and record as a line of text."""
    frames: list[dict[str, Any]] = []
    lines = []
    for piece in pieces(data):
        records = [] if piece.records is None else [describe_record(record) for record in piece.records]
        whole = piece.records is not None
        frames.append({"at": piece.at, "bytes": piece.length, "whole": whole, "records": records})
        lines.append(f"{piece.at:>10} {'frame' if whole else 'DAMAGED'} {piece.length} bytes")
        lines += [_record_line(record) for record in records]
    return summarize_log(data), frames, lines


def log_summary_text(summary: LogSummary) -> str:
    """How many frames are whole, and what follows them."""
    if summary.damaged_at >= 0:
        lost = f"a repair gives up the {summary.frames_behind} whole frames behind it"
        return f"{summary.frames} frames, then damage at byte {summary.damaged_at}; {lost}"
    torn = f", then a torn tail of {summary.torn_bytes} bytes, which a start cuts" if summary.torn_bytes else ""
    return f"{summary.frames} frames{torn}"


def _record_line(record: LoggedRecord) -> str:
    round_ = f" round {record.round}" if record.round >= 0 else ""
    text = f"{record.height} {record.kind} {record.description}{round_} {record.value} {record.sender}"
    return f"{'':>12}{text}".rstrip()

"""The reference page of the FIX gateway: its command, its settings, and the reason of each code in an AR."""

import re
from pathlib import Path
from typing import Any

import msgspec

from crossclear_fix import errors
from crossclear_fix.command import parser
from crossclear_fix.reasons import OTHER, REASONS
from crossclear_fix.settings import Settings

EXAMPLE = Path(__file__).resolve().parents[1] / "configs" / "fix" / "gateway.toml"
HEAD = """# The FIX gateway

[How to run it](../how-to/fix.md) explains messages and fates.

## Command
"""
REASON_NAMES = {
    1: "Invalid party information",
    2: "Unknown instrument",
    3: "Unauthorized to report trades",
    4: "Invalid trade type",
    99: "Other",
}


def page() -> str:
    """The whole page."""
    return HEAD + f"\n```\n{parser().format_help()}```\n" + _settings() + _reasons()


def _settings() -> str:
    lines = ["", "## Settings", "", "`configs/fix/gateway.toml` has every key.", ""]
    comments = comments_of(EXAMPLE.read_text(encoding="utf-8"))
    for section in sorted(msgspec.structs.fields(Settings), key=lambda each: each.name != "gateway"):
        kind = _struct_of(section.type)
        bracket = "[{}]" if kind is section.type else "[[{}]]"
        lines += [f"### {bracket.format(section.name)}", "", (kind.__doc__ or "").strip(), ""]
        lines += ["| key | default | |", "|---|---|---|"]
        for field in msgspec.structs.fields(kind):
            default = "required" if field.required else f"`{msgspec.json.encode(field.default).decode()}`"
            lines.append(f"| `{field.name}` | {default} | {comments[section.name, field.name]} |")
        lines.append("")
    return "\n".join(lines) + "\n"


def _reasons() -> str:
    lines = ["## Codes", "", "TradeReportRejectReason (751) of an AR by the code that Text (58) begins with. "]
    lines[-1] += "[Refusals](rejections.md) says what to do about each."
    lines += ["", "| 751 | meaning | codes |", "|---|---|---|"]
    for reason, codes in REASONS.items():
        lines.append(f"| {reason} | {REASON_NAMES[reason]} | {', '.join(sorted(codes))} |")
    lines.append(f"| {OTHER} | {REASON_NAMES[OTHER]} | every other code |")
    lines += ["", "| message | when |", "|---|---|"]
    lines.append(
        "| Reject (3) | a field breaks a rule of FIX; SessionRejectReason (373) and RefTagID (371) say which |"
    )
    lines.append("| BusinessMessageReject (j), 380=3 | a message of another type than AE |")
    lines.append(f"| BusinessMessageReject (j), 380=4 | {errors.FULL}: too many reports are open |")
    return "\n".join(lines) + "\n"


def comments_of(text: str) -> dict[tuple[str, str], str]:
    """What the example says beside each key, by section and key; the first one counts."""
    section = ""
    found: dict[tuple[str, str], str] = {}
    for line in text.splitlines():
        if header := re.match(r"^\[\[?(\w+)\]", line):
            section = header[1]
        elif setting := re.match(r"^(\w+) = .*?\s# (.+)$", line):
            found.setdefault((section, setting[1]), setting[2])
    return found


def _struct_of(kind: Any) -> type[msgspec.Struct]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    return _struct_of(kind.__args__[0])

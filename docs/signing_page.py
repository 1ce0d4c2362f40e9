"""The generated part of `docs/specification/signing.md`: a section for each kind of request, with its types.

Rule: everything follows from `docs.signing_shapes`.
"""

from docs.signing_shapes import FieldShape, RequestShape, signing
from docs.wire_tables import power_text


def request_sections() -> str:
    """One section for each kind of request, then the structures inside them."""
    described = signing()
    parts = [_request(request) for request in described.requests]
    for name, fields in sorted(described.structures.items()):
        parts.append(f"### {name}\n\nAn item of a list, as a canonical array.\n\n{_table(fields, is_signed=False)}")
    return "\n\n".join(parts)


def _request(request: RequestShape) -> str:
    lines = [
        f"### {request.name}",
        "",
        f"{request.meaning} {request.signed_by}",
        "",
        f"JSON `type`: `{request.type}`. First item of the canonical array: {request.tag}.",
        "",
    ]
    if request.declaration:
        lines += ["```text", request.declaration, "```", ""]
    if request.hash_tags:
        tags = ", ".join(f"`{tag}`" for tag in request.hash_tags)
        lines += [f"Validators sign a tagged hash. Tags: {tags}.", ""]
    return "\n".join(lines) + "\n" + _table(request.fields, is_signed=bool(request.declaration))


def _table(fields: tuple[FieldShape, ...], *, is_signed: bool) -> str:
    head = ["| item | field | in JSON | type |", "|---:|---|---|---|"]
    if is_signed:
        head = ["| item | field | in JSON | type | signed as |", "|---:|---|---|---|---|"]
    rows = []
    for place, field in enumerate(fields):
        row = f"| {place} | `{field.name}` | `{field.json}` | {_type(field)} |"
        signed = f" `{field.signed_as}` |" if field.signed_as else " |"
        rows.append(row + (signed if is_signed else ""))
    return "\n".join(head + rows)


def _type(field: FieldShape) -> str:
    if field.is_signature:
        size = f"{field.high} bytes" if field.low == field.high else f"{field.low} to {field.high} bytes"
        return f"signature, {size}" + (", may be empty" if field.is_optional else "")
    if field.kind in ("integer", "amount"):
        return f"{field.kind} in [{power_text(field.low or 0)}, {power_text(field.high or 0)}]"
    if field.kind == "bytes":
        return f"{field.high} bytes"
    if field.kind == "boolean":
        return "boolean"
    if field.kind == "text":
        return f"text of at most {field.high} bytes"
    if field.kind == "enumeration":
        return "number of " + ", ".join(f"{number} `{name}`" for name, number in field.names.items())
    if field.kind == "structures":
        return f"list of {field.low} to {field.high} `{field.structure}`"
    if field.kind == "bytes list":
        return f"list of at most {field.high} times 32 bytes"
    return "canonical bytes of an amendment, in place"

"""A header between trusted ones: what it contradicts, though a set that was in force somewhere below certified it.

Rule: times grow with heights, and a header names its parent by hash. A set that was retired in between could sign any
header at all; the trusted header above shows some of them to be none of the chain. No signature is looked at.
"""

from clearing.base.header import Header


def contradiction(below: Header | None, header: Header, above: Header | None) -> str:
    """Why a header is none of the chain of the trusted ones next to it; empty where it could be."""
    if below is not None and header.time_ms <= below.time_ms:
        return f"the trusted header of height {below.height} is not earlier"
    if below is not None and header.height == below.height + 1 and header.parent != below.hash:
        return f"the trusted header of height {below.height} is not its parent"
    if above is None:
        return ""
    if above.time_ms <= header.time_ms:
        return f"the trusted header of height {above.height} is not later"
    if above.height == header.height + 1 and above.parent != header.hash:
        return f"the trusted header of height {above.height} has another parent"
    return ""

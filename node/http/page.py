"""The page for members and onlookers: static files of `member/page/build/served`, answered from memory.

Rule: the page may load and ask nothing but this node, no other page may frame it, and nothing that a browser sends
chooses a file: the names are a fixed list. Without a build there is no page, and its paths are not found.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

BUILT = Path(__file__).resolve().parents[2] / "member" / "page" / "build" / "served"
PATHS: Mapping[str, tuple[str, str]] = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page/worker.js": ("worker.js", "text/javascript; charset=utf-8"),
}
"""Path to file and media type."""
POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "worker-src 'self'", "connect-src 'self'"),
        *("img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # A browser asks each time whether its copy is the node's: after an upgrade nobody sees an old page.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file, as it is and compressed."""

    media: str
    plain: bytes
    compressed: bytes
    tag: str
    """The entity tag: a hash of the bytes."""


def page_files(folder: Path = BUILT) -> dict[str, PageFile]:
    """The files by path; none where the page was not built."""
    try:
        return {path: _page_file((folder / name).read_bytes(), media) for path, (name, media) in PATHS.items()}
    except FileNotFoundError:
        return {}


def _page_file(plain: bytes, media: str) -> PageFile:
    return PageFile(media, plain, gzip.compress(plain, 9, mtime=0), f'"{sha256(plain).hexdigest()[:32]}"')


def page_response(file: PageFile, request: Request) -> Response:
    """The file, compressed for who takes that; 304 for who has it."""
    headers = HEADERS | {"ETag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    if takes_gzip:
        headers["Content-Encoding"] = "gzip"
    body = file.compressed if takes_gzip else file.plain
    return Response(body, headers=headers, media_type=file.media)

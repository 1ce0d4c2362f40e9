"""Settings of the documentation site: Sphinx with MyST and Furo (`make site`; docs/decisions/0014 says why).

Rule: the index `docs/README.md` is the navigation. Its bullets become the tables of contents, so a page that the index
lacks is a warning, and every warning is an error. Nothing is fetched: not while building, not while reading.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "crossclear"
copyright = "the crossclear authors, Apache-2.0"  # noqa: A001 - Sphinx reads this name
extensions = ["myst_parser"]
root_doc = "docs/README"
include_patterns = [
    *("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"),
    *("docs/**.md", "proofs/notes/**.md", "proofs/browser/README.md", "client/README.md"),
]
exclude_patterns = [".*", "build", "demo-out", "devnet-out", "**/node_modules", "**/__pycache__", "*.egg-info"]
myst_heading_anchors = 6
# A fence may hold what its language cannot parse: a JSON with an ellipsis, a prompt.
suppress_warnings = ["misc.highlighting_failure"]
highlight_language = "text"
html_theme = "furo"
html_title = "crossclear"
html_copy_source = False
html_show_sphinx = False
html_use_index = False
html_theme_options = {"footer_icons": [], "source_view_link": ""}
BULLET = re.compile(r"^- \[[^]]*\]\(([^)#]+\.md)\)", re.MULTILINE)
"""A bullet of the index that begins with a link to a page."""
FORWARD = '<!doctype html><meta http-equiv="refresh" content="0; url=docs/README.html"><a href="docs/README.html">.</a>'


def contents_of(index: str) -> str:
    """The hidden tables of contents of an index page: one a section, in the order of its bullets."""
    tables = []
    for section in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        if pages := BULLET.findall(section):
            caption = section.split("\n")[0]
            entries = "\n".join(page.removesuffix(".md") for page in pages)
            tables.append(f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n")
    return "\n".join(tables)


def _add_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    if page == root_doc:
        source[0] += "\n" + contents_of(source[0])


def _write_forward(app: Sphinx, failure: Exception | None) -> None:
    if failure is None:
        (Path(app.outdir) / "index.html").write_text(FORWARD, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects the two steps that Sphinx does not know."""
    app.connect("source-read", _add_contents)
    app.connect("build-finished", _write_forward)
    return {"parallel_read_safe": True}

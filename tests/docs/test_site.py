"""The documentation site builds without a warning, reaches every page, and fetches nothing."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs.conf import BULLET, contents_of

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TOP = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE")


def build(root: Path, output: Path) -> subprocess.CompletedProcess[str]:
    options = ("--builder", "html", "--conf-dir", "docs", "--doctree-dir", str(output / "doctrees"))
    command = [sys.executable, "-m", "sphinx", *options, "--fail-on-warning", "--keep-going", "--quiet"]
    return subprocess.run(
        [*command, ".", str(output / "site")], cwd=root, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.fixture
def small_site(tmp_path: Path) -> Path:
    """A site of an index and two pages."""
    root = tmp_path / "small"
    (root / "docs").mkdir(parents=True)
    shutil.copy(DOCS / "conf.py", root / "docs" / "conf.py")
    (root / "docs" / "README.md").write_text("# Index\n\n## Pages\n- [One](one.md): one\n- [Two](two.md): two\n")
    (root / "docs" / "one.md").write_text("# One\n\nSee [two](two.md#a-part).\n")
    (root / "docs" / "two.md").write_text("# Two\n\n## A part\n\nText.\n")
    return root


def test_the_site_builds_and_no_page_fetches_anything(tmp_path: Path) -> None:
    built = build(ROOT, tmp_path)
    assert built.returncode == 0, built.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", page.read_text(encoding="utf-8")):
            assert not re.search(r'(?:src|href)="(?:https?:)?//', tag), (page.name, tag)


def test_broken_links_and_unreachable_pages_fail_the_build(small_site: Path, tmp_path: Path) -> None:
    assert build(small_site, tmp_path / "sound").returncode == 0
    (small_site / "docs" / "one.md").write_text("# One\n\n[a](three.md) [b](two.md#no-part) [c](#no-part-here)\n")
    (small_site / "docs" / "lost.md").write_text("# Lost\n")
    broken = build(small_site, tmp_path / "broken")
    assert broken.returncode != 0
    for warning in (
        "three.md",
        "'no-part'",
        "'no-part-here'",
        "lost.md: WARNING: document isn't included in any toctree",
    ):
        assert warning in broken.stderr


def test_the_index_lists_every_page_once() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    listed = [(DOCS / page).resolve() for page in BULLET.findall(index)]
    pages = {*DOCS.rglob("*.md"), *(ROOT / "proofs/notes").glob("*.md"), *(ROOT / name for name in TOP)}
    pages |= {ROOT / "proofs/browser/README.md", ROOT / "client/README.md"}
    pages -= {DOCS / "README.md", ROOT / "LICENSE"}
    assert len(listed) == len(set(listed))
    assert set(listed) == pages


def test_each_section_of_the_index_is_a_table_of_contents() -> None:
    tables = contents_of("# I\n\ntext\n\n## A\n- [x](a/x.md): x\n- [y](y.md)\n\nAlso: [z](z.md)\n\n## B\ntext\n")
    assert tables.count("{toctree}") == 1
    assert ":caption: A" in tables
    assert "\na/x\ny\n" in tables
    assert "z" not in tables

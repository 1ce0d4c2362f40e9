"""Pictures that the documentation shows."""

from pathlib import Path

from PIL import Image

COLOURS = 64
"""A picture of text needs no more, and is a third as large."""


def shrink(folder: Path) -> None:
    """Make the pictures of a folder small."""
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as picture:
            small = picture.convert("RGB").quantize(COLOURS)
        small.save(path, optimize=True)

"""What the page costs is measured on the page as it is."""

from benchmarks import page


def test_bytes_first_paint_verification_and_memory_of_the_page_are_measured() -> None:
    """In minutes of a fifth of a second."""
    figures = {figure.name: figure for figure in page.measured(3, minute_ms=200)}
    assert len(figures) == 6
    assert all(figure.value > 0 for figure in figures.values())
    first = figures["first view, compressed"]
    assert (first.unit, first.goal) == ("kB", "< 300")
    assert first.value < 300

"""Expecting a fault by its code."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from clearing.base.errors import CodeBook, CrossclearError, RemoteFault


@contextmanager
def refused(
    code: CodeBook, fault: type[CrossclearError] = RemoteFault, at: str = ""
) -> Iterator[pytest.ExceptionInfo[CrossclearError]]:
    """What is done under it ends with this fault and this code; `at`: and at this place."""
    with pytest.raises(fault) as caught:
        yield caught
    assert caught.value.code is code, caught.value
    assert at in ("", caught.value.at), caught.value

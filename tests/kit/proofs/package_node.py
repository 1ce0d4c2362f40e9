"""A node's API, in a thread of its own, that serves given packages to web pages of given origins."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from node.api.view import PackageAt
from node.store.records import PackageRecord
from tests.kit.node.fake_view import NOW, FakeView
from tests.kit.node.served_api import served_api

Packages = Mapping[int, bytes]
"""By epoch."""


class PackageView(FakeView):
    """Serves these packages. `listed`: what it says that it serves, if others; `higher`: and how much too high."""

    def __init__(self, packages: Packages, listed: Packages | None, higher: int = 0) -> None:
        super().__init__()
        self._higher = higher
        self._packages, self._listed = packages, packages if listed is None else listed

    def package(self, epoch: int | None) -> PackageAt | None:
        found = max(self._packages, default=0) if epoch is None else epoch
        data = self._packages.get(found)
        return None if data is None else PackageAt(found, 10 * found, hashlib.sha256(data).digest(), data)

    def packages(self, after: int, limit: int) -> Sequence[PackageRecord]:
        return [
            PackageRecord(epoch, 10 * epoch + self._higher, "", len(data), hashlib.sha256(data).digest())
            for epoch, data in sorted(self._listed.items())
            if epoch > after
        ][:limit]


@contextmanager
def serving(
    packages: Packages, *, origins: Sequence[str] = ("*",), listed: Packages | None = None, higher: int = 0
) -> Iterator[str]:
    """The address of the API."""
    with served_api(PackageView(packages, listed, higher), lambda: NOW, origins=list(origins)) as url:
        yield url

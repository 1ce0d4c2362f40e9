"""`KeyRotation`: finds the next keys of a home while it is in use, and puts them in place when the set lists them.

Rule: until then both keys are at hand, and who signs chooses the one that the set lists. The old one is retired when no
set around the decided height lists it any more, so that a crash at any moment leaves the right key to be opened.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from clearing.base.errors import LocalFault
from member.keys.key_folder import KIND_OF, Purpose, public_of
from member.keys.rotation import has_next_key, promote_next_key, read_next_key
from member.keys.secret_files import read_password

LOOK_SECONDS = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RotatedKey:
    """A key that may change while it is in use."""

    purpose: Purpose
    add: Callable[[bytes], None]
    """Gets the secret of a next key."""
    listed: Callable[[], Collection[bytes]]
    """The public keys or addresses that may still be needed."""


class KeyRotation:
    """`open_new`, then `settle`; `run` does both for ever."""

    def __init__(
        self, home: Path, password_file: Path, keys: Sequence[RotatedKey], *, allow_weak: bool, known: Collection[bytes]
    ) -> None:
        """`known`: public keys of next keys that were opened with the home."""
        self._home, self._password_file, self._keys, self._allow_weak = home, password_file, keys, allow_weak
        self._known = set(known)
        self._waiting: dict[Purpose, bytes] = {}
        """The public key that waits under the next name."""
        self._told: dict[Purpose, str] = {}
        """What was wrong with it, as reported last."""

    def open_new(self) -> list[tuple[RotatedKey, bytes]]:
        """The secrets of next keys that appeared; takes seconds for each.

        One that cannot be opened is reported once and left out: it must not stop the key in use.
        """
        opened = []
        for key in self._keys:
            if not has_next_key(self._home, key.purpose):
                self._waiting.pop(key.purpose, None)
            elif key.purpose not in self._waiting:
                secret = self._open(key.purpose)
                if secret is not None:
                    opened.append((key, secret))
        return opened

    def _open(self, purpose: Purpose) -> bytes | None:
        try:
            password = read_password(self._password_file)
            return read_next_key(self._home, purpose, password, allow_weak=self._allow_weak)
        except (LocalFault, OSError) as fault:
            if self._told.get(purpose) != str(fault):
                self._told[purpose] = str(fault)
                log.error("next key cannot be opened", purpose=purpose.value, fault=str(fault))
            return None

    def settle(self, opened: Sequence[tuple[RotatedKey, bytes]]) -> None:
        """Hand new keys out, and put those in place that alone are listed. Raises LocalFault KEY_*."""
        for key, secret in opened:
            public = public_of(KIND_OF[key.purpose], secret)
            self._waiting[key.purpose] = public
            if public not in self._known:
                self._known.add(public)
                key.add(secret)
                log.info("next key at hand", purpose=key.purpose.value, public=public.hex())
        for key in self._keys:
            waiting = self._waiting.get(key.purpose)
            if waiting is not None and set(key.listed()) == {waiting}:
                retired = promote_next_key(self._home, key.purpose)
                del self._waiting[key.purpose]
                log.info("key rotated", purpose=key.purpose.value, public=waiting.hex(), retired=retired.name)

    async def run(self) -> None:
        """Look again and again."""
        while True:
            self.settle(await trio.to_thread.run_sync(self.open_new))
            await trio.sleep(LOOK_SECONDS)

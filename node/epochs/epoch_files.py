"""`EpochFiles`: one secret file an epoch, for the newest epochs.

Rule: mode 0600 in a folder of mode 0700, each with its digest, durable when `write` returns. The oldest are deleted
when there are too many epochs or bytes. A damaged file counts as not kept and stops nothing. Contents are opaque here.
"""

from pathlib import Path

import structlog

from clearing.base.errors import CrossclearError
from clearing.base.hashing import sha256
from member.durable_files import write_whole
from member.keys.secret_files import make_secret_folder

EPOCHS_MAX = 64

BYTES_MAX = 256 << 20
"""Of all files together; the newest epoch is kept whatever its size."""

FILE_BYTES_MAX = 1 << 30

_DIGEST_BYTES = 32

log = structlog.get_logger(__name__)


class EpochFiles:
    """The folder of kept epochs. `write` may block and is called from one thread at a time; `read` reads one file."""

    def __init__(
        self, folder: Path, kind: str, suffix: str, epochs_max: int = EPOCHS_MAX, bytes_max: int = BYTES_MAX
    ) -> None:
        """`kind`: the contents of the files, for the log."""
        self._folder = folder
        self.kind = kind
        self._suffix = suffix
        self._epochs_max, self._bytes_max = epochs_max, bytes_max

    @property
    def epochs(self) -> tuple[int, ...]:
        """Epochs that are kept, in order."""
        names = [path.stem for path in self._folder.glob(f"*{self._suffix}")] if self._folder.is_dir() else []
        return tuple(sorted(int(name) for name in names if name.isascii() and name.isdigit()))

    def write(self, epoch: int, data: bytes) -> None:
        """Write an epoch, durable on return, and drop the oldest. Raises OSError, LocalFault KEY_PERMISSIONS."""
        make_secret_folder(self._folder)
        path = self._path(epoch)
        path.with_name(path.name + ".part").unlink(missing_ok=True)  # its mode would outlive a crash
        write_whole(path, sha256(data) + data, 0o600)
        self._drop()

    def read(self, epoch: int) -> bytes | None:
        """What was written of an epoch; None when it is not kept."""
        try:
            data = self._path(epoch).read_bytes()
        except FileNotFoundError:
            return None
        except (OSError, CrossclearError):
            data = b""
        body = data[_DIGEST_BYTES:]
        if sha256(body) == data[:_DIGEST_BYTES]:
            return body
        self.damaged(epoch)
        return None

    def damaged(self, epoch: int) -> None:
        """Tell the log that an epoch cannot be read."""
        log.error(f"{self.kind} of an epoch are damaged", epoch=epoch)

    def _path(self, epoch: int) -> Path:
        return self._folder / f"{epoch:019d}{self._suffix}"

    def _drop(self) -> None:
        """The oldest, until count and bytes are within their limits; the newest stays."""
        size = 0
        for number, epoch in enumerate(reversed(self.epochs)):
            path = self._path(epoch)
            size += path.stat().st_size
            if number and (number >= self._epochs_max or size > self._bytes_max):
                path.unlink()

"""Charts as `helm package` makes them, which may come from anywhere: read within the limits that Helm has itself."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path
from typing import BinaryIO, cast

# MaxDecompressedFileSize and MaxDecompressedChartSize of Helm (pkg/chart/loader/archive).
MAX_FILE_BYTES, MAX_BYTES = 5 * 1024 * 1024, 100 * 1024 * 1024


def member(archive: Path, name: str) -> bytes | None:
    """A file of an archive, in which everything is below one folder; None where it has none of that name.

    Raises OSError, EOFError, tarfile.TarError or zlib.error for what Helm would refuse too.
    """
    with (
        gzip.open(archive) as unpacked,
        tarfile.open(fileobj=cast("BinaryIO", _Limited(unpacked, archive)), mode="r|") as tar,
    ):
        for entry in tar:
            if entry.size > MAX_FILE_BYTES:
                raise tarfile.TarError(f"{entry.name} is larger than 5 MiB, the most that Helm reads")
            if entry.isfile() and entry.name.partition("/")[2] == name and (file := tar.extractfile(entry)):
                return file.read()
    return None


class _Limited:
    """What is read of an archive: an error instead of more than Helm unpacks, before it is unpacked."""

    def __init__(self, file: gzip.GzipFile, archive: Path) -> None:
        self._file, self._archive, self._left = file, archive, MAX_BYTES

    def read(self, count: int) -> bytes:
        self._left -= count
        if self._left < 0:
            raise tarfile.TarError(f"{self._archive.name} has more than 100 MiB, the most that Helm unpacks")
        return self._file.read(count)

"""An archive of a chart from a stranger costs no memory, no time and no traceback."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from pathlib import Path
from unittest import mock

import pytest

from tests.unit.tool.commands.test_commands import run
from tfconfig.values import chart_archive

CHART = (
    b"apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies: [{name: tensorflow-job, alias: training, version: 1}]\n"
)


def archive(**files: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"c/{name}.yaml")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return made.getvalue()


def long_name() -> bytes:
    """An archive whose first header announces a name of 1 GB."""
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 1_000_000_000
    return gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(2_000_000))


LARGE = archive(Chart=CHART + b"#" * 6_000_000)
BOMB = archive(a=b"", notes=bytes(20_000_000), Chart=CHART)
MANY = archive(**{f"file-{number}": bytes(5_000_000) for number in range(22)}, Chart=CHART)
NOISE = archive(values=random.Random(1).randbytes(100_000), Chart=CHART)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (LARGE, "larger than 5 MiB"),
        (BOMB, "c/notes.yaml is larger than 5 MiB"),
        (MANY, "more than 100 MiB"),
        (long_name(), "c.tgz"),
        (NOISE[:50_000], "give a chart's directory"),
        (NOISE[:50_000] + b"\xff" * 1000 + NOISE[51_000:], "c.tgz"),
    ],
    ids=["large", "large, beside it", "large all together", "a name of 1 GB", "cut off", "damaged"],
)
def test_an_archive_is_read_or_refused(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "c.tgz").write_bytes(data)
    (tmp_path / "job.yaml").write_text("training: {}\n", "utf-8")
    result = run("validate", "--chart", tmp_path / "c.tgz", "--alias", "training", tmp_path / "job.yaml")
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code in (1, 2)
    assert message in result.output


def test_what_is_not_wanted_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "c.tgz").write_bytes(BOMB)
    read = []

    class Counted(gzip.GzipFile):
        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            read.append(len(data))
            return data

    with mock.patch("gzip.open", Counted), pytest.raises(tarfile.TarError):
        chart_archive.member(tmp_path / "c.tgz", "Chart.yaml")
    assert sum(read) < 1_000_000

"""Which TensorFlow a program has loaded, as far as what it has mapped and the files beside that say so."""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.task.conftest import PATIENCE_SECONDS, RUN, Container, job, shell, wait_until
from tfconfig.tensorflow_job.lifecycle import progress_client
from tfconfig.tensorflow_job.task import checkpoints, loaded, usage
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.usage import Usage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what a process has mapped")

LIBRARY = "tensorflow/libtensorflow_framework.so.2"
ONE = {"tensorflow_cpu-2.21.0.dist-info": "tensorflow"}
LOADS = """
import mmap, os, sys, time
file = open(sys.argv[1], "rb")
library = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.05)
"""


def installed(folder: Path, library: str = LIBRARY, metadata: dict[str, str] = ONE) -> Path:
    """The library of an installation."""
    (folder / library).parent.mkdir(parents=True)
    (folder / library).write_text("library")
    for name, packages in metadata.items():
        (folder / name).mkdir()
        (folder / name / "top_level.txt").write_text(packages + "\n")
    return folder / library


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes of the program: this one."""
    monkeypatch.setattr(loaded, "own_session", lambda: iter([(os.getpid(), os.getpgid(0)), (1 << 30, 1)]))


@pytest.fixture
def mapped(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """An installation whose library this process has loaded."""
    file = installed(tmp_path / "site-packages", *request.param)
    with file.open("rb") as library, mmap.mmap(library.fileno(), 0, prot=mmap.PROT_READ):
        yield


@pytest.mark.parametrize(
    ("mapped", "version"),
    [
        ((LIBRARY, ONE), "2.21.0"),
        ((LIBRARY, {**ONE, "tensorflow_text-2.20.0.dist-info": "tensorflow_text"}), "2.21.0"),
        ((LIBRARY, {"tf_nightly_cpu-2.22.0.dev20260101.dist-info": "tensorflow"}), "2.22.0.dev20260101"),
        ((LIBRARY, {"tensorflow-2.12.0+nv23.6.dist-info": "tensorflow"}), "2.12.0+nv23.6"),
        ((LIBRARY, {"intel_tensorflow-2.13.0.dist-info": "tensorflow"}), "2.13.0"),
        ((LIBRARY, {"tensorflow-2.1.0-py3.6.egg-info": "tensorflow"}), "2.1.0"),
        ((LIBRARY, {"tensorflow-2.16.1.dist-info": "", "tensorflow_cpu_aws-2.16.1.dist-info": "tensorflow"}), "2.16.1"),
        ((LIBRARY, {**ONE, "tensorflow-2.16.1.dist-info": "tensorflow"}), ""),  # which of them was the last?
        ((LIBRARY, {}), ""),  # nor need it be looked for again
        ((LIBRARY, {"tensorflow-two.dist-info": "tensorflow"}), ""),
        (("tensorflow/python/_pywrap_tensorflow_internal.so", ONE), "2.21.0"),  # conda: the other is elsewhere
        (("tensorflow_core/libtensorflow_framework.so.2", ONE), "2.21.0"),
        (("tensorflow_text/libtensorflow_framework.so", ONE), None),
        (("tensorflow/__init__.py", ONE), None),
    ],
    indirect=["mapped"],
)
@pytest.mark.usefixtures("mapped")
def test_the_version_is_that_of_the_installation_beside_the_library_that_is_loaded(version: str | None) -> None:
    assert loaded.tensorflow() == version


@pytest.mark.timeout(PATIENCE_SECONDS)
@pytest.mark.parametrize(
    ("left", "version"),
    [
        (os.mkfifo, ""),
        (lambda path: path.symlink_to("/dev/zero"), ""),
        (Path.mkdir, ""),
        (lambda path: path.write_bytes(b"\xff"), ""),
        (lambda path: path.write_text("tensorflow\n" + 10_000_000 * "x\n"), "2.21.0"),  # of which a part is read
    ],
)
@pytest.mark.parametrize("mapped", [(LIBRARY, ONE)], indirect=True)
@pytest.mark.usefixtures("mapped")
def test_what_a_program_leaves_in_place_of_the_metadata_holds_up_nothing(
    tmp_path: Path, left: Callable[[Path], object], version: str
) -> None:
    (packages,) = tmp_path.glob("*/*/top_level.txt")
    packages.unlink()
    left(packages)
    assert loaded.tensorflow() == version


@pytest.mark.timeout(PATIENCE_SECONDS)
@pytest.mark.parametrize("mapped", [(LIBRARY, ONE)], indirect=True)
@pytest.mark.usefixtures("mapped")
def test_a_volume_that_hangs_is_waited_for_once_and_a_limited_time(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(loaded, "_versions", lambda _: hangs.wait())
    monkeypatch.setattr(checkpoints, "LIMIT_SECONDS", 0.1)
    assert loaded.tensorflow() == "", "which is not looked for again"


@pytest.mark.timeout(PATIENCE_SECONDS)
@pytest.mark.parametrize("part", [b"/ ", b" /tensorflow", b"/tensorflow_core/python"])
def test_no_name_of_a_file_takes_long(part: bytes) -> None:
    assert loaded._library(b"7f00-7f01 r--p 00000000 08:01 1234   /" + 1_000_000 * part + b"/tensorflow\n") == b""


def test_what_is_installed_and_not_loaded_is_not_told_and_no_process_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "ask", lambda _: pytest.fail("there is nothing to ask for"))
    assert installed(tmp_path / "site-packages")
    assert loaded.tensorflow() is None


def test_a_task_tells_it_while_its_program_runs_and_when_that_has_ended(
    asked: Container, port: int, tmp_path: Path
) -> None:
    library, end = installed(tmp_path / "site-packages"), tmp_path / "end"
    program = shell('"$0" "$@"; echo done')  # any program of the program may be the one
    program["command"] += [sys.executable, "-c", LOADS, str(library), str(end)]
    asked.write(job(program=program))
    task = asked.start()

    def told() -> object:
        try:
            return progress_client.read_answer("127.0.0.1", "worker-0", RUN, port)[1]["usage"].get("tensorflow")
        except OSError:  # not yet
            return None

    wait_until(told, lambda: asked.output)
    assert told() == "2.21.0"
    end.touch()
    assert task.wait(PATIENCE_SECONDS) == 0
    assert asked.used["tensorflow"] == "2.21.0"


class Search:
    """Finds a version when there is one, and keeps when it was asked, by a clock that it moves."""

    def __init__(self) -> None:
        self.now, self.times = 0.0, list[float]()
        self.version: str | None = None

    def monotonic(self) -> float:
        return self.now

    def tensorflow(self) -> str | None:
        self.times.append(self.now)
        return self.version


@pytest.mark.parametrize("version", ["2.21.0", ""])
def test_it_is_looked_for_until_it_is_loaded_and_ever_more_rarely(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    search = Search()
    monkeypatch.setattr(usage, "time", search)
    monkeypatch.setattr(loaded, "tensorflow", search.tensorflow)
    watched = Usage(own="")
    while search.now < 600:
        watched.look()
        search.now += 2
    assert search.times[:13] == [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 26, 30], "not before the program has begun"
    assert len(search.times) < 50
    assert watched.known
    search.version = version
    search.now += 100
    watched.look()
    assert not watched.known
    assert watched.document().get("tensorflow", "") == version


def test_a_local_task_leaves_it_in_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(usage, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(loaded, "tensorflow", lambda: "2.21.0")
    local = usage.of(job(), Task("worker", 0), str(tmp_path), contained=False)
    local.look()
    assert local.line() == "", "nothing goes into a message"
    assert '"tensorflow":"2.21.0"' in (tmp_path / usage.PROCESSES_FILE).read_text().replace(" ", "")

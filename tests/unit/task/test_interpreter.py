"""The Python of the lifecycle's image, copied for images that have none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.task.conftest import TASK, Container, job
from tfconfig.tensorflow_job.task import interpreter

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the chart's containers run on Linux")

LOOK = """
import ctypes, hashlib, json, os, select, socket, ssl, sys, threading
print(json.dumps([sys.prefix, sys.executable, sys.path, dict(os.environ), socket.getaddrinfo("localhost", 1)[0][4][0]]))
"""
# What an image may set for another Python and other libraries.
OF_THE_IMAGE = {
    "PYTHONHOME": "/opt/py2",
    "PYTHONPATH": "/opt/lib",
    "LD_LIBRARY_PATH": "/opt/old",
    "PATH": "/usr/bin:/bin",
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python")
    (folder / "bin").mkdir()
    (folder / "bin" / "half").write_text("of an init container that was cut off")
    done = subprocess.run([sys.executable, "-S", "-B", TASK, "interpreter", folder], check=False)
    assert done.returncode == 0
    return folder


def start(copied: Path) -> list[str]:
    """As _interpreter.tpl starts it."""
    return [str(copied / "ld.so"), "--library-path", f"{copied}/lib", f"{copied}/bin/python3", "-I", "-B"]


def test_the_copy_needs_no_other_file_and_no_variable_of_the_image(copied: Path) -> None:
    done = subprocess.run([*start(copied), "-S", "-c", LOOK], env=OF_THE_IMAGE, capture_output=True, check=True)
    prefix, executable, path, environ, address = json.loads(done.stdout)
    assert (prefix, executable) == (str(copied), f"{copied}/bin/python3")
    assert all(place.startswith(f"{copied}/") for place in path)
    environ.pop("LC_CTYPE", None)  # Python's own (PEP 538)
    assert environ == OF_THE_IMAGE
    assert address in ("127.0.0.1", "::1")
    maps = subprocess.run(
        [*start(copied), "-c", "print(open('/proc/self/maps').read())"], capture_output=True, check=True
    )
    libraries = {line.split()[-1] for line in maps.stdout.decode().splitlines() if ".so" in line}
    assert libraries
    assert all(library.startswith(str(copied)) for library in libraries)


def test_a_program_that_the_copy_starts_finds_the_variables_of_the_image(copied: Path, container: Container) -> None:
    container.write(job(program={"command": ["env"], "args": []}))
    words = [*start(copied), "-S", *container.task()[2:]]
    done = subprocess.run(words, env=OF_THE_IMAGE, capture_output=True, text=True, check=True)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    for name in ("PYTHONHOME", "LD_LIBRARY_PATH", "PATH"):
        assert found[name] == OF_THE_IMAGE[name]
    assert found["PYTHONPATH"].startswith("/opt/lib:")
    assert not {name for name in found if name.startswith(("LC_", "LANG"))}


def test_the_copy_leaves_out_what_nothing_needs(copied: Path) -> None:
    modules = next((copied / "lib").glob("python3.*"))
    assert not (modules / "test").exists()
    assert not (modules / "site-packages").exists()
    assert not (copied / "bin" / "half").exists()
    assert all(os.access(file, os.R_OK) for file in copied.rglob("*"))


def test_what_cannot_be_copied_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "python3"
    script.write_text("#!/bin/sh\n")
    monkeypatch.setattr(sys, "executable", str(script))
    assert interpreter.main([str(tmp_path / "folder")]) == 1
    assert f"cannot copy {script} of the lifecycle's image: {script} is no 64-bit program" in capfd.readouterr().err


def test_libraries_are_read_as_glibc_and_musl_list_them() -> None:
    glibc = "\tlinux-vdso.so.1 (0x7ffd)\n\tlibz.so.1 => /lib/libz.so.1 (0x7f)\n\t/lib64/ld-linux-x86-64.so.2 (0x7f)\n"
    musl = "\t/lib/ld-musl-x86_64.so.1 (0x7f)\n\tlibz.so.1 => /lib/libz.so.1 (0x7f)\n"
    assert [*interpreter._listed(glibc)] == [*interpreter._listed(musl)] == ["/lib/libz.so.1"]
    with pytest.raises(ValueError, match=r"libx.so.1 => not found"):
        [*interpreter._listed("\tlibx.so.1 => not found\n")]

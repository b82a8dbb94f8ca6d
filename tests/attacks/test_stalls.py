"""A small file does not keep the tool busy: each is checked within a minute of CPU time, and reported."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tfconfig.checking.limits import MAX_DIAGNOSTICS

PROGRAM = "program: {command: [python3, -m, train]}\n"
SIZE = 100_000
CPU_SECONDS = 60  # a tenth of it is enough on any machine
FILES = {
    "digits of a quantity": PROGRAM + f'shmSize: "{"1" * SIZE}!"\n',
    "digits of a passed-on quantity": PROGRAM
    + f'extraVolumes: [{{name: a, emptyDir: {{sizeLimit: "{"1" * SIZE}!"}}}}]\n',
    "open references": f'program: {{command: [x], args: ["{"$(" * (SIZE // 2)}"]}}\n',
    "open references in env": PROGRAM + f'env: {{A: "{"$(" * (SIZE // 2)}"}}\n',
    "open comments": PROGRAM + "# tfconfig: ignore[" * (SIZE // 4) + "\n",
    "wrong entries": PROGRAM + "extraVolumes:\n" + "- {a: 1}\n" * 20_000,
    "ignore comments": PROGRAM + "# tfconfig: ignore[TFC150]\n" * 20_000,
    "tasks without an end": PROGRAM + f"worker: {{replicas: {1 << 70}}}\n",
    "letters without an end": f"# {'a' * SIZE}\n{PROGRAM}",
    "duplicate keys": PROGRAM + "env: {A: b}\n" * 20_000,
}


def validate(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tfconfig", "validate", "-o", "json", "--strict", *words],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS)),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_checked_in_linear_time(name: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(f"{FILES[name]}unknown: 1\n", "utf-8")
    done = validate(str(file))
    assert done.returncode == 1, done.stderr[-2000:]
    assert json.loads(done.stdout)["diagnostics"]


def test_one_argument_of_many_digits_is_checked_in_linear_time(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(PROGRAM, "utf-8")
    done = validate("--set-json", f"run={'9' * SIZE}", str(file))
    assert done.returncode == 2, done.stderr[-2000:]
    assert "not JSON" in done.stderr or "no number" in done.stderr, done.stderr[-2000:]


def test_one_argument_that_fills_a_list_is_checked_in_linear_time(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(PROGRAM, "utf-8")
    done = validate("--set-json", "extraVolumes[65536]={}", str(file))
    assert done.returncode == 1, done.stderr[-2000:]


def test_what_is_not_reported_is_an_error_that_nobody_silences(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    lines = "".join(f"- {{a: {number}}} # tfconfig: ignore[TFC]\n" for number in range(2 * MAX_DIAGNOSTICS))
    file.write_text(f"{PROGRAM}extraVolumes:\n{lines}", "utf-8")
    done = validate("--ignore=TFC0", str(file))
    assert done.returncode == 1
    assert "TFC008" in {item["rule"] for item in json.loads(done.stdout)["diagnostics"]}

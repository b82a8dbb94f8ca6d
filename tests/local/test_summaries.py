"""What a local run tells at its end: of the attempt that decided, and of nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.running import Start, shell

COUNT = 'echo x >>"$TASK_COUNT"; n=$(wc -l <"$TASK_COUNT" | tr -d " "); '


def test_the_last_lines_are_those_of_the_attempt_that_decided(start: Start, tmp_path: Path) -> None:
    restart = {"policy": "OnFailure", "backoffLimit": 1}
    run = start(shell(f"{COUNT} echo attempt $n; exit 3", env={"TASK_COUNT": f"{tmp_path}/count"}, restart=restart))
    assert run.end() == 1
    summary = run.output.partition("last lines of worker-0:")[2]
    assert "attempt 2" in summary
    assert "attempt 1" not in summary


def test_the_line_before_the_program_is_none_that_it_printed(start: Start) -> None:
    run = start(shell("exit 3", restart={"policy": "Never"}))
    assert run.end() == 1
    assert "worker-0 printed nothing" in run.output
    assert "last line" not in run.output


def test_a_program_that_fails_soon_ends_with_how_far_it_came(start: Start) -> None:
    run = start(shell("echo step 7 of 10: loss 0.5; exit 1", restart={"policy": "Never"}))
    assert run.end() == 1
    assert "  progress       step 7 of 10 (70 %), loss 0.5" in run.output


def test_what_the_processes_used_is_told_also_of_those_that_failed_or_were_ended(start: Start, tmp_path: Path) -> None:
    busy = "i=0; while test $i -lt 300000; do i=$((i + 1)); done; test $TASK_TYPE = worker && sleep 600; exit 1"
    values = shell(busy, chief={"replicas": 1}, worker={"replicas": 2}, restart={"policy": "Never"})
    run = start(values, "--logs", "logs")
    assert run.end() == 1
    told = re.search(r"  usage +chief-0 (\S+) CPU seconds \(\S+ CPUs\), (\d+) MiB; worker tasks at most", run.output)
    assert told, run.output
    assert float(told[1]) >= 0.1
    assert 1 <= int(told[2]) < 100
    used = json.loads((tmp_path / "logs/status.json").read_text())["usage"]
    assert sorted(used) == ["chief-0", "worker-0", "worker-1"]


def test_a_full_disk_below_the_logs_is_told_and_the_job_goes_on(start: Start, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "worker-0.log").symlink_to("/dev/full")
    (logs / "status.json.part").symlink_to("/dev/full")
    (logs / "status.json").write_text("of an earlier job")
    run = start(shell("echo one; echo two; sleep 0.1; echo three"), "--logs", "logs")
    assert run.end() == 0
    told = "WARNING: --logs logs: No space left on device; the job goes on, and its output is no longer kept"
    assert run.output.count(told) == 1
    assert "worker-0 | three" in run.output
    assert "  logs           incomplete: logs: No space left on device" in run.output
    assert not (logs / "status.json").exists(), "none is better than a part, or that of another job"
    assert "Traceback" not in run.output


def test_a_full_temporary_folder_ends_the_job_with_what_to_do(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    # The program itself fills the folder; then it fails, and the next process cannot be given its files.
    values.write_text(
        yaml.safe_dump(shell('cat /dev/zero >"$TMPDIR/rest" 2>/dev/null; exit 1', worker={"replicas": 2}))
    )
    (tmp_path / "small").mkdir()
    script = 'mount -t tmpfs -o size=256k none "$TMPDIR" && exec "$@"'
    words = ["unshare", "-rm", "sh", "-c", script, "sh", sys.executable, "-m", "tfconfig", "run", "-f", str(values)]
    environ = {**os.environ, "TMPDIR": str(tmp_path / "small")}
    run = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=120, check=False)
    if "unshare" in run.stderr or "mount" in run.stderr:
        pytest.skip(f"no small file system can be mounted here: {run.stderr.strip()}")
    assert run.returncode == 2, run.stdout + run.stderr
    assert re.search(
        r"cannot write to .*/small/tfconfig-.*: No space left on device; free space there, or set TMPDIR",
        " ".join(run.stderr.split()),
    )
    assert "Traceback" not in run.stdout + run.stderr


def test_a_full_disk_below_standard_output_ends_the_job(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(shell("echo up; sleep 600")))
    words = [sys.executable, "-m", "tfconfig", "run", "-f", str(values)]
    with open("/dev/full", "w", encoding="utf-8") as full:
        run = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert run.returncode == 2
    assert "standard output: No space left on device; the job was ended" in run.stderr
    assert "Traceback" not in run.stderr

"""What the tasks of a job use, as the status and its end tell it."""

from __future__ import annotations

from .conftest import Jobs
from .programs import python
from .tool import Tool

# The first worker is busy and holds 160 MiB, beside a page cache that is larger; the other one rests.
PROGRAM = """
import os, time
from pathlib import Path
end = Path(os.environ["HOME"], "end")
if os.environ["TASK_INDEX"] == "0":
    held = bytearray(os.urandom(1 << 20) * 160)
    Path("/tmp/cached").write_bytes(bytes(300 << 20))
    while not end.exists() or time.process_time() < 5:
        sum(range(100000))
while not end.exists():
    time.sleep(0.1)
print("CPU seconds:", time.process_time())
"""
MIB = 1 << 20


def test_what_the_tasks_used_is_in_the_status(jobs: Jobs) -> None:
    limits = {"limits": {"cpu": "1", "memory": "700Mi"}, "requests": {"cpu": "10m", "memory": "32Mi"}}
    completion = {"successPolicy": "AllWorkers"}
    job = jobs.install(python("Custom", PROGRAM, worker={"replicas": 2}, resources=limits, completion=completion))
    job.wait_running()
    job.wait_until("both tasks tell it while they run", lambda: len(job.status.get("usage", {})) == 2)
    own = {}
    for task in ("worker-1", "worker-0"):
        job.tell(task, "end")
        own[task] = float(job.wait_for_log(task, r"^CPU seconds: (\S+)").group(1))
    used = job.wait_ended("Succeeded")["usage"]  # as both said when they ended
    for task in ("worker-0", "worker-1"):
        assert used[task]["memoryLimitBytes"] == 700 * MIB
        assert used[task]["cpuLimit"] == 1
        assert own[task] <= used[task]["cpuSeconds"] < own[task] * 1.2 + 1
    assert 160 * MIB <= used["worker-0"]["memoryPeakBytes"] < 300 * MIB
    assert used["worker-1"]["memoryPeakBytes"] < 100 * MIB
    shown, _ = Tool(jobs.target, jobs.namespace.name)("status", job.release, "-o", "wide")
    rows = {line.split()[0]: line for line in shown.partition("TASK  ")[2].splitlines()[1:]}
    assert "of 1 " in rows["worker-0"]
    assert "of 700 MiB" in rows["worker-1"]

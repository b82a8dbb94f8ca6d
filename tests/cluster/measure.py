"""How fast a job ends: seconds from the end of the deciding container's program, as the watches saw it."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from hack.cluster.proxy import Object

if TYPE_CHECKING:
    from .jobs import Job

# For the median, on a machine that does nothing else. What bounds each run is Job.wait_ended.
GOALS = {"recorded": 1.5, "ps_gone": 3.0, "gone": 4.0}
TITLES = {
    "recorded": "outcome recorded",
    "deleted": "all pods deleted",
    "ps_gone": "parameter servers gone",
    "gone": "all pods gone",
    "job_ended": "the Job is Complete or Failed",
}


@dataclass(frozen=True)
class Seconds:
    """From the program's end until each of these was so."""

    recorded: float
    deleted: float
    ps_gone: float | None
    gone: float
    job_ended: float


def measure(job: Job) -> Seconds | None:
    """The seconds of a job that ended and was freed; None where its program did not print when it ended."""
    end, run = program_end(job), job.status["runId"]
    if end is None:
        return None
    deleted: dict[str, float] = {}
    gone: dict[str, float] = {}
    ps: set[str] = set()
    for seen in job.namespace.pods.history:
        metadata = seen.object["metadata"]
        labels = metadata.get("labels", {})
        if labels.get("tensorflow-job/job") != job.name or labels.get("tensorflow-job/run-id") != run:
            continue
        if "deletionTimestamp" in metadata or seen.type == "DELETED":
            deleted.setdefault(metadata["uid"], seen.time)
        if seen.type == "DELETED":
            gone[metadata["uid"]] = seen.time
        if labels["tensorflow-job/role"] == "ps":
            ps.add(metadata["uid"])
    recorded = next(
        seen.time
        for seen in job.namespace.configmaps.history
        if seen.object["metadata"]["name"] == f"{job.name}-status" and _has_ended(seen.object, run)
    )
    job_ended = next(
        seen.time
        for seen in job.namespace.jobs.history
        if seen.object["metadata"]["name"] == job.controller
        and any(one["type"] in ("Complete", "Failed") for one in seen.object["status"].get("conditions", ()))
    )
    seconds = Seconds(
        recorded - end,
        max(deleted.values()) - end,
        max(gone[uid] for uid in ps) - end if ps else None,
        max(gone.values()) - end,
        job_ended - end,
    )
    assert seconds.recorded > -0.5, f"the outcome was recorded {-seconds.recorded:.1f} s before the program ended"
    return seconds


def program_end(job: Job) -> float | None:
    """When the deciding program ended by its own last line (programs.shell), as the lifecycle's log has kept them."""
    ends = re.findall(r"^  ended at (\d+\.\d+)$", job.lifecycle_log(), re.MULTILINE)
    return float(ends[-1]) if ends else None


def report(all_seconds: Iterable[Seconds]) -> list[str]:
    """Lines of a table: how many, median and maximum, beside the goals."""
    all_seconds = list(all_seconds)
    lines = [f"{'seconds from the end of the deciding program':46} runs  median     max  goal (median)"]
    for field in fields(Seconds):
        some = [value for one in all_seconds if (value := getattr(one, field.name)) is not None]
        if some:
            goal = f"{GOALS[field.name]:.1f}" if field.name in GOALS else ""
            lines.append(
                f"  {TITLES[field.name]:44} {len(some):4} {statistics.median(some):7.2f} {max(some):7.2f}  {goal}"
            )
    return lines


def _has_ended(document: Object, run: str) -> bool:
    status = json.loads((document.get("data") or {}).get("status.json") or "{}")
    return status.get("runId") == run and status.get("phase") in ("Succeeded", "Failed")

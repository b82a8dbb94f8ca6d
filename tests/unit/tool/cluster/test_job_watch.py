"""What is read again while a job is watched, and of several pods the newest; kubectl's answers as texts."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.unit.tool.cluster.documents import NOW, documents, job_spec, lifecycle_pod, pod, time
from tfconfig.cluster import jobs
from tfconfig.cluster.job_watch import JobWatch
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.cluster.log_follow import _TaskStream
from tfconfig.cluster.log_lines import LinePrinter
from tfconfig.cluster.reflector import Store, Wakeup


class Answers:
    """Stands in for kubectl; `asked` has what was asked."""

    namespace = "team"

    def __init__(self, *logs: str) -> None:
        self.asked: list[Any] = []
        self._logs = iter(logs)

    def path(self, *parts: str) -> str:
        return "/".join(parts)

    def text(self, path: str) -> str:
        self.asked.append(path)
        return "the log"

    def stream(self, _: str, **query: str) -> subprocess.Popen[bytes]:
        self.asked.append(query)
        program = [sys.executable, "-c", "import sys; sys.stdout.write(sys.argv[1])", next(self._logs)]
        return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_job_json_is_read_again_for_a_new_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = iter([job_spec(worker=1), job_spec(worker=7)])
    monkeypatch.setattr(jobs, "job_spec", lambda *_: next(specs))
    wakeup = Wakeup()
    status = Store(wakeup)
    watch = JobWatch(cast("Kubectl", Answers()), "digits", wakeup, status, Store(wakeup), Store(wakeup))
    sizes = []
    for run in ("a", "a", "b", "b"):
        status.objects = {"digits-status": documents(None, run_id=run).status}
        spec = watch.objects().job_spec
        assert spec
        sizes.append(spec["replicas"]["worker"])
    assert sizes == [1, 1, 7, 7]


def test_the_log_of_the_lifecycle_is_that_of_its_newest_pod() -> None:
    older = lifecycle_pod()
    older["metadata"] |= {"name": "older", "creationTimestamp": time(NOW - 900)}
    kubectl = Answers()
    for pods in ([older, lifecycle_pod()], [lifecycle_pod(), older]):
        assert jobs.lifecycle_log(cast("Kubectl", kubectl), replace(documents(None), pods=pods)) == "the log"
    assert kubectl.asked == ["pods/digits-lifecycle-abcdef01-x/log"] * 2


def test_what_limits_the_first_lines_of_a_log_does_not_limit_those_of_the_next_pod() -> None:
    kubectl = Answers("2026-11-23T15:17:31Z a\n", "2026-11-23T15:17:32Z b\n")
    printer = LinePrinter(["worker-0"], sys.stdout, colour=False)
    stream = _TaskStream(cast("Kubectl", kubectl), "worker-0", {"tailLines": "1", "sinceSeconds": "9"}, printer)
    for uid in ("first", "second"):
        document = pod("worker-0")
        document["metadata"]["uid"] = uid
        stream.attach(document)
        stream.join()
    assert kubectl.asked == [{"tailLines": "1", "sinceSeconds": "9", "follow": "true"}, {"follow": "true"}]

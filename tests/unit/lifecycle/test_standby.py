"""A superseded controller waits until the job has succeeded and is freed; the rest with a server: test_fencing.py."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle import status
from tfconfig.tensorflow_job.lifecycle.kubernetes import Client
from tfconfig.tensorflow_job.lifecycle.log import Log
from tfconfig.tensorflow_job.lifecycle.standby import stand_by
from tfconfig.tensorflow_job.lifecycle.state import SUCCEEDED, State
from tfconfig.tensorflow_job.lifecycle.status_store import Identity


def configmap(state: State) -> dict[str, Any]:
    text = status.dump(a_job(worker=1), state, {}).partition("\n")[0]
    annotations = {"tensorflow-job/run-id": "a", "tensorflow-job/controller": "another"}
    metadata = {"name": "digits-status", "resourceVersion": "1", "annotations": annotations}
    return {"metadata": metadata, "data": {"status.json": text}}


def test_a_success_is_over_when_everything_is_freed() -> None:
    """Before that it may be named again, and would have to free the rest."""
    succeeded = State("a", phase=SUCCEEDED, finished=1.0)
    answers = [configmap(succeeded), configmap(succeeded), configmap(replace(succeeded, freed=True))]
    client = SimpleNamespace(get=lambda *_: answers.pop(0), closed=threading.Event())
    identity = cast("Identity", SimpleNamespace(run_id="a", kube_job="digits-lifecycle-1"))
    assert stand_by(cast("Client", client), Log(io.StringIO()), "digits", identity, 0.0) == "succeeded"
    assert answers == []

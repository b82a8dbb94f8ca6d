"""What a superseded controller does: it waits.

Its Job is not the one that the status ConfigMap names any more. Helm removes such a Job at once, but `kubectl apply`
and Argo CD leave it where they do not prune. If its pod ended, Kubernetes would make the next one, for ever; and were
the Job to end, nobody would be there when its name comes back, as it does after a suspend and a resume. So it waits
until it is named again, until its Job is deleted, or until the job has succeeded. (After a failure it cannot end: it
may not change its Job any more, so Kubernetes would only start it again.)
"""

from __future__ import annotations

from typing import Literal

from ..task.names import status_name
from . import status
from .informer import StatusObject
from .kubernetes import ApiError, Client
from .log import Log
from .state import SUCCEEDED
from .status_store import Identity

LOOK_SECONDS = 5.0


def stand_by(client: Client, log: Log, job_name: str, identity: Identity, pace: float) -> Literal["named", "succeeded"]:
    """Wait without writing anything; why the wait is over. Deletion is a SIGTERM."""
    while True:
        try:
            current = StatusObject.read(client.get("configmaps", status_name(job_name)))
        except ApiError as error:  # a release that is being removed, or an API server out of reach
            log.write_once(f"the status cannot be read, waiting: {error}")
        else:
            if (current.run_id, current.controller) == (identity.run_id, identity.kube_job):
                return "named"
            if _has_succeeded(current):
                return "succeeded"
        client.closed.wait(LOOK_SECONDS * pace)


def _has_succeeded(current: StatusObject) -> bool:
    try:
        state = status.load(current.text)
    except ValueError:
        return False
    return state.run_id == current.run_id and state.phase == SUCCEEDED and state.freed

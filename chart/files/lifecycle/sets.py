"""The StatefulSets of the job: their sizes, asked one by one since the Role allows only that, and scaling them."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..task.contracts import JobSpec
from ..task.names import set_name
from .kubernetes import ApiError, Client
from .pod_status import size
from .state import Scale, Set

ATTENTIVE_SECONDS = 10.0  # after Helm has changed the annotations, it changes the sets
RETRY_SECONDS = 0.5


class StatefulSets:
    """The sizes as they were last seen, in `sizes`. `refused` hears of calls that the API server did not carry out."""

    def __init__(self, client: Client, job_name: str, refused: Callable[[str, ApiError], None], pace: float) -> None:
        self._client, self._job_name, self._refused, self._pace = client, job_name, refused, pace
        self.sizes: dict[str, Set] = {}
        self.next_poll = 0.0  # by time.monotonic()
        self._attentive_until = 0.0

    def poll(self, job: JobSpec, pods: int, freeing: bool) -> None:
        """Ask for the sizes when that is due: often while they change, and when only the sets are left to be freed."""
        now = time.monotonic()
        if now < self.next_poll and not (freeing and not pods):
            return
        failed = False
        for role in job["replicas"]:
            name = set_name(self._job_name, role)
            try:
                self.sizes[role] = size(self._client.get("statefulsets", name))
            except ApiError as error:
                failed = True
                self._refused(f"reading StatefulSet {name}", error)
                if error.status == 404:
                    self.sizes.pop(role, None)
                else:
                    self.sizes.setdefault(role, Set(0, 0, False))
        self.next_poll = now + self._gap(now, pods, freeing) * self._pace
        if failed:
            self._poll_soon()

    def scale(self, action: Scale) -> None:
        """Ask for a size."""
        name = set_name(self._job_name, action.role)
        try:
            answer = self._client.patch("statefulsets", name, {"spec": {"replicas": action.replicas}}, "scale")
        except ApiError as error:
            self._refused(f"scaling StatefulSet {name} to {action.replicas}", error)
        else:
            self.sizes[action.role] = Set(action.replicas, answer.get("status", {}).get("replicas", 0), False)
        self._poll_soon()

    def expect_changes(self) -> None:
        """Look at once, and often for a while."""
        self._attentive_until = time.monotonic() + ATTENTIVE_SECONDS * self._pace
        self.next_poll = 0.0

    def _gap(self, now: float, pods: int, freeing: bool) -> float:
        if freeing and not pods:
            return 0.5
        if now < self._attentive_until:
            return 1.0
        if freeing:
            return 2.0
        return 5.0 if pods != sum(size.desired for size in self.sizes.values()) else 30.0

    def _poll_soon(self) -> None:
        self.next_poll = min(self.next_poll, time.monotonic() + RETRY_SECONDS * self._pace)

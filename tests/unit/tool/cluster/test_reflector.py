"""The local copy of a list follows the list: through events, broken watches, an expired history and an outage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.unit.lifecycle.fake import NAMESPACE
from tests.unit.tool.cluster.kube import JOB, PATIENCE, Kube
from tfconfig.cluster import reflector
from tfconfig.cluster.errors import ForbiddenError, UnreachableError
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.cluster.reflector import Reflector, Store, Wakeup

WORKERS = {"labelSelector": "app.kubernetes.io/component=training"}


class Watched:
    """The store of a reflector, and a way to wait for what should be in it."""

    def __init__(self, store: Store, wakeup: Wakeup) -> None:
        self.store, self._wakeup = store, wakeup

    @property
    def restarts(self) -> dict[str, int]:
        """Pod -> its restarts."""
        pods = self.store.objects
        return {name: pod["status"]["containerStatuses"][0]["restartCount"] for name, pod in pods.items()}

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it; every change of the store has to wake."""
        with self._wakeup.lock:
            assert self._wakeup.lock.wait_for(condition, PATIENCE), (self.restarts, self.store.error)


Watching = Callable[[], Watched]


@pytest.fixture
def watching(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watching]:
    """Starts to watch the training pods, of which worker-0 was there before."""
    monkeypatch.setattr(reflector, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(reflector, "POLL_SECONDS", 0.01)
    kube.start("worker-0")
    with ExitStack() as closing:

        def start() -> Watched:
            wakeup = Wakeup()
            pods = Reflector(Kubectl(NAMESPACE), "pods", wakeup, **WORKERS)
            closing.callback(pods.close)
            return Watched(pods.store, wakeup)

        yield start


@pytest.fixture
def watched(watching: Watching) -> Watched:
    """The training pods."""
    return watching()


def test_objects_are_listed_at_once(watched: Watched) -> None:
    assert watched.restarts == {f"{JOB}-worker-0": 0}
    assert watched.store.error is None


def test_objects_that_are_added_changed_and_deleted(kube: Kube, watched: Watched) -> None:
    kube.start("worker-1")
    watched.until(lambda: watched.restarts == {f"{JOB}-worker-0": 0, f"{JOB}-worker-1": 0})
    kube.restart("worker-0", 1)
    watched.until(lambda: watched.restarts == {f"{JOB}-worker-0": 1, f"{JOB}-worker-1": 0})
    kube.remove("pods", f"{JOB}-worker-0")
    watched.until(lambda: watched.restarts == {f"{JOB}-worker-1": 0})
    assert kube.requests["LIST pods"] == 1, "all of it by the watch"


def test_events_of_a_watch_are_applied_to_a_copy_that_readers_hold_on_to() -> None:
    store = Store(Wakeup())
    pods = [{"metadata": {"name": name}} for name in ("a", "b")]
    store.replace(pods)
    before = store.objects
    store.apply("DELETED", pods[0])
    assert (list(before), list(store.objects)) == (["a", "b"], ["b"])
    store.apply("ADDED", pods[0])
    store.apply("MODIFIED", {"metadata": {"name": "b", "labels": {}}})
    assert store.objects == {"a": pods[0], "b": {"metadata": {"name": "b", "labels": {}}}}


@pytest.mark.parametrize("trouble", [Kube.cut, Kube.expire])
def test_a_watch_that_breaks_is_taken_up_again(kube: Kube, watched: Watched, trouble: Callable[[Kube], None]) -> None:
    trouble(kube)
    kube.start("worker-1")
    kube.remove("pods", f"{JOB}-worker-0")
    watched.until(lambda: watched.restarts == {f"{JOB}-worker-1": 0})
    trouble(kube)
    kube.restart("worker-1", 1)
    watched.until(lambda: watched.restarts == {f"{JOB}-worker-1": 1})


def test_during_an_outage_there_is_an_error_and_the_objects_stay(kube: Kube, watched: Watched) -> None:
    with kube.outage():
        watched.until(lambda: isinstance(watched.store.error, UnreachableError))
        assert watched.restarts == {f"{JOB}-worker-0": 0}
        kube.remove("pods", f"{JOB}-worker-0")
    watched.until(lambda: watched.store.error is None)
    watched.until(lambda: watched.restarts == {})


def test_where_watching_is_forbidden_it_lists_again_and_again(
    kube: Kube, watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector, "RETRY_SECONDS", 3600.0)  # this is no failure to wait after
    kube.forbid("watch pods")
    watched = watching()
    kube.start("worker-1")
    watched.until(lambda: f"{JOB}-worker-1" in watched.restarts)
    kube.restart("worker-1", 1)
    watched.until(lambda: watched.restarts[f"{JOB}-worker-1"] == 1)
    assert watched.store.error is None


def test_a_list_that_is_forbidden_from_the_beginning_is_an_error_at_once(kube: Kube) -> None:
    kube.forbid("list pods")
    with pytest.raises(ForbiddenError, match="no permission to list pods in namespace team-a"):
        Reflector(Kubectl(NAMESPACE), "pods", Wakeup())


def test_a_change_while_nobody_waits_is_not_missed() -> None:
    wakeup = Wakeup()
    wakeup.notify()
    wakeup.wait(3600)  # missed, it would be waited for until the test times out

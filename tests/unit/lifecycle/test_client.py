"""The API client: what it asks for, and what it does when the connection or the server is in trouble."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tfconfig.tensorflow_job.lifecycle import kubernetes
from tfconfig.tensorflow_job.lifecycle.deleter import CONNECTIONS, Deleter
from tfconfig.tensorflow_job.lifecycle.kubernetes import ApiError, Client

from .conftest import Install
from .fake import NAMESPACE, Cluster, Document
from .fake_server import Server


class Notes:
    """A handler that only takes notes."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.names: dict[str, Document] = {}
        self.lists = 0
        self.lost: list[str] = []
        self.is_live = False

    def updated(self, document: Document) -> None:
        with self.lock:
            self.names[document["metadata"]["name"]] = document
            self.lock.notify_all()

    def deleted(self, document: Document) -> None:
        with self.lock:
            del self.names[document["metadata"]["name"]]
            self.lock.notify_all()

    def listed(self, names: set[str]) -> None:
        with self.lock:
            self.lists += 1
            self.names = {name: document for name, document in self.names.items() if name in names}
            self.lock.notify_all()

    def synced(self, yes: bool, why: str = "") -> None:
        with self.lock:
            self.is_live = yes
            self.lost += [] if yes else [why]
            self.lock.notify_all()

    def refused(self, times: int) -> bool:
        return self.is_live and sum(why.startswith("403") for why in self.lost) == times

    def until(self, condition: Callable[[], Any]) -> None:
        with self.lock:
            assert self.lock.wait_for(condition, 5), f"{sorted(self.names)}, {self.lists} lists, lost {self.lost}"


@pytest.fixture
def api(install: Install) -> tuple[Cluster, Server]:
    """A cluster in which nothing runs."""
    return install()


@pytest.fixture
def client(api: tuple[Cluster, Server]) -> Iterator[Client]:
    """Its client."""
    made = Client(api[1].url, folder="/nowhere", namespace=NAMESPACE, timeout=5.0, pause=0.01)
    yield made
    made.close()


@pytest.fixture
def follow(client: Client) -> Iterator[Callable[..., Notes]]:
    """Watches in threads of their own."""
    threads: list[threading.Thread] = []

    def follower(**query: str) -> Notes:
        notes = Notes()

        def work() -> None:
            client.follow("pods", notes, **query)
            client.leave()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        threads.append(thread)
        return notes

    yield follower
    client.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


def make(cluster: Cluster, *names: str) -> None:
    for name in names:
        cluster.create("pods", name, {"spec": {}, "status": {}}, labels={"app": "x"})


# --- watching -----------------------------------------------------------------------------------------------------


def test_a_list_comes_in_pages_and_the_watch_goes_on_from_it(
    api: tuple[Cluster, Server], follow: Callable[..., Notes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes, "PAGE_SIZE", 2)
    cluster, _ = api
    make(cluster, "a", "b", "c", "d", "e")
    notes = follow(labelSelector="app")
    notes.until(lambda: notes.lists == 1)
    assert sorted(notes.names) == list("abcde")
    assert cluster.requests["LIST pods"] == 3
    make(cluster, "f")
    notes.until(lambda: "f" in notes.names)
    cluster.store("DELETED", "pods", cluster.get("pods", "a"))
    notes.until(lambda: "a" not in notes.names)
    assert cluster.requests["LIST pods"] == 3


def test_bookmarks_keep_a_quiet_watch_from_growing_too_old(
    api: tuple[Cluster, Server], follow: Callable[..., Notes]
) -> None:
    cluster, _ = api
    notes = follow(labelSelector="app")
    notes.until(lambda: notes.is_live)
    cluster.annotate(suspend="true")  # the version moves on, but not for pods
    wanted, versions = cluster.version, []
    cluster.refuse = lambda verb, *_: versions.append(verb) if verb == "WATCH" else None
    watches = cluster.requests["WATCH pods"]
    cluster.until(lambda: cluster.bookmarked >= wanted)
    cluster.forgotten = wanted  # a watch from before would be told 410 now
    cluster.cut()
    cluster.until(lambda: cluster.requests["WATCH pods"] > watches)
    make(cluster, "new")
    notes.until(lambda: "new" in notes.names)
    assert notes.lists == 1


def test_a_page_token_that_expired_starts_the_list_anew(
    api: tuple[Cluster, Server], follow: Callable[..., Notes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes, "PAGE_SIZE", 2)
    cluster, _ = api
    make(cluster, "a", "b", "c")
    lists = iter(range(3))

    def expire(verb: str, *_: str) -> None:
        if verb == "LIST" and next(lists, 9) == 1:
            cluster.expire()

    cluster.refuse = expire
    notes = follow(labelSelector="app")
    notes.until(lambda: notes.lists == 1)
    assert sorted(notes.names) == list("abc")
    assert cluster.requests["LIST pods"] == 4


def test_a_connection_that_went_silent_is_given_up(
    api: tuple[Cluster, Server], follow: Callable[..., Notes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes, "SILENCE_SECONDS", 0.1)
    cluster, _ = api
    cluster.bookmark_seconds = 60.0
    notes = follow(labelSelector="app")
    notes.until(lambda: len(notes.lost) >= 2)
    assert "TimeoutError" in notes.lost[0]
    assert notes.lists == 1
    cluster.cut()


def test_a_refusal_to_watch_that_stays_is_raised(api: tuple[Cluster, Server], client: Client) -> None:
    cluster, _ = api
    cluster.refuse = lambda *_: 403
    with pytest.raises(ApiError, match="403: LIST pods"):
        client.follow("pods", Notes())
    assert cluster.requests["LIST pods"] > 3


def test_a_watch_that_only_says_an_error_is_refused(api: tuple[Cluster, Server], client: Client) -> None:
    cluster, _ = api
    cluster.watch_error = 403
    notes = Notes()
    with pytest.raises(ApiError, match="403: WATCH pods ends at once"):
        client.follow("pods", notes)
    assert cluster.requests["WATCH pods"] > 3
    assert len(notes.lost) == cluster.requests["WATCH pods"] - 1


def test_a_watch_that_says_an_error_again_and_again_is_opened_ever_more_slowly(
    api: tuple[Cluster, Server], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, _ = api
    cluster.watch_error = 500
    pauses: list[int] = []

    def back_off(tries: int, error: ApiError | None = None) -> None:  # noqa: ARG001
        pauses.append(tries)
        if tries == 3:
            client.closed.set()

    monkeypatch.setattr(client, "back_off", back_off)
    client.follow("pods", Notes())
    assert pauses == [1, 2, 3]


def test_refusals_now_and_then_are_lived_with(
    api: tuple[Cluster, Server], client: Client, follow: Callable[..., Notes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_patience", 0.0)  # two in a row are too many
    cluster, _ = api
    notes = follow()
    notes.until(lambda: notes.is_live)
    for times in (1, 2, 3):
        refusals = iter([403])
        cluster.refuse = lambda verb, *_, left=refusals: next(left, None) if verb == "WATCH" else None
        cluster.cut()
        notes.until(partial(notes.refused, times))
    assert notes.lists == 1


# --- single calls -------------------------------------------------------------------------------------------------


def test_errors_carry_kubernetes_words(client: Client) -> None:
    with pytest.raises(ApiError) as raised:
        client.get("pods", "nobody")
    assert (raised.value.status, raised.value.message) == (404, 'pods "nobody" not found')
    assert not raised.value.temporary


def test_one_connection_serves_many_calls_and_is_replaced_when_the_server_closed_it(
    api: tuple[Cluster, Server], client: Client
) -> None:
    cluster, server = api
    for _ in range(3):
        client.get("configmaps", "j-status")
    assert len(server.connections) == 1
    server.connections[0].shutdown(socket.SHUT_RDWR)
    client.get("configmaps", "j-status")
    assert len(server.connections) == 2
    assert cluster.requests["GET configmaps"] == 4


def test_a_server_that_does_not_answer_is_an_error_without_status(client: Client, api: tuple[Cluster, Server]) -> None:
    with api[0].outage(), pytest.raises(ApiError) as raised:
        client.get("pods")
    assert (raised.value.status, raised.value.temporary) == (0, True)


def test_insisting_outlasts_an_outage_and_says_so_once(api: tuple[Cluster, Server], client: Client) -> None:
    cluster, _ = api
    refusals = iter([503, 500, 429, 403])
    cluster.refuse = lambda *_: next(refusals, None)
    logged: list[str] = []
    assert client.insist(lambda: client.get("configmaps", "j-status"), logged.append)["metadata"]["name"] == "j-status"
    assert len(logged) == 1
    assert cluster.requests["GET configmaps"] == 5


def test_insisting_leaves_conflicts_to_the_caller(api: tuple[Cluster, Server], client: Client) -> None:
    stale = {"metadata": {"resourceVersion": "1"}, "data": {"status.json": "{}"}}
    with pytest.raises(ApiError, match="409"):
        client.insist(lambda: client.patch("configmaps", "j-status", stale), print)
    assert api[0].requests["PATCH configmaps"] == 1


# --- deleting -----------------------------------------------------------------------------------------------------


def spawner(client: Client) -> tuple[list[threading.Thread], Callable[[Callable[[], None]], None]]:
    """Threads that make calls, and how to start one more."""
    threads: list[threading.Thread] = []

    def spawn(work: Callable[[], None]) -> None:
        def guarded() -> None:
            work()
            client.leave()

        threads.append(threading.Thread(target=guarded))
        threads[-1].start()

    return threads, spawn


def test_pods_that_wait_their_turn_are_deleted_once_however_long_that_takes(
    api: tuple[Cluster, Server], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5,000 deletions take minutes where the API server is busy; asking again would make 7,700 of them."""
    monkeypatch.setattr("tfconfig.tensorflow_job.lifecycle.deleter.REPEAT_SECONDS", 0.0)
    cluster, _ = api
    names = [f"j-worker-{index}" for index in range(3 * CONNECTIONS)]
    make(cluster, *names)
    uids = {name: cluster.get("pods", name)["metadata"]["uid"] for name in names}
    threads, spawn = spawner(client)
    deletions = Deleter(client, print, spawn)
    busy = iter([503])
    with cluster.lock:  # none is answered
        for _ in range(3):
            for name in names:
                deletions.delete(name, uids[name], None)
        cluster.refuse = lambda *_: next(busy, None)
    deletions.flush(10.0)
    assert cluster.requests["DELETE pods"] == len(names)
    for name in names:
        if "deletionTimestamp" not in cluster.get("pods", name)["metadata"]:  # refused for the moment
            deletions.delete(name, uids[name], None)
    deletions.flush(10.0)
    deletions.stop()
    for thread in threads:
        thread.join(5)
    assert cluster.requests["DELETE pods"] == len(names) + 1


def test_a_pod_that_somebody_else_deletes_in_the_meantime_is_not_asked_for(
    api: tuple[Cluster, Server], client: Client
) -> None:
    """The StatefulSet's controller deletes at the same time: of 1,000 requests 150 would come too late."""
    cluster, _ = api
    make(cluster, "j-worker-0", "j-worker-1")
    threads, spawn = spawner(client)
    deletions = Deleter(client, print, spawn)
    for name, needed in (("j-worker-0", lambda: False), ("j-worker-1", lambda: True)):
        deletions.delete(name, cluster.get("pods", name)["metadata"]["uid"], None, needed)
    deletions.flush(10.0)
    deletions.stop()
    for thread in threads:
        thread.join(5)
    assert "deletionTimestamp" not in cluster.get("pods", "j-worker-0")["metadata"]
    assert "deletionTimestamp" in cluster.get("pods", "j-worker-1")["metadata"]
    assert cluster.requests["DELETE pods"] == 1


# --- connections --------------------------------------------------------------------------------------------------


def test_a_token_that_the_kubelet_renewed_is_used(api: tuple[Cluster, Server], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    (tmp_path / "namespace").write_text(NAMESPACE)
    client = Client(api[1].url, folder=str(tmp_path))
    client.get("pods")
    (tmp_path / "token").write_text("new\n")
    client.get("pods")
    client.close()
    assert api[1].tokens == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize(("host", "url"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")])
def test_the_pods_own_server_is_found_by_its_environment(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    client = Client(namespace="n")
    assert client.server.geturl() == url
    assert client.server.hostname == host


# --- TLS ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A CA as many clusters have it, without key identifiers, and a server's certificate for 127.0.0.1 by it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    (tmp_path / "ca.cnf").write_text("[req]\ndistinguished_name=d\n[d]\n[ca]\nbasicConstraints=CA:TRUE\n")
    (tmp_path / "ext.cnf").write_text("subjectAltName=IP:127.0.0.1\n")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=ca -config ca.cnf -extensions ca",
        "req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN=api -config ca.cnf",
        "x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -set_serial 1 -out tls.crt -extfile ext.cnf",
    ):
        subprocess.run([openssl, *command.split()], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def test_tls_with_the_clusters_ca(api: tuple[Cluster, Server], certificates: Path) -> None:
    server = api[1]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "tls.crt", certificates / "tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = server.url.replace("http:", "https:")
    trusting = Client(url, folder=str(certificates), namespace=NAMESPACE)
    assert trusting.get("configmaps", "j-status")["metadata"]["name"] == "j-status"
    trusting.close()
    (certificates / "ca.crt").write_text((certificates / "tls.crt").read_text())
    doubting = Client(url, folder=str(certificates), namespace=NAMESPACE)
    with pytest.raises(ApiError, match="CERTIFICATE_VERIFY_FAILED"):
        doubting.get("configmaps", "j-status")
    doubting.close()

"""The lifecycle Job from its start to its exit status: puts the controller together, and ends as the training ended."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TextIO

from ..task.job_spec import tasks
from ..task.names import status_name
from . import metrics, sidecars
from .controller import Controller
from .decide import announcement
from .events import EventRecorder
from .job_file import JobFile, StaleJobError
from .kubernetes import ApiError, Client
from .log import Log
from .standby import stand_by
from .status_store import Identity, ReplacedError, StatusStore, SupersededError
from .text import plural

if TYPE_CHECKING:
    from ..task.contracts import JobSpec

EXIT_SUPERSEDED = 143  # of a controller that is stopped or replaced; never 1, which means "training failed"
EXIT_CRASHED = 70

MAX_CRASHES, CRASH_SECONDS = 3, 0.5  # that this pod goes on after, and the first wait; it is doubled each time
MAX_LOSSES = 1000  # of the controller's own pods, before Kubernetes fails the Job


def run(
    connect: Callable[[], Client],
    config: str,
    identity: Identity,
    out: TextIO | None = None,
    pace: float = 1.0,
    metrics_port: int = 0,
    last_scrape: float = 0.0,
) -> int:
    """Control the run to its end; the Job's exit status. While another controller is named, wait.

    `config` is the folder of job.json; with a `metrics_port` metrics are served there, after the end until they were
    scraped, or for `last_scrape` seconds. `pace` is for tests: all waits times this.
    """
    log, crashes = Log(out), 0
    while True:
        client, crashed = connect(), False
        try:
            return _control(client, log, config, identity, pace, metrics_port, last_scrape)
        except SupersededError as reason:
            log.write(f"waiting until this controller is named again, or deleted: {reason}")
        except (ReplacedError, StaleJobError) as reason:
            log.write(f"exiting: {reason}")
            return EXIT_SUPERSEDED
        except ApiError as error:
            log.write(f"exiting: the API server refuses: {error}")
            return EXIT_SUPERSEDED
        except Exception:
            log.write_block(traceback.format_exc().splitlines())
            crashes, crashed = crashes + 1, True
            if crashes > MAX_CRASHES:
                return EXIT_CRASHED
        finally:
            client.close()
        if crashed:  # Kubernetes would wait longer before it makes the next pod
            time.sleep(CRASH_SECONDS * 2**crashes * pace)
            continue
        if _stand_by(connect(), log, config, identity, pace) == "succeeded":
            log.write("exiting: the job has succeeded")
            return 0
        log.write("this controller is named again")


def _control(
    client: Client, log: Log, config: str, identity: Identity, pace: float, metrics_port: int, last_scrape: float
) -> int:
    job_file = JobFile(config, identity.run_id)
    StatusStore(client, log, status_name(job_file.job_name()), identity, pace).fence()  # job.json may be another's
    controller = _start(client, log, job_file, job_file.wait(log, client.closed, pace), identity, pace)
    server = _serve_metrics(metrics_port, controller, log) if metrics_port else None
    try:
        success = controller.loop()
        if server and last_scrape:
            server.wait_for_scrape(last_scrape * pace)
    finally:
        controller.stop()
        if server:
            server.stop()
    if not success:
        _fail_job(client, log, identity.kube_job)
    return 0 if success else 1


def _stand_by(client: Client, log: Log, config: str, identity: Identity, pace: float) -> str:
    try:
        return stand_by(client, log, JobFile(config, identity.run_id).job_name(), identity, pace)
    finally:
        client.close()


def _start(client: Client, log: Log, job_file: JobFile, job: JobSpec, identity: Identity, pace: float) -> Controller:
    """A controller that continues from the stored state."""
    log.write(f"lifecycle of job {job['name']}, run {identity.run_id}, {plural(len(tasks(job)), 'task')}")
    store = StatusStore(client, log, status_name(job["name"]), identity, pace)
    store.load()
    uid = _tolerate_losses(client, log, identity.kube_job)
    recorder = EventRecorder(client, log, identity.kube_job, uid, pace)
    if store.state.ended and not store.state.freed:
        recorder.add([announcement(store.state)])  # the controller before may have been lost before it did
    sidecar = sidecars.warning(client, identity.pod)
    if sidecar:
        log.write(f"{sidecar.reason}: {sidecar.message}")
        recorder.add([sidecar])
    controller = Controller(client, log, job_file, job, store, recorder, pace)
    controller.start()
    return controller


def _tolerate_losses(client: Client, log: Log, kube_job: str) -> str:
    """Let lost pods of the controller not fail the Job; the Job's UID. Not rendered, since `_fail_job` changes it."""
    patch = partial(client.patch, "jobs", kube_job, {"spec": {"backoffLimit": MAX_LOSSES}})
    return str(client.insist(patch, log.write_once)["metadata"]["uid"])


def _fail_job(client: Client, log: Log, kube_job: str) -> None:
    """Let the Job fail as soon as this pod has ended with 1: one failure more than it may have.

    (With a limit below the failures so far, those of lost controllers, this pod would be deleted, and its log with it.)
    """
    status = client.insist(partial(client.get, "jobs", kube_job), log.write_once).get("status", {})
    failed = status.get("failed", 0) + len(status.get("uncountedTerminatedPods", {}).get("failed", ()))
    client.insist(partial(client.patch, "jobs", kube_job, {"spec": {"backoffLimit": failed}}), log.write_once)


def _serve_metrics(port: int, controller: Controller, log: Log) -> metrics.Server | None:
    try:
        server = metrics.Server(port, controller.metrics)
        server.start()
        return server
    except OSError as error:  # the job is more important
        log.write(f"no metrics are served: port {port}: {error.strerror}")
        return None


def main(arguments: Sequence[str]) -> int:
    """`--config=DIR --job=NAME --run-id=ID [--metrics=PORT [--last-scrape=SECONDS]]`.

    Exits as the training ended, else 143, or 70: a bug.
    """
    parser = argparse.ArgumentParser(prog="lifecycle")
    parser.add_argument("--config", required=True)
    parser.add_argument("--job", required=True)
    parser.add_argument("--run-id", required=True)
    parser.add_argument("--metrics", type=int, default=0)
    parser.add_argument("--last-scrape", type=float, default=0.0)
    options = parser.parse_args(arguments)

    def stop(*_: object) -> NoReturn:
        os.write(1, b"stopped; the next pod of this Job continues from here\n")
        os._exit(EXIT_SUPERSEDED)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    identity = Identity(options.run_id, options.job, socket.gethostname())
    return run(Client, options.config, identity, metrics_port=options.metrics, last_scrape=options.last_scrape)

"""Wait until the peers that a program needs can be reached, and log what it waits for. Python 3.6.

TensorFlow waits for them too, but silently and for ever; on a cluster a name resolves only once its pod has an address.
There is no time limit here: deadlines.startSeconds ends a job, naming the tasks that never ran.
"""

import socket
import time
from typing import TYPE_CHECKING, List

from .job_spec import Task, address, awaited, name
from .log import log

if TYPE_CHECKING:
    from .contracts import JobSpec

CONNECT_SECONDS = 2.0
LONGEST_PAUSE = 2.0


def wait(job: "JobSpec", task: Task) -> None:
    """Return when every built-in server accepts connections and the leading task's name resolves."""
    servers, names = awaited(job, task)
    _wait_for_each(job, servers, True)
    _wait_for_each(job, names, False)


def _wait_for_each(job: "JobSpec", peers: List[Task], connect: bool) -> None:
    for number, peer in enumerate(peers):
        began = time.monotonic()
        pause, log_at = 0.05, began + 2.0
        while True:
            problem = _problem(address(job, peer), connect)
            now = time.monotonic()
            if not problem:
                if log_at > began + 2.0:
                    log("%s answers after %d s" % (name(peer), now - began))
                break
            if now >= log_at:
                done = " (%d of %d peers answer)" % (number, len(peers)) if len(peers) > 1 else ""
                log("waiting for %s: %s, %d s%s" % (name(peer), problem, now - began, done))
                log_at = now + max(5.0, min(60.0, now - began))
            time.sleep(pause)
            pause = min(pause * 1.6, LONGEST_PAUSE)


def _problem(where: str, connect: bool) -> str:
    """Why this address cannot be reached; "" when it can."""
    host, _, port = where.rpartition(":")
    try:
        candidates = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        return "name not found"
    if not connect:
        return ""
    problem = ""
    for family, kind, protocol, _, target in candidates:
        with socket.socket(family, kind, protocol) as connection:
            connection.settimeout(CONNECT_SECONDS)
            try:
                connection.connect(target)
                return ""
            except socket.timeout:
                problem = "no answer"
            except OSError as error:
                problem = (error.strerror or str(error)).lower()
    return problem

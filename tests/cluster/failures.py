"""What explains a failed test: the status, logs, pods and Events."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from hack.cluster.proxy import ApiError

from .jobs import Job
from .namespaces import Namespace


def describe(namespace: Namespace, jobs: Sequence[Job]) -> str:
    """Everything that explains what happened to these jobs."""
    return "\n".join([_namespace(namespace), *map(_job, jobs)])


def _job(job: Job) -> str:
    parts = [f"== job {job.name}: status.json", json.dumps(job.status, indent=1)]
    for task in job.pods:
        parts += [f"== log of {task}", *_log(job, f"{job.name}-{task}", 30)]
    for pod in job.lifecycle_pods:
        name = pod["metadata"]["name"]
        parts += [f"== log of {name}", *_log(job, name, 60)]
    return "\n".join(parts)


def _log(job: Job, pod: str, lines: int) -> list[str]:
    try:
        text = job.log_of(pod, {} if "lifecycle" in pod else {"container": "tensorflow"})
    except ApiError as error:
        text = str(error)
    return text.splitlines()[-lines:]


def _namespace(namespace: Namespace) -> str:
    """Pods and Events."""
    lines = [f"== namespace {namespace.name} at {time.strftime('%H:%M:%SZ', time.gmtime())}: pods"]
    for name, pod in sorted(namespace.pods.objects.items()):
        states = [
            f"{one['restartCount']} restarts, {json.dumps(one['state'])}, last {json.dumps(one.get('lastState'))}"
            for one in pod["status"].get("containerStatuses", ())
        ]
        deleted = f" deleted {pod['metadata']['deletionTimestamp']}" if "deletionTimestamp" in pod["metadata"] else ""
        lines.append(f"{name}: {pod['status'].get('phase')}{deleted} {'; '.join(states)}")
    lines.append("== events")
    events = namespace.list("events")
    events.sort(key=lambda event: str(event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]))
    for event in events:
        about = event["involvedObject"]
        when = event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]
        lines.append(f"{when} {about['kind']} {about.get('name')} {event['reason']}: {event.get('message')}")
    return "\n".join(lines)

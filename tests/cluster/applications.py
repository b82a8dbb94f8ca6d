"""A job that Argo CD deploys: its Git repository, its Application, and what Argo CD says about it."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import yaml

from hack.cluster.argocd import NAMESPACE
from hack.cluster.proxy import ApiError, Object

from .jobs import Job
from .namespaces import Seen, Watch
from .programs import CHART, Values

MANIFEST = Path(__file__).parent / "argocd-application.yaml"
AUTHOR = ["-c", "user.name=test", "-c", "user.email=test@example.com"]


class Application:
    """The Application of one job, and the repository that it deploys: the chart, and the job's values."""

    def __init__(self, job: Job, folder: Path) -> None:
        self.job, self._folder, self._api = job, folder, job.namespace.api
        self.name = job.namespace.name
        self.commits: list[str] = []
        shutil.copytree(CHART, folder / "chart")
        self._git("init", "--quiet", "--initial-branch=main")
        self._watch = Watch(self._api, "applications", NAMESPACE, threading.Condition())

    def commit(self, values: Values) -> str:
        """Make these the job's values; Argo CD will notice. The revision."""
        (self._folder / "digits.yaml").write_text(yaml.safe_dump(self.job.complete(values)), "utf-8")
        self._git("add", "--all")
        self._git(*AUTHOR, "commit", "--quiet", "--message=Values")
        self.commits.append(self._git("rev-parse", "HEAD"))
        return self.commits[-1]

    def create(self, policy: Values, options: Values) -> None:
        """Hand it to Argo CD, with this `automated` policy and annotations and sync options."""
        body = yaml.safe_load(MANIFEST.read_text("utf-8"))
        body["metadata"] |= {"name": self.name, "annotations": options.get("annotations", {})}
        body["spec"]["source"] |= {"repoURL": f"file://{self._folder}"}
        body["spec"]["source"]["helm"]["releaseName"] = self.job.release
        body["spec"]["destination"]["namespace"] = self.job.namespace.name
        body["spec"]["syncPolicy"]["automated"] |= policy
        body["spec"]["syncPolicy"]["syncOptions"] = options.get("syncOptions", [])
        self._api.create("applications", NAMESPACE, body)

    def delete(self) -> None:
        """Delete it, with what it deployed, and wait for the end of it."""
        try:
            self._api.delete("applications", NAMESPACE, self.name)
        except ApiError as error:
            if error.status != 404:
                raise
        self.job.wait_until("the Application is gone", lambda: not self.status and not self._exists())

    def close(self) -> None:
        """Delete it, and look no more."""
        self.delete()
        self._watch.close()

    @property
    def status(self) -> dict[str, Any]:
        """Its status as last seen."""
        found: dict[str, Any] = self._watch.objects.get(self.name, {}).get("status", {})
        return found

    @property
    def seen(self) -> list[Seen]:
        """Everything that became of it."""
        return [one for one in self._watch.history if one.object["metadata"]["name"] == self.name]

    @property
    def synced(self) -> list[str]:
        """The revision of each sync, but for those of a lifecycle Job alone.

        Now and then Argo CD compares with what it knew before a sync, in the second in which that ends. It then syncs
        the lifecycle Job that this sync has made or pruned once more, which changes nothing.
        """
        states = [one.object.get("status", {}).get("operationState", {}) for one in self.seen]
        syncs = {state["startedAt"]: state for state in states if state}
        parts = [(state, state.get("operation", {}).get("sync", {}).get("resources", ())) for state in syncs.values()]
        whole = [state for state, items in parts if [item["kind"] for item in items] != ["Job"]]
        return [str(state.get("syncResult", {}).get("revision", "")) for state in whole]

    def wait_synced(self, revision: str) -> None:
        """Argo CD has deployed this revision, and finds the cluster as it says."""
        self.job.wait_until(f"in sync with {revision}", lambda: self._synced() == (revision, "Synced"))

    def wait_deployed(self, revision: str) -> None:
        """Argo CD has deployed this revision, and perhaps left what was deployed before."""

        def is_done() -> bool:
            state = self.status.get("operationState", {})
            done: bool = state.get("phase") == "Succeeded" and state["syncResult"]["revision"] == revision
            return done

        self.job.wait_until(f"{revision} is deployed", is_done)

    def wait_for_health(self, health: str, seconds: float = 30) -> float:
        """When it was first seen so."""
        self.job.wait_until(f"health {health}", lambda: self.health == health, seconds)
        return next(one.time for one in self.seen if _health(one) == health)

    @property
    def health(self) -> str:
        """What Argo CD thinks of the job."""
        return str(self.status.get("health", {}).get("status", ""))

    def healths(self, revision: str) -> list[str]:
        """How its health went while it was in sync with the revision."""
        seen = [_health(one) for one in self.seen if _sync(one) == (revision, "Synced")]
        return [health for at, health in enumerate(seen) if at == 0 or health != seen[at - 1]]

    def drift(self) -> list[Object]:
        """What differed from a revision after it had been deployed."""
        deployed: set[str] = set()
        found: list[Object] = []
        for one in self.seen:
            revision, status = _sync(one)
            if status == "Synced":
                deployed.add(revision)
            elif revision in deployed:
                found += self.out_of_sync(one.object["status"])
        return found

    def out_of_sync(self, status: Object) -> list[Object]:
        """The resources that differ, in this status."""
        return [item for item in status.get("resources", ()) if item.get("status") != "Synced"]

    def _synced(self) -> tuple[str, str]:
        return _sync(self.seen[-1]) if self.seen else ("", "")

    def _exists(self) -> bool:
        try:
            return bool(self._api.get("applications", NAMESPACE, self.name))
        except ApiError as error:
            if error.status == 404:
                return False
            raise

    def _git(self, *words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=self._folder, check=True, capture_output=True, text=True
        ).stdout.strip()


def _sync(one: Seen) -> tuple[str, str]:
    sync = one.object.get("status", {}).get("sync", {})
    return str(sync.get("revision", "")), str(sync.get("status", ""))


def _health(one: Seen) -> str:
    return str(one.object.get("status", {}).get("health", {}).get("status", ""))

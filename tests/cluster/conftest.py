"""Fixtures: the cluster, a namespace for each test, and jobs in it."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from hack.cluster import target
from hack.cluster.proxy import Api
from hack.cluster.target import Target

from . import engines, measure
from .failures import describe
from .jobs import Helm, Job
from .measure import Seconds
from .namespaces import Namespace
from .programs import Values

_MEASURED = pytest.StashKey[list[Seconds]]()
_NOTES = pytest.StashKey[list[str]]()
_HERE = Path(__file__).parent

TEST_SECONDS = 600

T = TypeVar("T")
HELMS: tuple[Helm, ...] = ("helm3", "helm4")


class Jobs:
    """Installs jobs into one namespace: one of a test's own, or one that the tests of a file share."""

    def __init__(self, target: Target, namespace: Namespace, measured: list[Seconds]) -> None:
        self.target, self.namespace, self._measured = target, namespace, measured
        self.all: list[Job] = []
        self.of_cluster: list[str] = []
        """Objects outside of the namespace that go with it: `kind/name`."""

    def new(self, name: str = "job", helm: Helm | None = None) -> Job:
        """A job that is not installed yet; with Helm 4 where there is one, unless `helm` is given."""
        chosen: Helm = helm or ("helm4" if self.target.helm("helm4") else "helm3")
        job = Job(self.target, self.namespace, name, chosen)
        self.all.append(job)
        return job

    def install(self, values: Values, name: str = "job", helm: Helm | None = None) -> Job:
        """A job, just installed."""
        job = self.new(name, helm)
        job.install(values)
        return job

    def ahead(self, values: dict[str, Values]) -> Callable[[str], Job]:
        """Install jobs side by side, each for one test; a test that is run again gets a new one."""
        fresh = {name: self.install(one, name) for name, one in values.items()}
        return lambda name: fresh.pop(name, None) or self.install(values[name], f"{name}-again")

    def describe(self) -> str:
        """Everything that explains what happened here."""
        return describe(self.namespace, self.all)

    def close(self) -> None:
        """Keep what was measured, and delete the namespace with what belongs to it."""
        self._measured += [job.measured for job in self.all if job.measured]
        self.namespace.close()
        if self.of_cluster:
            self.target.run("kubectl", "delete", "--ignore-not-found", "--wait=false", *self.of_cluster)


class SideBySide:
    """Runs a scenario in several variants at the same time, each in a namespace of its own."""

    def __init__(self, new_jobs: Callable[[str], Jobs], title: str) -> None:
        self._new_jobs, self._title = new_jobs, title
        self.all: list[Jobs] = []

    def __call__(self, scenario: Callable[[Jobs, T], None], variants: Sequence[T]) -> None:
        """Return when all have ended; the first failure fails the test."""
        self.all = [self._new_jobs(f"{variant}-{self._title}") for variant in variants]
        with ThreadPoolExecutor(len(variants)) as pool:
            list(pool.map(scenario, self.all, variants))

    def describe(self) -> str:
        """Everything that explains what happened in all of them."""
        return "\n".join(jobs.describe() for jobs in self.all)


@pytest.fixture(scope="session")
def cluster() -> Target:
    """The cluster; starts the kit's own where no other is given."""
    try:
        return target.find()
    except target.CannotRunError as reason:
        if os.environ.get("CI"):
            pytest.fail(f"the cluster tests must run in CI: {reason}")
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def api(cluster: Target) -> Iterator[Api]:
    """The cluster's API."""
    api = Api(cluster.environ)
    yield api
    api.close()


@pytest.fixture(scope="session")
def new_jobs(cluster: Target, api: Api, pytestconfig: pytest.Config) -> Callable[[str], Jobs]:
    """Makes a namespace, to be closed by the caller."""
    measured = pytestconfig.stash.setdefault(_MEASURED, [])

    def new(title: str) -> Jobs:
        slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40].strip("-")
        return Jobs(cluster, Namespace(api, f"{slug}-{secrets.token_hex(2)}"), measured)

    return new


@pytest.fixture
def jobs(new_jobs: Callable[[str], Jobs], request: pytest.FixtureRequest) -> Iterator[Jobs]:
    """Jobs in a namespace of this test's own."""
    jobs = new_jobs(request.node.name.removeprefix("test_"))
    yield jobs
    jobs.close()


@pytest.fixture
def side_by_side(new_jobs: Callable[[str], Jobs], request: pytest.FixtureRequest) -> Iterator[SideBySide]:
    """Runs a scenario in several variants at the same time: with each Helm, say."""
    runner = SideBySide(new_jobs, request.node.name.removeprefix("test_"))
    yield runner
    for jobs in runner.all:
        jobs.close()


@pytest.fixture(scope="module")
def shared_jobs(new_jobs: Callable[[str], Jobs], request: pytest.FixtureRequest) -> Iterator[Jobs]:
    """Jobs in a namespace that the tests of one file share: for those that mostly wait, side by side."""
    jobs = new_jobs(request.module.__name__.rpartition("test_")[2])
    yield jobs
    jobs.close()


@pytest.fixture
def note(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Prints a line at the end of the session."""
    return pytestconfig.stash.setdefault(_NOTES, []).append


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here; a test's time does not include that of starting the cluster."""
    for item in items:
        if _HERE in item.path.parents:
            if item.get_closest_marker("engines") is None:
                item.add_marker(pytest.mark.cluster)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TEST_SECONDS, func_only=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what happened in the cluster with a test that failed, and keep what became of one with an engine."""
    report = yield
    if _HERE in item.path.parents:
        engines.keep_result(item, report)
    if _HERE in item.path.parents and report.failed and call.when in ("setup", "call"):
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, (Jobs, SideBySide)):
                report.sections.append(("cluster", value.describe()))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """How fast jobs ended."""
    measured, notes = config.stash.get(_MEASURED, []), config.stash.get(_NOTES, [])
    if measured or notes:
        terminalreporter.section("cluster: how fast jobs end")
        for line in [*(measure.report(measured) if measured else ()), *notes]:
            terminalreporter.write_line(line)

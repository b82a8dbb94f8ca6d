"""What `tfconfig doctor` concludes from the nodes of a cluster: CPU, memory and GPUs."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfconfig.cluster.kubectl import Object
from tfconfig.cluster.preflight import capacity, gpus
from tfconfig.cluster.preflight.check import ERROR, OK, UNKNOWN, WARNING

from .test_preflight import GPU, pod


def node(name: str, gpus: int, taint: str = "", **labels: str) -> Object:
    spec = {"taints": [{"key": taint, "effect": "NoSchedule"}]} if taint else {}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": {"allocatable": {GPU: str(gpus)}}}


class TestGpus:
    def wanted(self, each: int = 1, count: int = 4, **spec: Any) -> list[tuple[Object, int]]:
        return [(pod({GPU: str(each)}, **spec), count), (pod({"cpu": "1"}), 2)]

    def running(self, on: str, gpus: int, phase: str = "Running") -> Object:
        return {**pod({GPU: str(gpus)}, nodeName=on), "status": {"phase": phase}}

    @pytest.mark.parametrize(
        ("wanted", "held", "result", "message"),
        [
            (4, 0, OK, "4 needed, 8 of 8 free"),
            (4, 4, OK, "4 needed, 4 of 8 free"),
            (6, 4, WARNING, "6 needed, 4 of 8 free now"),
            (9, 0, ERROR, "9 needed, 8 on eligible nodes"),
        ],
    )
    def test_those_that_are_free(self, wanted: int, held: int, result: str, message: str) -> None:
        nodes = [node("a", 4), node("b", 4), node("c", 0)]
        (check,) = gpus.check_gpus(
            self.wanted(count=wanted), nodes, [self.running("a", held), self.running("b", 4, "Failed")]
        )
        assert (check.check, check.result) == (GPU, result)
        assert check.message.startswith(message)

    def test_a_job_without_gpus_has_no_such_check(self) -> None:
        assert gpus.check_gpus([(pod({"cpu": "1"}), 2)], [], []) == []

    def test_a_pod_that_asks_for_more_than_a_node_has_does_not_fit(self) -> None:
        assert gpus.check_gpus(self.wanted(each=5, count=1), [node("a", 4), node("b", 4)], [])[0].result == ERROR

    def test_absent_ones_are_reported_with_what_nodes_have(self) -> None:
        other = {"metadata": {"name": "a"}, "status": {"allocatable": {"amd.com/gpu": "1", "cpu": "4"}}}
        (check,) = gpus.check_gpus(self.wanted(), [other], [])
        assert (check.result, check.message) == (ERROR, "4 needed; no node has any")
        assert "nodes have: amd.com/gpu" in check.fix

    def test_taints_and_selectors_count(self) -> None:
        tainted = [node("a", 4, taint=GPU, pool="gpu")]
        assert gpus.check_gpus(self.wanted(), tainted, [])[0].result == ERROR
        tolerates: dict[str, Any] = {"tolerations": [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]}
        assert gpus.check_gpus(self.wanted(**tolerates), tainted, [])[0].result == OK
        assert gpus.check_gpus(self.wanted(**tolerates, nodeSelector={"pool": "gpu"}), tainted, [])[0].result == OK
        assert gpus.check_gpus(self.wanted(**tolerates, nodeSelector={"pool": "cpu"}), tainted, [])[0].result == ERROR

    @pytest.mark.parametrize(
        ("terms", "result"),
        [
            ([{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["cpu", "gpu"]}]}], OK),
            ([{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["cpu"]}]}], ERROR),
            ([{"matchExpressions": [{"key": "pool", "operator": "NotIn", "values": ["gpu"]}]}], ERROR),
            ([{"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}], OK),
            ([{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}], ERROR),
            ([{"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}], OK),
            ([{"matchExpressions": [{"key": "size", "operator": "Gt", "values": ["79"]}]}], OK),
            ([{"matchExpressions": [{"key": "size", "operator": "Lt", "values": ["80"]}]}], ERROR),
            ([{"matchExpressions": [{"key": "pool", "operator": "Gt", "values": ["1"]}]}], ERROR),
            ([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}], OK),
            ([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]}], ERROR),
            ([{}], ERROR),
            ([{}, {"matchExpressions": [{"key": "pool", "operator": "Exists"}]}], OK),
            ([{"matchExpressions": [{"key": key, "operator": "Exists"} for key in ("pool", "zone")]}], ERROR),
        ],
    )
    def test_required_node_affinity_counts(self, terms: list[Any], result: str) -> None:
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        wanted = self.wanted(affinity={"nodeAffinity": required})
        assert gpus.check_gpus(wanted, [node("a", 4, pool="gpu", size="80")], [])[0].result == result

    def test_without_permission_for_nodes_or_pods_the_result_is_unknown(self) -> None:
        assert gpus.check_gpus(self.wanted(), None, None)[0].result == UNKNOWN
        assert gpus.check_gpus(self.wanted(), [node("a", 4)], None)[0].result == UNKNOWN

    @given(st.lists(st.integers(0, 8), max_size=6), st.integers(1, 8), st.integers(1, 12))
    def test_equal_pods_fit_as_often_as_they_fit_into_the_nodes(self, sizes: list[int], each: int, count: int) -> None:
        nodes = [node(f"n{number}", size) for number, size in enumerate(sizes)]
        (check,) = gpus.check_gpus(self.wanted(each, count), nodes, [])
        assert (check.result == OK) is (sum(size // each for size in sizes) >= count)


class TestCapacity:
    """Whether CPU and memory of the nodes suffice."""

    LABELS: ClassVar = {"tensorflow-job/role": "worker"}

    def task(self, cpu: str, memory: str = "1Gi", count: int = 1, **spec: Any) -> list[tuple[Object, int]]:
        made = pod({"cpu": cpu, "memory": memory}, **spec)
        return [({**made, "metadata": {"labels": self.LABELS}}, count)]

    def nodes(self, *cpus: str) -> list[Object]:
        return [
            {"metadata": {"name": f"n{number}"}, "status": {"allocatable": {"cpu": cpu, "memory": "8Gi"}}}
            for number, cpu in enumerate(cpus)
        ]

    @pytest.mark.parametrize(
        ("cpus", "cpu", "count", "result", "says"),
        [
            (("2", "4"), "3", 1, OK, "all pods fit"),
            (("2", "2"), "2500m", 1, ERROR, "worker requests cpu 2.5, memory 1Gi; the largest eligible node has cpu 2"),
            (("2", "2"), "2", 3, ERROR, "all pods together request cpu 6; all nodes together have 4"),
            (("3", "3"), "2", 3, WARNING, "probably not all at the same time"),
            (("3", "4"), "2", 3, OK, "all pods fit"),
            (("3", "3", "3"), "2", 4, WARNING, "probably not all at the same time"),
        ],
    )
    def test_against_empty_nodes(self, cpus: tuple[str, ...], cpu: str, count: int, result: str, says: str) -> None:
        check = capacity.check_capacity(self.task(cpu, count=count), self.nodes(*cpus), [])
        assert check.result == result, check
        assert says in check.message

    def test_pods_that_run_leave_less_and_those_that_ended_do_not_count(self) -> None:
        ((held, _),) = self.task("1500m", nodeName="n0")
        check = capacity.check_capacity(self.task("1"), self.nodes("2"), [held])
        assert (check.result, "beside those that run now" in check.message) == (WARNING, True)
        ended = {**held, "status": {"phase": "Failed"}}
        assert capacity.check_capacity(self.task("1"), self.nodes("2"), [ended]).result == OK

    @pytest.mark.parametrize(
        ("count", "running", "result", "says"),
        [
            (3, 0, OK, "all pods fit"),
            (4, 0, ERROR, "all pods together are 4; all nodes together take 3"),
            (3, 1, WARNING, "beside those that run now"),
        ],
    )
    def test_a_node_takes_a_number_of_pods(self, count: int, running: int, result: str, says: str) -> None:
        (large,) = self.nodes("64")
        large["status"]["allocatable"]["pods"] = "3"
        held = [{**pod({}), "spec": {"nodeName": "n0"}}] * running
        check = capacity.check_capacity(self.task("1", count=count), [large], held)
        assert (check.result, says in check.message) == (result, True), check

    def test_local_storage_counts(self) -> None:
        (node,) = self.nodes("64")
        node["status"]["allocatable"] |= {"ephemeral-storage": "10Gi", "pods": "110"}
        task = {**pod({"ephemeral-storage": "20Gi"}), "metadata": {"labels": self.LABELS}}
        assert capacity.check_capacity([(task, 1)], [node], []).message == (
            "worker requests ephemeral-storage 20Gi; the largest eligible node has cpu 64, memory 8Gi, "
            "ephemeral-storage 10Gi"
        )

    def test_the_setting_of_a_pod_that_is_too_large_is_named(self) -> None:
        assert "worker.resources.requests" in capacity.check_capacity(self.task("9"), self.nodes("2"), []).fix

    def test_nodes_that_take_no_pods_do_not_count(self) -> None:
        nodes = [{**node, "spec": {"unschedulable": True}} for node in self.nodes("8")]
        assert "none of the 1 nodes is eligible" in capacity.check_capacity(self.task("1"), nodes, []).message

    def test_what_cannot_be_seen_is_unknown(self) -> None:
        for nodes, running in ((None, None), (self.nodes("2"), None), ([], [])):
            assert capacity.check_capacity(self.task("1"), nodes, running).result == UNKNOWN

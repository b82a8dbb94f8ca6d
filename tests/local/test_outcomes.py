"""How local runs end: each with a real program, real processes and the exit status a CI pipeline would see."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.running import Start, shell
from tfconfig.tensorflow_job.task import threads


def test_a_program_that_exits_0_makes_the_job_succeed(start: Start) -> None:
    run = start(shell("echo hello from $TASK_TYPE $TASK_INDEX"))
    assert run.end() == 0
    assert "worker-0 | hello from worker 0" in run.output
    assert "Succeeded after" in run.output
    assert run.pids() == []


def test_a_failed_program_under_never_fails_the_job_and_shows_its_last_lines(start: Start) -> None:
    run = start(shell("echo about to break; exit 1", restart={"policy": "Never"}))
    assert run.end() == 1
    assert "restart.policy Never does not restart it" in run.output
    summary = run.output.partition("last lines of worker-0:")[2]
    assert "about to break" in summary
    assert "deciding task  worker-0, exit status 1" in summary
    assert run.pids() == []


def test_a_reader_that_goes_ends_the_job_without_a_word(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(shell("while true; do echo more; sleep 0.1; done")))
    words = [sys.executable, "-m", "tfconfig", "run", "-f", str(values)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout
        assert run.stderr
        assert "|" in run.stdout.readline()
        run.stdout.close()
        assert run.wait(60) == 130
        assert not re.search("Traceback|BrokenPipe", run.stderr.read())


def test_a_failure_that_is_known_ends_with_what_to_do(start: Start) -> None:
    words = "AttributeError: module 'tensorflow' has no attribute 'estimator'"
    run = start(shell(f'echo "{words}"; exit 1', restart={"policy": "Never"}))
    assert run.end() == 1
    assert re.search(r"hint +TensorFlow 2\.15 is the last version with Estimators", run.output)


def test_a_program_that_somebody_kills_ends_with_who_that_may_be(start: Start) -> None:
    run = start(shell("kill -9 $$$$", restart={"policy": "Never"}))  # `$$` is `$`
    assert run.end() == 1
    assert "  hint           killed from outside: often by the kernel, as this machine's memory was full" in run.output


def test_backoff_limit_2_means_three_tries(start: Start) -> None:
    run = start(shell("echo try; exit 3", restart={"policy": "OnFailure", "backoffLimit": 2}))
    assert run.end() == 1
    assert run.output.count("worker-0 | try") == 3
    assert "3 failures, restart.backoffLimit is 2" in run.output


def test_after_the_last_failure_the_program_does_not_start_again_however_much_it_printed(start: Start) -> None:
    script = "echo try; head -c 3000000 /dev/zero | tr '\\0' x; exit 3"
    run = start(shell(script, restart={"policy": "OnFailure", "backoffLimit": 0}))
    assert run.end() == 1
    assert run.output.count("worker-0 | try") == 1


@pytest.mark.parametrize(("code", "tries"), [(1, 1), (137, 2)])
def test_policy_exit_code_tries_again_only_after_128_and_more(start: Start, code: int, tries: int) -> None:
    script = f"echo try; exit {code}"
    run = start(shell(script, restart={"policy": "ExitCode", "backoffLimit": 1}))
    assert run.end() == 1
    assert run.output.count("worker-0 | try") == tries


def test_a_missing_program_is_named_with_the_place_to_look(start: Start) -> None:
    values = shell("", restart={"policy": "Never"})
    values["program"]["command"] = ["trian"]
    run = start(values)
    assert run.end() == 2
    assert "program.command: trian: no such program in PATH" in run.output


def test_a_program_is_found_in_a_folder_that_env_puts_before_path(start: Start, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "train-it").write_text("#!/bin/sh\necho found\n")
    (tools / "train-it").chmod(0o755)
    values = shell("", env={"PATH": f"{tools}:$(PATH)"})
    values["program"]["command"] = ["train-it"]
    run = start(values)
    assert run.end() == 0
    assert "worker-0 | found" in run.output


def test_a_missing_script_is_named_before_any_server_starts(start: Start, tmp_path: Path) -> None:
    values = shell("", strategy="ParameterServer", chief={"replicas": 1}, ps={"replicas": 2})
    values["program"]["command"] = ["python3", "-u", "trian.py", "--epochs=3"]
    run = start(values)
    assert run.end() == 2
    assert f"program.command: trian.py: no such file in {tmp_path / 'job'}, where the program starts" in run.output
    assert "ps-0" not in run.output


def test_a_failure_that_repeats_ends_the_job(start: Start) -> None:
    run = start(shell("echo try; exit 3"))
    assert run.end() == 1
    assert "worker-0 exited 3, 3 times in a row" in run.output
    assert "restart.repeatLimit is 3" in run.output
    assert run.output.count("worker-0 | try") == 3


def test_a_file_that_cannot_be_executed_ends_with_126(start: Start, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("not a program")
    values = shell("", restart={"policy": "Never"})
    values["program"]["command"] = [str(tmp_path / "data.txt")]
    run = start(values)
    assert run.end() == 1
    assert "exited 126" in run.output


# The chief exits 0 once the only worker has called `ready`.
CHIEF = """
ready() { touch "$READY"; }
test $TASK_TYPE = chief && { until test -e "$READY"; do sleep 0.1; done; exit 0; }
"""


def with_chief(folder: Path, script: str, **values: Any) -> dict[str, Any]:
    """Values of a job with a chief and a worker; the worker runs the script."""
    env = {"READY": str(folder / "ready")}
    return shell(CHIEF + script, chief={"replicas": 1}, env=env, **values)


def test_tasks_that_run_on_after_the_deciding_one_are_ended_without_waiting_out_their_grace(start: Start) -> None:
    script = "test $TASK_TYPE = chief && exit 0; sleep 3600"
    values = shell(script, chief={"replicas": 1}, worker={"replicas": 3}, terminationGracePeriodSeconds=3600)
    run = start(values)
    assert run.end() == 0
    assert run.pids() == []


def test_a_program_that_ignores_sigterm_is_killed_after_its_grace(start: Start, tmp_path: Path) -> None:
    script = 'trap "" TERM; ready; while :; do sleep 1; done'
    run = start(with_chief(tmp_path, script, terminationGracePeriodSeconds=3))
    assert run.end() == 0
    assert run.pids() == []


def test_a_program_gets_sigterm_and_its_grace_to_save(start: Start, tmp_path: Path) -> None:
    script = 'trap "sleep 1; echo saved; exit 0" TERM; ready; sleep 600 & wait'
    run = start(with_chief(tmp_path, script))
    assert run.end() == 0
    assert "worker-0 | saved" in run.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_every_process(start: Start, number: int) -> None:
    run = start(shell("echo up; sleep 600", worker={"replicas": 3}))
    run.wait_for(r"(?s)(\| up.*){3}")
    os.kill(run.process.pid, number)
    assert run.end() == 130
    assert run.pids() == []
    assert "Interrupted after" in run.output


def test_ctrl_c_twice_does_not_wait_for_the_grace(start: Start) -> None:
    run = start(shell('trap "echo no" TERM INT; echo up; while :; do sleep 1; done', terminationGracePeriodSeconds=300))
    run.wait_for(r"\| up")
    run.process.send_signal(signal.SIGINT)
    run.wait_for(r"worker-0 \| no")
    run.wait_for("stopping worker-0: 300 s at most to save; Ctrl-C again kills them")
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 130
    assert run.pids() == []


def test_tasks_do_not_outlive_a_tool_that_is_killed(start: Start) -> None:
    run = start(shell("echo up; sleep 600", terminationGracePeriodSeconds=2))
    run.wait_for(r"\| up")
    run.process.kill()
    run.wait_until_gone()


def test_what_a_program_leaves_in_the_background_goes_with_its_task(start: Start) -> None:
    # setsid takes the sleeper out of the program's process group: only its being an orphan gives it away.
    run = start(shell("setsid sleep 600 & sleep 600 & echo started; sleep 0.2"))
    assert run.end() == 0
    assert run.pids() == []


def test_an_address_in_use_is_reported_before_anything_starts(start: Start) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        run = start(shell("echo never"), "--port", str(port))
        assert run.end() == 2
    assert f"127.0.0.1:{port}, for worker-0: address already in use; choose another --port" in run.output
    assert "worker-0 |" not in run.output


def test_ports_that_do_not_exist_are_reported_before_anything_starts(start: Start) -> None:
    run = start(shell("echo never", worker={"replicas": 3}), "--port", "65534")
    assert run.end() == 2
    assert "3 tasks need the ports 65534 to 65536, but 65535 is the last" in run.output
    assert "choose a --port of at most 65533, or none for free ones" in run.output


def test_a_run_over_its_active_deadline_fails(start: Start) -> None:
    run = start(shell("sleep 600", deadlines={"activeSeconds": 2}))
    assert run.end() == 1
    assert "the run was still active after deadlines.activeSeconds (2 s)" in run.output
    assert run.pids() == []


def test_output_goes_to_files_too_untouched(start: Start, tmp_path: Path) -> None:
    run = start(shell("printf 'a\\r\\nb'"), "--logs", "logs")
    assert run.end() == 0
    assert b"a\r\nb" in (tmp_path / "logs/worker-0.log").read_bytes()
    assert "worker-0 | a\nworker-0 | b" in run.output


def test_references_in_env_are_replaced_as_in_a_pod(start: Start) -> None:
    env = {
        "MODEL": "$(CHECKPOINT_DIR)/model",
        "LOG": "$(TASK_TYPE)-$(TASK_INDEX)",
        "CHAIN": "/$(LOG)",
        "PATH": "/x:$(PATH)",
    }
    script = 'echo "$MODEL $CHAIN"; test "$PATH" != "${PATH#/x:/}" && echo extended'
    run = start(shell(script, env=env, checkpoint={"enabled": True}))
    assert run.end() == 0
    assert "/model /worker-0\n" in run.output
    assert "| extended" in run.output


@pytest.mark.skipif(threads.cores() < 2, reason="a machine of one core has nothing to divide")
def test_the_cores_of_the_machine_are_divided_among_the_tasks(start: Start) -> None:
    workers = {"replicas": threads.cores()}
    policy = {"successPolicy": "AllWorkers"}
    run = start(shell("echo threads=$TF_NUM_INTRAOP_THREADS", worker=workers, completion=policy))
    assert run.end() == 0
    assert run.output.count("| threads=1\n") == threads.cores()


def test_secrets_come_from_the_callers_environment(start: Start) -> None:
    env = {"TOKEN": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}}
    run = start(shell("echo token $TOKEN", env=env), environ={"TOKEN": "abc"})
    assert run.end() == 0
    assert "worker-0 | token abc" in run.output


def test_secrets_nobody_gives_are_listed_before_anything_starts(start: Start) -> None:
    sources = {
        "KEY": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        "MAYBE": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
    }
    run = start(shell("echo never", env=sources))
    assert run.end() == 2
    assert "env KEY comes from a Secret" in run.output
    assert "MAYBE" not in run.output


def test_data_folders_stand_in_for_mount_paths(start: Start, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "one.txt").write_text("first image\n")
    values = shell("", data={"images": {"mountPath": "/data/images", "existingClaim": "c", "env": "IMAGES"}})
    values["program"] = {"command": ["sh", "-c", 'cat "$0"; ls $IMAGES'], "args": ["/data/images/one.txt"]}
    run = start(values, "--data", f"images={images}")
    assert run.end() == 0
    assert "worker-0 | first image" in run.output
    assert "worker-0 | one.txt" in run.output


def test_a_data_volume_this_machine_lacks_is_asked_for(start: Start) -> None:
    run = start(shell("echo never", data={"images": {"mountPath": "/no/such/folder", "existingClaim": "c"}}))
    assert run.end() == 2
    assert "choose a folder with --data images=DIR" in run.output


def test_what_only_a_cluster_has_is_named(start: Start) -> None:
    fetch = {"name": "code", "image": "alpine/git:2.49.1"}
    values = shell("pwd", initContainers=[fetch], envFrom=[{"secretRef": {"name": "keys"}}])
    values["extraVolumes"] = [{"name": "code", "emptyDir": {}}]
    values["extraVolumeMounts"] = [{"name": "code", "mountPath": "/code"}]
    values["program"]["workingDir"] = "/code"
    run = start(values)
    assert run.end() == 0
    named = "init container code, mount /code, envFrom (set its variables in this shell), working folder /code"
    assert f"only on a cluster, not here: {named}; the program starts in" in run.output


def test_program_files_are_what_the_program_starts_beside(start: Start) -> None:
    values = shell("")
    values["program"] = {"command": ["sh", "main.sh"], "files": {"main.sh": "echo in $(ls)\n"}}
    run = start(values)
    assert run.end() == 0
    assert "worker-0 | in main.sh" in run.output


def test_references_in_arguments_are_replaced_as_in_a_pod(start: Start) -> None:
    values = shell("", ps={"replicas": 1})
    values["program"] = {
        "command": ["sh", "-c", 'echo "$@"', "program"],
        "args": ["--job_name=$(TASK_TYPE)", "--ps_hosts=$(PS_HOSTS)", "$(NOT_SET)", "$$(TASK_TYPE)"],
    }
    run = start(values, "--port", "23450")
    assert run.end() == 0
    assert "worker-0 | --job_name=worker --ps_hosts=127.0.0.1:23451 $(NOT_SET) $(TASK_TYPE)" in run.output


def test_a_killed_task_frees_the_port_before_it_starts_again(start: Start, tmp_path: Path) -> None:
    # The task's own process is killed, not the program below it: the orphan must not keep the address.
    server = "python3 -u -m http.server ${WORKER_HOSTS##*:} || { ready; sleep 600; }"
    run = start(with_chief(tmp_path, server))
    run.wait_for("Serving HTTP")
    run.kill("task run --role=worker")
    run.wait_for("(?s)Serving HTTP.*Serving HTTP|in use")
    (tmp_path / "ready").touch()
    assert run.end() == 0
    assert "in use" not in run.output


def test_invalid_values_start_nothing(start: Start) -> None:
    run = start(shell("echo never", worker={"replicas": -1}))
    assert run.end() == 1
    assert "worker.replicas" in run.output
    assert "worker-0 |" not in run.output


STEPS = """
step=0
while test $step -lt 40; do
  step=$((step + 1)); echo "{\\"step\\": $step, \\"total\\": 40}" >$TASK_PROGRESS_FILE
  test $step$TASK_INDEX = 200 && ! test -e "$CHECKPOINT_DIR/hung" && { touch "$CHECKPOINT_DIR/hung"; sleep 600; }
  sleep 0.1
done
"""


def test_progress_is_reported_and_a_program_that_hangs_is_started_again(start: Start) -> None:
    values = shell(STEPS, worker={"replicas": 2}, checkpoint={"enabled": True}, deadlines={"stallSeconds": 8})
    run = start(values)
    assert run.end() == 0
    run.wait_for(r"tfconfig \| step \d+ of 40 \(\d+ %\)")
    assert (
        "worker-0: no progress for 8 s, last at step 20, while worker-1 is done; failure 1 of 6 allowed" in run.output
    )
    assert "progress       step 40 of 40 (100 %)" in run.output
    assert "restarts       1 (1 failure counted)" in run.output, "the other worker was done"
    assert run.pids() == []


def test_kept_logs_are_below_the_checkpoint_folder(start: Start, tmp_path: Path) -> None:
    values = shell("echo out; echo err >&2", checkpoint={"enabled": True}, logs={"persist": True})
    run = start(values, "--checkpoint", str(tmp_path / "kept"))
    assert run.end() == 0
    assert (tmp_path / "kept/logs/local/worker-0.log").read_text().endswith("\nout\nerr\n")
    assert "worker-0 | out\nworker-0 | err" in run.output

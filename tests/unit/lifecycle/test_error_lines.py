"""The line that says why a program failed: in the output of Python, TensorFlow, Keras, absl, native code and shells."""

from __future__ import annotations

import pytest

from tfconfig.tensorflow_job.lifecycle.error_lines import MAX_MESSAGE_LINES, last_line

from .failures import error
from .test_last_lines import IGNORED, NOISE, TRACEBACK, keras_bar

HEAD = 'Traceback (most recent call last):\n  File "train.py", line 1, in <module>\n    run()\n    ^^^^^\n'
NO_PANDAS = "ModuleNotFoundError: No module named 'pandas'"
INVALID = "tensorflow.python.framework.errors_impl.InvalidArgumentError: "
GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "/app/train.py", line 3, in <module>
  |     raise ExceptionGroup("shards", [ValueError("shard 1"), TypeError("shard 2")])
  | ExceptionGroup: shards (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/train.py", line 1, in read
    | ValueError: shard 1
    +---------------- 2 ----------------
    | TypeError: shard 2
    +------------------------------------
"""
CRASH = """Fatal Python error: Segmentation fault

Current thread 0x00007f0c4b7fe740 (most recent call first):
  File "/app/train.py", line 3 in <module>

Extension modules: numpy._core._multiarray_umath, _cython_3_0_11 (total: 2)
"""
CHECK = "F0000 00:00:1795910437.047515   31570 tensor_shape.cc:358] Check failed: size >= 0 (-1 vs. 0)\n"
SURE = {
    "syntax error": (
        "  File \"/app/train.py\", line 3\n    foo(\n       ^\nSyntaxError: '(' was never closed\n",
        "SyntaxError: '(' was never closed",
    ),
    "chained": (
        f"{HEAD}KeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\n{TRACEBACK}",
        NO_PANDAS,
    ),
    "cause": (
        f"{HEAD}OSError: disk\n\nThe above exception was the direct cause of the following exception:\n\n{TRACEBACK}",
        NO_PANDAS,
    ),
    "without a message": (f"{HEAD}AssertionError\n", "AssertionError"),
    "a group of exceptions": (GROUP, "ExceptionGroup: shards (2 sub-exceptions): ValueError: shard 1"),
    "a group in a group": (
        GROUP.replace("ValueError: shard 1", "ExceptionGroup: inner (1 sub-exception)\n      | KeyError: 'a'"),
        "ExceptionGroup: shards (2 sub-exceptions): KeyError: 'a'",
    ),
    "a graph": (
        f"{HEAD}{INVALID}Graph execution error:\n\nDetected at node CheckNumerics defined at (most recent call last):\n"
        '  File "/app/train.py", line 9, in f\n\nbad : Tensor had Inf values\n\t [[{{node CheckNumerics}}]] [Op:x]\n',
        f"{INVALID}Graph execution error: bad : Tensor had Inf values",
    ),
    "a graph that was made deep in libraries": (
        f"{HEAD}{INVALID}Graph execution error:\n\nDetected at node x defined at (most recent call last):\n"
        + '  File "/app/library.py", line 9, in f\n\n' * 2 * MAX_MESSAGE_LINES
        + "bad : Tensor had Inf values\n",
        f"{INVALID}Graph execution error: bad : Tensor had Inf values",
    ),
    "a graph in TensorFlow 2.12 and older": (
        f"{HEAD}{INVALID}Graph execution error:\n\nDetected at node 'dense' defined at (most recent call last):\n"
        "    File \"train.py\", line 10, in <module>\n      model.fit(data)\nNode: 'dense'\n2 root error(s) found.\n"
        "  (0) INVALID_ARGUMENT:  logits and labels must be broadcastable\n\t [[{{node dense}}]]\n",
        f"{INVALID}Graph execution error: (0) INVALID_ARGUMENT:  logits and labels must be broadcastable",
    ),
    "code of the user in a graph": (
        f'{HEAD}ValueError: in user code:\n\n    File "/app/train.py", line 4, in step  *\n        tf.matmul(a, b)\n\n'
        "    ValueError: Dimensions must be equal, but are 3 and 4\n",
        "ValueError: in user code: ValueError: Dimensions must be equal, but are 3 and 4",
    ),
    "a layer of Keras": (
        f"{HEAD}ValueError: Exception encountered when calling Sequential.call().\n\n\x1b[1mInput 0 of layer 'dense' "
        "is incompatible\x1b[0m\n\nArguments received by Sequential.call():\n  • training=None\n",
        "ValueError: Exception encountered when calling Sequential.call(). Input 0 of layer 'dense' is incompatible",
    ),
    "behind a bar that was not finished": (keras_bar(5).rstrip("\n") + "\n" + TRACEBACK + NOISE * 30, NO_PANDAS),
    "behind a bar in the same line": (f"\r 1/10 [==>...] - ETA: 3s - loss: 0.5{TRACEBACK}{NOISE}", NO_PANDAS),
    "over what a line showed before": (f"step 1000 of 20000, loss 0.333, accuracy 0.9\r{TRACEBACK}{NOISE}", NO_PANDAS),
    "behind the beginning of a log's line": (f"ERROR:root:{TRACEBACK}", NO_PANDAS),
    "a program that another one started": (
        f"{TRACEBACK}{HEAD}subprocess.CalledProcessError: Command '['x']' returned non-zero exit status 1.\n",
        NO_PANDAS,
    ),
    "a command that it started": (
        f"cp: cannot stat '/d'\n{HEAD}subprocess.CalledProcessError: Command '['cp']' died with <Signals.SIGHUP: 1>.\n",
        "subprocess.CalledProcessError: Command '['cp']' died with <Signals.SIGHUP: 1>. … cp: cannot stat '/d'",
    ),
    "a program that torchrun started": (
        f"{TRACEBACK}E1128 10:00:00.123000 12 torch/distributed/elastic/multiprocessing/api.py:869] failed\n"
        f"{HEAD}torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n{'=' * 60}\ntrain.py FAILED\n",
        NO_PANDAS,
    ),
    "logs of another thread within it": (TRACEBACK.replace("\n", f"\n{NOISE}"), NO_PANDAS),
    "warnings after it": (
        f"{TRACEBACK}/usr/lib/python3.11/multiprocessing/resource_tracker.py:254: UserWarning: resource_tracker: There "
        "appear to be 1 leaked semaphore objects to clean up at shutdown\n  warnings.warn('resource_tracker: %d'\n",
        NO_PANDAS,
    ),
    "a bar after it": (TRACEBACK + " 45%|████▌     | 45/100 [00:01<00:01]\n", NO_PANDAS),
    "Python 3.14 that ends": (
        TRACEBACK + "Exception ignored while calling deallocator <function x>:\n" + IGNORED.partition("\n")[2],
        NO_PANDAS,
    ),
    "it had saved something": (
        f"{TRACEBACK}tensorflow-job: worker-0 exited 1; it had saved or reported something before it failed\n",
        NO_PANDAS,
    ),
    "a failed check of TensorFlow": (
        "step 3\n2026-11-28 16:00:00.123456: F tensorflow/core/framework/tensor.cc:843] Check failed: dtype() == 1\n"
        "Aborted (core dumped)\n",
        "F tensorflow/core/framework/tensor.cc:843] Check failed: dtype() == 1",
    ),
    "a failed check below a shell": (
        "2026-11-28 16:00:00.123456: F tensor.cc:843] Check failed: dtype() == 1\n"
        "run.sh: line 3:    17 Aborted                 (core dumped) python3 train.py\n",
        "F tensor.cc:843] Check failed: dtype() == 1",
    ),
    "a failed check of glog": (
        "F20261128 10:00:00.123456 12345 solver.cc:12] Check failed: a == b\n*** Check failure stack trace: ***\n",
        "F solver.cc:12] Check failed: a == b",
    ),
    "a failed check of absl": (
        f"step 3\n{CHECK}*** Check failure stack trace: ***\n    @     0x7f0c  abort\nFatal Python error: Aborted\n\n"
        'Current thread 0x00007f0c4b7fe740 (most recent call first):\n  File "x", line 3 in <module>\n',
        "F tensor_shape.cc:358] Check failed: size >= 0 (-1 vs. 0)",
    ),
    "a crash": ("step 3\n" + CRASH, "Fatal Python error: Segmentation fault"),
    "a crash that a shell tells": (
        "run.sh: line 3:    12 Segmentation fault      (core dumped) python3 train.py\n",
        "run.sh: line 3:    12 Segmentation fault      (core dumped) python3 train.py",
    ),
    "C++": (
        "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
        "terminate called after throwing an instance of 'std::bad_alloc' what():  std::bad_alloc",
    ),
    "flags of absl": (
        "FATAL Flags parsing error:\n  Unknown command line flag 'stesp'. Did you mean: steps ?\nPass --helpshort or "
        "--helpfull to see help on flags.\n",
        "FATAL Flags parsing error: Unknown command line flag 'stesp'. Did you mean: steps ?",
    ),
    "no such program": (
        "tensorflow-job: cannot run 'trian': No such file or directory\ntensorflow-job: program.command names it; …\n",
        "cannot run 'trian': No such file or directory",
    ),
}
BARS = [
    "\r 3/10 [==>...] - ETA: 1:02:03 - loss: 0.5000 - auc: 1.2500e-04",
    "\x1b[1m 3/10\x1b[0m \x1b[32m━━\x1b[0m\x1b[37m━━━━\x1b[0m \x1b[1m3s\x1b[0m 300ms/step - loss: 0.5000",
    " 3/Unknown - 3s 5ms/step - loss: nan",
    "\rtrain:  30%|███       | 3/10 [00:01<00:09,  9.0s/it, loss=0.5]",
]
PERHAPS = {
    "sys.exit(text)": ("step 3\nDiskFull\n", "DiskFull"),
    "a logger": ("step 3\nCRITICAL:root:no shards left\n" + NOISE * 3, "CRITICAL:root:no shards left"),
    "over a longer line": ("loading\nstep 5 of 9: loss 0.5\rDiskFull\n", "DiskFull"),
    "a box": (
        f"╭─ Error {'─' * 14}╮\n│ No such option: --foo │\n╰{'─' * 23}╯\n",
        "│ No such option: --foo │",
    ),
    "a quoted traceback": ('{"error": "Traceback (most recent call last):\\n"}\nDone\n', "Done"),
    "argparse": ("usage: train.py [-h]\ntrain.py: error: unrecognized arguments: --foo\n", None),
    "a message of several lines": (
        f"{HEAD}ValueError: bad batch\nof shard 7\nin file a.tfrecord\n",
        "ValueError: bad batch … in file a.tfrecord",
    ),
    "one that it got over": (TRACEBACK + "caught it\n" + "step\n" * MAX_MESSAGE_LINES + "DiskFull\n", "DiskFull"),
    "a bar is no reason": ("loading\n" + keras_bar(3) + "Epoch 2/3\n", "loading"),
    "only noise": (NOISE, NOISE.strip()),
    "nothing": ("", ""),
}


@pytest.mark.parametrize("case", SURE)
def test_the_reason_is_known_for_sure(case: str) -> None:
    text, expected = SURE[case]
    assert error(text) == last_line(text) == expected
    assert last_line("step 1: loss 0.3\n" + text + NOISE * 50) == expected


@pytest.mark.parametrize("case", PERHAPS)
def test_else_it_is_the_last_line_that_means_something(case: str) -> None:
    text, expected = PERHAPS[case]
    assert error(text) == ""
    assert last_line(text) == (expected if expected is not None else text.splitlines()[-1])


@pytest.mark.parametrize("bar", BARS)
def test_what_stands_behind_a_bar_in_its_line_is_the_reason_too(bar: str) -> None:
    """It is not over when a program ends, and what comes next has no line of its own."""
    assert last_line(f"loading\n{bar}DiskFull: /data") == "DiskFull: /data"
    assert error(f"loading\n{bar}{CHECK}*** Check failure stack trace: ***\n") == SURE["a failed check of absl"][1]
    assert error(f"loading\n{bar}{CRASH}") == SURE["a crash"][1]
    assert error(f"loading\n{bar}{TRACEBACK}") == NO_PANDAS
    assert last_line(f"loading\n{bar}{NOISE}") == last_line(f"loading\n{bar}") == "loading"
    assert last_line(f"loading\n{bar} - val_loss: 0.2500") == "loading"

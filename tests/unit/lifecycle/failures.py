"""Real last lines of programs that failed, by the known failure that they show.

Most are of TensorFlow 2.20 to 2.22 and Keras 3; others are of Python 3.11, bash 5, dash, glibc, gRPC and runc.
"""

from __future__ import annotations

from tfconfig.tensorflow_job.lifecycle.error_lines import find

_ERRORS = "tensorflow.python.framework.errors_impl."
_PER_REPLICA = "<class 'tensorflow.python.distribute.values.PerReplica'>"

SAMPLES: dict[str, list[str]] = {
    "Keras 3: `fit` with parameter servers": [
        "ValueError: To use this dataset, you need to pass this dataset to "
        "ClusterCoordinator.create_per_worker_dataset."
    ],
    "Keras 3: `fit` on several workers": [
        f"ValueError: Attempt to convert a value (PerReplica:{{\n  0: <tf.Tensor>\n}}) with an unsupported type "
        f"({_PER_REPLICA}) to a Tensor.",
        # What is left of it at the end of a log when the value has many lines.
        f"        0.3331 , 0.0811]], dtype=float32)>\n}}) with an unsupported type ({_PER_REPLICA}) to a Tensor.",
    ],
    "Keras 3: partitioned variables": ["AttributeError: 'ShardedVariable' object has no attribute 'handle'"],
    "Keras is missing": [
        "ImportError: Keras cannot be imported. Check that it is installed.",
        "ModuleNotFoundError: No module named 'tf_keras'",
    ],
    "Keras 3 lacks a part of Keras 2": [
        "AttributeError: module 'keras.utils' has no attribute 'SidecarEvaluator'",
        "AttributeError: module 'keras.utils' has no attribute 'experimental'",
    ],
    "Estimators": ["AttributeError: module 'tensorflow' has no attribute 'estimator'"],
    "A program for TensorFlow 1": [
        "AttributeError: module 'tensorflow' has no attribute 'Session'",
        "ModuleNotFoundError: No module named 'tensorflow.contrib'",
    ],
    "TensorFlow is missing": ["ModuleNotFoundError: No module named 'tensorflow'"],
    "A Python module is missing": [
        "ModuleNotFoundError: No module named 'pandas'",
        "/usr/bin/python3: No module named trainer.task",
    ],
    "A shell variable is not set": ["bash: line 1: DATA: unbound variable", "train.sh: 3: DATA: parameter not set"],
    "A script with Windows line endings": [
        "run.sh: line 2: $'\\r': command not found",
        "python3: can't open file '/app/train.py\\r': [Errno 2] No such file or directory",
        "tensorflow-job: cannot run '/app/run.sh': No such file or directory\ntensorflow-job: /app/run.sh is there, "
        "but its first line ends as on Windows, so that its interpreter is '/bin/bash\\r'; save it with Unix line "
        "endings (LF)",
    ],
    "The interpreter of a script is missing": [
        "bash: ./run.sh: /usr/bin/zsh: bad interpreter: No such file or directory",
        "/usr/bin/env: 'python': No such file or directory",
        "tensorflow-job: cannot run '/app/run.sh': No such file or directory\ntensorflow-job: /app/run.sh is there, "
        "but the image has no /bin/zsh, which its first line names",
    ],
    "A file for another machine": [
        "exec /app/train: exec format error",
        "tensorflow-job: cannot run 'train': No such file or directory\ntensorflow-job: /app/train is there, but not "
        "the loader it was built for: another libc or another kind of processor",
        "bash: ./train: cannot execute binary file: Exec format error",
    ],
    "The script is missing": [
        "python3: can't open file '/app/trian.py': [Errno 2] No such file or directory",
        "bash: trian.sh: No such file or directory",
        "sh: 0: cannot open trian.sh: No such file",
    ],
    "The command is missing": [
        "tensorflow-job: cannot run 'trian': No such file or directory\ntensorflow-job: program.command names it; it "
        "must be on the image's PATH, in its working directory (/app) or among program.files",
        "run.sh: line 3: horovodrun: command not found",
        "sh: 1: trian: not found",
    ],
    "A file may not be executed": [
        "tensorflow-job: cannot run '/app/run.sh': Permission denied\ntensorflow-job: /app/run.sh may not be executed: "
        "chmod +x, or start it with its interpreter, as in [bash, /app/run.sh]",
        "sh: 1: ./run.sh: Permission denied",
    ],
    "A GPU's memory is full": [
        f"{_ERRORS}ResourceExhaustedError: OOM when allocating tensor with shape[8192,65536] and type float on "
        "/job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc [Op:MatMul]",
        f"{_ERRORS}ResourceExhaustedError: Out of memory while trying to allocate 17179869184 bytes.",
        f"{_ERRORS}ResourceExhaustedError: {{{{function_node __wrapped__AddV2_device_/job:localhost/replica:0/task:0/"
        "device:GPU:0}} failed to allocate memory [Op:AddV2] name: ",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79 GiB.",
    ],
    "No memory is left": [
        "MemoryError",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.28 TiB for an array with shape (1000000, "
        "1000000) and data type float64",
        f"{_ERRORS}ResourceExhaustedError: {{{{function_node __wrapped__Fill_device_/job:localhost/replica:0/task:0/"
        "device:CPU:0}} OOM when allocating tensor with shape[1048576,1048576,8] and type float on /job:localhost/"
        "replica:0/task:0/device:CPU:0 by allocator mklcpu [Op:Fill] name: ",
        f"{_ERRORS}ResourceExhaustedError: {{{{function_node __wrapped__AddV2_device_/job:localhost/replica:0/task:0/"
        "device:CPU:0}} failed to allocate memory [Op:AddV2] name: ",
        "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc",
        "OSError: [Errno 12] Cannot allocate memory",
    ],
    "The CPU lacks instructions of the image's build": [
        "2026-11-28 16:00:00.123456: F tensorflow/core/platform/cpu_feature_guard.cc:35] The TensorFlow library was "
        "compiled to use AVX instructions, but these aren't available on your machine.",
        "run.sh: line 2:     7 Illegal instruction     (core dumped) python3 train.py",
    ],
    "/dev/shm is too small": [
        "OSError: [Errno 28] No space left on device: '/dev/shm/psm_1'",
        "Fatal Python error: Bus error",
    ],
    "A volume is full": [
        "OSError: [Errno 28] No space left on device: '/checkpoints/j/ckpt-7.data'",
        f"{_ERRORS}ResourceExhaustedError: /checkpoints/j/a; No space left on device",
        "OSError: [Errno 122] Disk quota exceeded",
    ],
    "A volume or folder is read-only": [
        "OSError: [Errno 30] Read-only file system: '/data/out.csv'",
        f"{_ERRORS}UnknownError: /data/logs; Read-only file system",
    ],
    "No permission to write to the volume": [
        "PermissionError: [Errno 13] Permission denied: '/checkpoints/digits/ckpt'",
        f"{_ERRORS}PermissionDeniedError: /checkpoints/digits; Permission denied",
        "tensorflow-job: cannot make the checkpoint folder /checkpoints/digits: Permission denied. The volume must be "
        "writable for user 1000 (podSecurityContext.fsGroup); with checkpoint.enabled=false the job runs without one",
    ],
    "No CUDA driver": [
        "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory",
        f"{_ERRORS}InternalError: cudaGetDevice() failed. Status: CUDA driver version is insufficient for CUDA runtime "
        "version",
        f"{_ERRORS}InvalidArgumentError: Could not satisfy device specification '/job:localhost/replica:0/task:0/"
        "device:GPU:0'. enable_soft_placement=0. Supported device types [CPU]. All available devices [/job:localhost/"
        "replica:0/task:0/device:CPU:0].",
        "RuntimeError: no CUDA-capable device is detected",
    ],
    "A native library is missing": [
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
        "ImportError: /lib/x86_64-linux-gnu/libm.so.6: version `GLIBC_2.29' not found",
    ],
    "The port is in use": [
        "OSError: [Errno 98] Address already in use",
        f"{_ERRORS}UnknownError: Could not start gRPC server",
    ],
    "A proxy stands between the tasks": [
        f"{_ERRORS}UnavailableError: failed to connect to all addresses; last error: INTERNAL: ipv4:10.0.0.7:3128: "
        "HTTP proxy returned response code 403",
        "OSError: Tunnel connection failed: 407 Proxy Authentication Required",
        "requests.exceptions.ProxyError: HTTPSConnectionPool(host='storage.example', port=443): Max retries exceeded "
        "with url: / (Caused by ProxyError('Cannot connect to proxy.', NewConnectionError('refused')))",
    ],
    "Too many pings": [
        f"{_ERRORS}UnavailableError: Too many pings",
        "grpc._channel._InactiveRpcError: GOAWAY received; ENHANCE_YOUR_CALM, too_many_pings",
    ],
    "The checkpoint is of another model": [
        "ValueError: Received incompatible tensor with shape (3, 4) when attempting to restore variable with shape (3,"
        " 5) and name Variable:0.",
        "AssertionError: Found 1 Python objects that were not bound to checkpointed values, likely due to changes in "
        "the Python program. Showing 1 of 1 unmatched objects: [<tf.Variable 'Variable:0' shape=() dtype=float32>]",
        f"{_ERRORS}NotFoundError: Graph execution error:\n\nDetected at node 'save/RestoreV2' defined at (most recent"
        " call last):\nNode: 'save/RestoreV2'\nKey b not found in checkpoint\n\t [[{{node save/RestoreV2}}]]\n\n"
        "Original stack trace for 'save/RestoreV2':\n",
        f"{_ERRORS}NotFoundError: \n\nExisting variables not in the checkpoint: b\n\nVariables names when this "
        "checkpoint was written which don't exist now: Variable, save_counter\n\n(0 variable name(s) did "
        "match)\n\nCould not find some variables in the checkpoint (see names above).",
        "ValueError: A total of 1 objects could not be loaded. Example error message for object <Dense name=dense_3, "
        "built=True>:\n\nLayer 'dense_3' expected 2 variables, but received 0 variables during loading. Expected: "
        "['kernel', 'bias']\n\nList of objects that could not be loaded:\n[<Dense name=dense_3, built=True>]",
        f"{_ERRORS}InvalidArgumentError: Assign requires shapes of both tensors to match. "
        "lhs shape= [4] rhs shape= [3]",
    ],
    "The checkpoint is incomplete": [
        "IndexError: Read less bytes than requested",
        f"{_ERRORS}NotFoundError: Error when restoring from checkpoint or SavedModel at /checkpoints/j/ckpt-1: "
        "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for "
        "/checkpoints/j/ckpt-1\nPlease double-check that the path is correct. You may be missing the checkpoint suffix "
        "(e.g. the '-1' in 'path/to/ckpt-1').",
        f"{_ERRORS}DataLossError: Unable to open table file /checkpoints/j/ckpt-1: DATA_LOSS: not an sstable (bad "
        "magic number)",
    ],
    "A name does not resolve": [
        "socket.gaierror: [Errno -2] Name or service not known",
        "socket.gaierror: [Errno -3] Temporary failure in name resolution",
        f"{_ERRORS}UnavailableError: DNS resolution failed for ps-0.digits:2222: C-ares status is not ARES_SUCCESS",
        "curl: (6) Could not resolve host: storage.example",
    ],
}
"""Title of a known failure -> last lines that show it."""


def error(text: str) -> str:
    """What a program surely ended with; else ""."""
    error = find(text.rstrip().split("\n"))
    return error.text if error.sure else ""

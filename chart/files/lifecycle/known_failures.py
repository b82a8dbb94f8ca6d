"""Failures that a program's last lines, its exit status or Kubernetes give away, and what to do about each. Pure.

They are for people, and decide nothing. docs/troubleshooting.md lists them (hack/known_failures.py).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..task.log import OWN
from .error_lines import chain_start, find, is_noise

READ_LINES = 100  # meaningful ones, of the last that a program printed


class Known(NamedTuple):
    """A failure: known by what the program printed, by Kubernetes' reason, or else by the exit status."""

    title: str
    advice: str
    pattern: str = "(?!)"
    reasons: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()


_LEGACY = (
    'Install tf-keras of TensorFlow\'s version in the image and set env.TF_USE_LEGACY_KERAS to "1", or write a custom '
    "training loop"
)
_PAGE = ". Which TensorFlow and Keras does what: docs/keras.md"

KNOWN = (
    Known(
        "Keras 3: `fit` with parameter servers",
        f"model.fit of Keras 3 does not work with parameter servers. {_LEGACY}{_PAGE}",
        r"pass this dataset to ClusterCoordinator\.create_per_worker_dataset",
    ),
    Known(
        "Keras 3: `fit` on several workers",
        f"model.fit of Keras 3 does not work on several workers. {_LEGACY}{_PAGE}",
        # The value itself, which may have many lines, stands between the two.
        r"Attempt to convert a value \(PerReplica:|unsupported type \(<class '[\w.]+\.PerReplica'>\) to a Tensor",
    ),
    Known(
        "Keras 3: partitioned variables",
        "Keras 3 does not know partitioned variables. Leave variable_partitioner out, or install tf-keras of "
        f'TensorFlow\'s version in the image and set env.TF_USE_LEGACY_KERAS to "1"{_PAGE}',
        r"'ShardedVariable' object has no attribute",
    ),
    Known(
        "Keras is missing",
        "this Python lacks Keras. With TF_USE_LEGACY_KERAS=1 it needs tf-keras of TensorFlow's version, for 2.21: "
        f"pip install --no-deps tf-keras~=2.21.0{_PAGE}",
        r"Keras cannot be imported|No module named '(tf_keras|keras)'",
    ),
    Known(
        "Keras 3 lacks a part of Keras 2",
        "Keras 3 lacks this part of Keras 2. Install tf-keras of TensorFlow's version in the image and set "
        f'env.TF_USE_LEGACY_KERAS to "1"{_PAGE}',
        r"has no attribute '(SidecarEvaluator|DatasetCreator|experimental)'",
    ),
    Known(
        "Estimators",
        f"TensorFlow 2.15 is the last version with Estimators: set image.tag to 2.15.0{_PAGE}",
        r"module 'tensorflow' has no attribute 'estimator'|No module named 'tensorflow_estimator'",
    ),
    Known(
        "A program for TensorFlow 1",
        "the program is written for TensorFlow 1: use an image with TensorFlow 1.15, or import tensorflow.compat.v1 as "
        f"tf (which has no tf.contrib){_PAGE}",
        r"module 'tensorflow' has no attribute '(Session|placeholder|app|flags|ConfigProto|contrib|logging|gfile)'"
        r"|No module named 'tensorflow\.(contrib|examples)'",
    ),
    Known(
        "TensorFlow is missing",
        "this Python has no TensorFlow: use an image that has it, or set `python` to the one that has it; for "
        "`tfconfig run`, name it with --python",
        r"No module named 'tensorflow'|has no TensorFlow; use an image",
    ),
    Known(
        "A Python module is missing",
        "this Python lacks the module: install it, for a cluster in the image, or add your own module to program.files",
        r"ModuleNotFoundError: No module named|ImportError: No module named|^\S*python[\d.]*: No module named ",
    ),
    Known(
        "A shell variable is not set",
        "the script uses a variable that nothing sets: set it in env, or give it a default as in ${NAME:-default}",
        r": unbound variable$|: parameter (null or )?not set$",
    ),
    Known(
        "A script with Windows line endings",
        "a script's lines end as on Windows: save it with Unix line endings (LF)",
        r"\$'\\r': command not found|can't open file '[^'\n]*\\r'|its first line ends as on Windows|\^M: bad interp"
        r"|env: .python3?\\r",
    ),
    Known(
        "The interpreter of a script is missing",
        "the interpreter in the script's first line is not in the image, or not on this machine: name one that is, or "
        "start the script with it, as in program.command: [python3, train.py]",
        r"bad interpreter|which its first line names|/env: .[\w. -]+.: No such file or directory|env: can't execute",
    ),
    Known(
        "A file for another machine",
        "the file is built for another processor or C library than those of the image and the node",
        r"[Ee]xec format error|not the loader it was built for|cannot execute binary file|wrong ELF class",
    ),
    Known(
        "The script is missing",
        "the script is not where the program starts: correct the path in program.command, add the file to "
        "program.files (it is then in /app), or copy it into the image",
        r"can't open file '|^[\w./-]*sh: (line \d+: |\d+: )?(Can't open |cannot open )?[\w./-]+\.(sh|py): "
        r"(No such file|not found)|^[\w./-]*sh: \d+: (Can't open|cannot open)",
    ),
    Known(
        "The command is missing",
        "there is no such command on the PATH of the image, or of this machine: correct program.command; each word is "
        "an element of the list",
        r"cannot run '[^'\n]*': No such file|: command not found|^[\w./-]*sh: (line )?\d+: [\w./-]+: not found",
        codes=(127,),
    ),
    Known(
        "A file may not be executed",
        "make the file executable (chmod +x), or start it with its interpreter: program.command: [bash, run.sh]",
        r"cannot run '[^'\n]*': Permission denied|^[\w./-]*sh: .*: Permission denied$",
        codes=(126,),
    ),
    Known(
        "The container cannot be started",
        "the container runtime cannot start the container: check image and `python`; the image needs a Python 3.6 or "
        "newer, or with strategy Custom pythonFrom: LifecycleImage, which brings one",
        reasons=("StartError", "ContainerCannotRun"),
    ),
    Known(
        "The container needs more memory than its limit",
        "raise resources.limits.memory of the role, or use smaller batches and buffers; shmSize counts as memory, too",
        reasons=("OOMKilled",),
    ),
    Known(
        "A GPU's memory is full",
        "the model and its batch do not fit into the GPU's memory: use smaller batches; where programs share the GPU, "
        'set env.TF_FORCE_GPU_ALLOW_GROWTH to "true"',
        r"OOM when allocating tensor(?!.*\bcpu\b)(?!.*CPU:).*|CUDA_ERROR_OUT_OF_MEMORY|CUDNN_STATUS_ALLOC_FAILED"
        r"|RESOURCE_EXHAUSTED: .*(GPU|gpu|cuda)|Out of memory (while trying to allocate|allocating)"
        r"|CUDA out of memory|[Dd]evice:GPU:.*failed to allocate memory",
    ),
    Known(
        "No memory is left",
        "the program asked for more memory than there is: use smaller batches and buffers, or raise "
        "resources.limits.memory of the role",
        r"MemoryError\b|Unable to allocate [\d.]+ \w+ for an array|bad_alloc|Cannot allocate memory"
        r"|OOM when allocating tensor|failed to allocate memory",
    ),
    Known(
        "The CPU lacks instructions of the image's build",
        "the image is built for another CPU (AVX and the like): choose nodes that have it with nodeSelector, or an "
        "image that is built for these",
        r"[Ii]llegal instruction|compiled to use \S+ instructions, but these aren't available",
        codes=(132,),
    ),
    Known(
        "/dev/shm is too small",
        "shared memory is full: raise shmSize",
        r"/dev/shm.*No space left|No space left.*/dev/shm|Bus error|bus error|shared memory.*\bshm\b",
        codes=(135,),
    ),
    Known(
        "A volume is full",
        "a volume is full, or the node's disk. For the checkpoint volume: delete what is not needed, or raise "
        "checkpoint.size where the storage class can expand",
        r"No space left on device|Disk quota exceeded",
    ),
    Known(
        "A volume or folder is read-only",
        "write to CHECKPOINT_DIR or /tmp: the image's own files, and data volumes unless readOnly is false, are "
        "read-only",
        r"Read-only file system",
    ),
    Known(
        "No permission to write to the volume",
        "the user of the pods (1000, unless podSecurityContext.runAsUser names another) may not write or read there: "
        "chown the folder on the volume, or set podSecurityContext.runAsUser to its owner; NFS ignores fsGroup",
        r"PermissionError: |PermissionDeniedError|[Pp]ermission denied(?! \(publickey)",
    ),
    Known(
        "No CUDA driver",
        "TensorFlow finds no GPU driver in the container: set `gpus` of the role, and check that the node runs the "
        "device plugin and NVIDIA's container runtime (runtimeClassName); a program for CPUs needs an image for CPUs",
        r"libcuda\.so\S*: cannot open|CUDA driver version is insufficient|no CUDA-capable device"
        r"|CUDA_ERROR_(NO_DEVICE|INVALID_DEVICE|SYSTEM_DRIVER_MISMATCH)|failed call to cuInit"
        r"|NVIDIA driver .*(too old|not found)|matching any registered devices|satisfy device specification .*GPU"
        r"|unknown device\.?$",
    ),
    Known(
        "A native library is missing",
        "the image lacks this library, or has another version of it: install the package that contains it",
        r"cannot open shared object file|version `\w+_[\d.]+' not found|undefined symbol",
    ),
    Known(
        "The port is in use",
        "something else listens on the port. In a pod, TensorFlow's server has 2222: the program must not start "
        "another one there, nor a container of yours; with `tfconfig run`, leave out --port",
        r"Address already in use|[Aa]ddress in use|Errno 98\b|Could not start gRPC server|port is already allocated",
    ),
    Known(
        "A proxy stands between the tasks",
        "an HTTP proxy answered in the place of a task or a server: add the hosts to no_proxy. gRPC between the tasks "
        "bypasses proxies unless TF_GRPC_DEFAULT_OPTIONS is set without grpc.enable_http_proxy=0",
        r"HTTP proxy returned response code|Tunnel connection failed|ProxyError|[Pp]roxy [Aa]uthentication|"
        r"[Cc]annot connect to proxy|proxy .*(refused|CONNECT)|CONNECT .*proxy",
    ),
    Known(
        "Too many pings",
        "a gRPC server closed a connection whose client pinged too often: take grpc.keepalive_time_ms below 300000 out "
        "of TF_GRPC_DEFAULT_OPTIONS. docs/networking.md explains why",
        r"[Tt]oo[ _]many[ _]pings|ENHANCE_YOUR_CALM|GOAWAY",
    ),
    Known(
        "The checkpoint is of another model",
        "the checkpoint folder holds variables of another model or optimizer: set checkpoint.directory to a new folder "
        "for the changed model, or restore only what fits (expect_partial)",
        r"Key \S+ not found in checkpoint|not bound to checkpointed values|incompatible tensor with shape"
        r"|Unresolved object in checkpoint|shape in shape_and_slice spec"
        r"|Assign requires shapes of both tensors to match"
        r"|mismatch between the current graph and the graph from the checkpoint"
        r"|objects could not be loaded|variables?, but received \d+ variables? during loading"
        r"|variable names? .*in the checkpoint|variables not in the checkpoint|axis 0 of .* checkpoint"
        r"|[Ll]ayer count mismatch when loading weights|weight file containing \d+ layers"
        r"|[Ss]hapes? .*(are|is) incompatible.*restor",
    ),
    Known(
        "The checkpoint is incomplete",
        "a file of the checkpoint is missing or torn, as after a full volume or a program that was killed: delete it "
        "and restore the one before (tf.train.CheckpointManager keeps several); "
        "parameter servers need the checkpoint volume",
        r"Failed to find any matching files|Read less bytes than requested|DataLossError|Unable to open table file"
        r"|Checksum does not match|allow_missing_files|truncated (record|file)|file signature not found",
    ),
    Known(
        "A name does not resolve",
        "the cluster's DNS does not know the name: check its spelling, that the Service or pod is in this namespace "
        "(else write NAME.NAMESPACE), and that networkPolicy.egress allows DNS",
        r"Name or service not known|[Nn]ame resolution|nodename nor servname|DNS resolution failed"
        r"|getaddrinfo failed|Could ?n[o']t? resolve host|No address associated with hostname|Domain name not found"
        r"|NameResolutionError|name not found",
    ),
)  # fmt: skip
_PATTERNS = tuple((known, re.compile(known.pattern, re.MULTILINE)) for known in KNOWN)


def by_reason(hint: str) -> bool:
    """Whether this advice follows from Kubernetes' reason, which says more than any output."""
    return any(known.advice == hint for known in KNOWN if known.reasons)


def advice(text: str, code: int | None = None, reason: str = "") -> str:
    """What to do about a failure whose last lines, exit status and Kubernetes' reason are these; "" when unknown."""
    if reason:
        for known in KNOWN:
            if reason in known.reasons:
                return known.advice
    if not text.strip():
        return _by_code(code)
    lines = text.rstrip().split("\n")
    error = find(lines)
    # What the error itself says comes first; before it a program prints of things that it got over.
    of_task = error.text.startswith("cannot ")  # and the line after it says why
    by_error = _by_text(lines[error.start :] if of_task else [error.text]) or _by_text(
        lines[chain_start(lines, error.start) :]
    )
    return by_error or ("" if error.sure else _by_text(lines)) or _by_code(code)


def _by_text(lines: list[str]) -> str:
    kept = [line for line in lines if not is_noise(line) or line[:1].isspace() or _of_task(line)]
    text = "\n".join(kept[-READ_LINES:])
    return next((known.advice for known, pattern in _PATTERNS if pattern.search(text)), "")


def _of_task(line: str) -> bool:
    """Whether the task itself says this, and not only whom it waits for at its start."""
    return line.startswith(OWN) and not line.startswith(f"{OWN}waiting for ")


def _by_code(code: int | None) -> str:
    return next((known.advice for known in KNOWN if code in known.codes), "")

"""What programs may import although nothing is installed: `tensorflow_job.progress`, which is report.py. Python 3.6."""

import contextlib
import os
from typing import Dict

FOLDER = "python"  # of the pod's own folder; it holds this one package, so it hides no module of the program


def add(environ: Dict[str, str], state: str) -> None:
    """Put it at the end of PYTHONPATH. The package is a namespace: one of the program's own of that name counts."""
    folder = os.path.join(state, FOLDER)
    package = os.path.join(folder, "tensorflow_job")
    try:
        os.makedirs(package, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # of the container before
            os.symlink(os.path.join(os.path.dirname(os.path.abspath(__file__)), "report.py"), package + "/progress.py")
    except OSError:  # only who imports it will miss it
        return
    given = environ.get("PYTHONPATH")
    environ["PYTHONPATH"] = (
        given + os.pathsep + folder if given else folder
    )  # an empty entry would be the working folder

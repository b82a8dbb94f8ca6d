"""HOME and TMPDIR of a container: folders of the pod's own volume, where nobody set others. Python 3.6.

A container always has a HOME: where neither env, envFrom nor the image set one, the runtime takes that of the user in
/etc/passwd, or / for a user id that is not there. And an image's may be meant for another user than the job's.
"""

import os
import pwd
from typing import Dict, Mapping, Set


def variables(state: str, given: Mapping[str, str]) -> Dict[str, str]:
    """Those of the two that are absent; their folders are made. A home of /etc/passwd counts where it is of use."""
    absent = {}
    home = given.get("HOME", "")
    if not home or (not _is_usable(home) and home in _homes()):  # in this order: /etc/passwd may be a directory service
        absent["HOME"] = os.path.join(state, "home")
    if "TMPDIR" not in given:
        absent["TMPDIR"] = os.path.join(state, "tmp")
    for folder in absent.values():
        os.makedirs(folder, exist_ok=True)
    return absent


def replaced(given: Mapping[str, str], absent: Mapping[str, str]) -> str:
    """That a HOME gives way which env or the image may have set; empty where it is only the runtime's /, or stays."""
    home = given.get("HOME", "")
    if "HOME" not in absent or home in ("", "/"):
        return ""
    return "user %d cannot write to HOME=%s; HOME is %s instead" % (os.getuid(), home, absent["HOME"])


def _homes() -> Set[str]:
    return {"/"} | {user.pw_dir for user in pwd.getpwall()}


def _is_usable(home: str) -> bool:
    return home != "/" and os.path.isdir(home) and os.access(home, os.W_OK | os.X_OK)

"""values/git-code.yaml: its script is run as its init container runs it, against a repository of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.chart import helm

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git")

USER = 1000  # podSecurityContext.runAsUser and fsGroup


class Volume:
    """An emptyDir as the kubelet makes it: root's, and open to the pod's group. And a repository of two commits."""

    def __init__(self, folder: Path) -> None:
        self.code, self.repository = folder / "code", folder / "repository"
        self.code.mkdir()
        if os.geteuid() == 0:
            os.chown(self.code, 0, USER)
        self.code.chmod(0o2777)
        self.repository.mkdir()
        self._git("init", "--quiet")
        self.first, self.second = self._commit("print(1)"), self._commit("print(2)")
        if os.geteuid() == 0:  # git serves no repository of another user from the same machine
            for path in (self.repository, *self.repository.rglob("*")):
                os.chown(path, USER, USER)

    def _git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.repository, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def _commit(self, text: str) -> str:
        (self.repository / "train.py").write_text(text)
        self._git("add", "train.py")
        self._git("commit", "--quiet", "--message", text)
        return self._git("rev-parse", "HEAD")

    def fetch(self, revision: str) -> subprocess.CompletedProcess[str]:
        """The init container, with this machine's folders; as root, with its user too."""
        values = yaml.safe_load((helm.CHART.parent / "values" / "git-code.yaml").read_text("utf-8"))
        (container,) = values["initContainers"]
        script = container["args"][0].replace("/code/", f"{self.code}/")
        user = USER if os.geteuid() == 0 else None
        return subprocess.run(
            [*container["command"], script],
            env={"PATH": os.environ["PATH"], "REPOSITORY": f"file://{self.repository}", "REVISION": revision},
            capture_output=True,
            text=True,
            check=False,
            user=user,
            group=user,
            extra_groups=None if user is None else [user],
        )

    def program(self) -> str:
        """What the task would start."""
        return (self.code / "program" / "train.py").read_text()


@pytest.fixture
def volume() -> Iterator[Volume]:
    # Not pytest's own folder, which no other user may enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Volume(Path(folder))


def test_the_named_commit_is_there_also_after_a_second_start(volume: Volume) -> None:
    for _ in range(2):
        done = volume.fetch(volume.first)
        assert done.returncode == 0, done.stderr
        assert volume.first.startswith(done.stdout.split()[0])
        assert volume.program() == "print(1)"


def test_a_restart_with_another_commit_gets_that_one(volume: Volume) -> None:
    assert volume.fetch(volume.first).returncode == 0
    (volume.code / "program" / "train.py").write_text("changed by hand")
    assert volume.fetch(volume.second).returncode == 0
    assert volume.program() == "print(2)"


def test_a_commit_that_is_not_there_fails_the_container(volume: Volume) -> None:
    done = volume.fetch("0" * 40)
    assert done.returncode != 0
    assert "not our ref" in done.stderr

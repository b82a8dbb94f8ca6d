"""HOME and TMPDIR: a folder of the pod's own volume each, where nobody set another one."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from tests.unit.task.conftest import Container, job, shell
from tfconfig.tensorflow_job.task import home

PRINTS = shell('echo "finds $HOME and $TMPDIR."')


def entry(folder: str) -> pwd.struct_passwd:
    return pwd.struct_passwd(("anna", "x", 1000, 1000, "", folder, ""))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The home that the image's /etc/passwd has for the user."""
    folder = tmp_path / "anna"
    folder.mkdir()
    users = [entry("/nonexistent"), entry("/root"), entry(str(folder))]
    monkeypatch.setattr(pwd, "getpwall", lambda: users)
    monkeypatch.setattr(os, "access", lambda path, _: path != "/root")
    return str(folder)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("given", [{}, {"HOME": ""}, {"HOME": "/"}, {"HOME": "/root"}, {"HOME": "/nonexistent"}])
def test_what_is_absent_or_only_another_users_is_in_the_pods_own_volume(tmp_path: Path, given: dict[str, str]) -> None:
    state = tmp_path / "state"
    assert home.variables(str(state), given) == {"HOME": f"{state}/home", "TMPDIR": f"{state}/tmp"}
    assert (state / "home").is_dir()
    assert (state / "tmp").is_dir()


@pytest.mark.parametrize("folder", ["/data/me", "OWN"], ids=["not there yet", "of the user"])
def test_what_somebody_set_stays(tmp_path: Path, own: str, folder: str) -> None:
    given = {"HOME": folder.replace("OWN", own), "TMPDIR": "/scratch"}
    assert home.variables(str(tmp_path / "state"), given) == {}


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("given", [{"HOME": "/root"}, {"HOME": "/nonexistent"}])
def test_a_home_that_somebody_may_have_set_does_not_give_way_without_a_word(
    tmp_path: Path, given: dict[str, str]
) -> None:
    message = home.replaced(given, home.variables(str(tmp_path), given))
    assert message == f"user {os.getuid()} cannot write to HOME={given['HOME']}; HOME is {tmp_path}/home instead"


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("given", [{}, {"HOME": ""}, {"HOME": "/"}, {"HOME": "/data/me"}])
def test_nothing_is_said_of_a_home_that_stays_or_that_nobody_set(tmp_path: Path, given: dict[str, str]) -> None:
    assert home.replaced(given, home.variables(str(tmp_path), given)) == ""


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"HOME": "/", "TMPDIR": "/scratch"}, "STATE/home and /scratch"),
        ({"HOME": "/of/envFrom", "TMPDIR": "/of/the/image"}, "/of/envFrom and /of/the/image"),
    ],
)
def test_the_program_finds_them(container: Container, environ: dict[str, str], found: str) -> None:
    container.write(job(program=PRINTS))
    assert container.run("worker", 5, **environ) == 0
    assert f"finds {found.replace('STATE', str(container.state))}." in container.output


def test_a_text_of_env_may_build_on_them(container: Container) -> None:
    container.write(job(program=PRINTS, env={"worker": {"TMPDIR": "$(HOME)/tmp", "HOME": "$(HOME)/me"}}))
    assert container.run(HOME="/") == 0
    assert f"finds {container.state}/home/me and {container.state}/home/me/tmp." in container.output


def test_the_task_says_so_in_one_line(container: Container) -> None:
    container.write(job(program=PRINTS))
    nobodys = next(user.pw_dir for user in pwd.getpwall() if not os.access(user.pw_dir, os.W_OK))
    assert container.run("worker", 1, HOME=nobodys) == 0
    assert container.output.count(f"HOME={nobodys}; HOME is {container.state}/home instead") == 1

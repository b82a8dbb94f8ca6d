"""The files of a hostile pull request: code where Python and pip look for theirs, and names that are commands."""

from __future__ import annotations

from pathlib import Path

# What the steps of the action name, and what these import.
MODULES = (
    "venv", "pip", "ensurepip", "sitecustomize", "usercustomize", "os", "json", "shlex", "tfconfig", "click", "yaml",
)  # fmt: skip
OWNED = "open({mark!r}, 'a').write(__name__)\nraise SystemExit('a module of the pull request ran')\n"
# Values files that shells, runners and option parsers take for something else.
NAMES = (
    "new\nline-values.yaml",
    "$(touch owned)-values.yaml",
    "`touch owned`-values.yaml",
    "a;touch owned;-values.yaml",
    "::set-output name=a::b-values.yaml",
    "--ignore=TFC-values.yaml",
    "--exit-zero/values.yaml",
    "-f-values.yaml",
)
WRONG = "worker: {replica: 3}\n"


def hostile(folder: Path, mark: Path) -> None:
    """Put them into a checkout. `mark` is written by whatever of it runs."""
    for module in MODULES:
        (folder / f"{module}.py").write_text(OWNED.format(mark=str(mark)), "utf-8")
    files = {
        "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'pip'\nbackend-path = ['.']\n",
        "setup.cfg": "[options]\nsetup_requires = owned\n[global]\nindex-url = http://127.0.0.1:9/\n",
        "pip.conf": "[global]\nindex-url = http://127.0.0.1:9/\nno-index = true\n",
        ".env": f"PYTHONSTARTUP={folder}/os.py\nPYTHONPATH={folder}\nBASH_ENV={folder}/run.sh\n",
        "run.sh": f"echo run >> '{mark}'\n",
        ".bashrc": f"echo run >> '{mark}'\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")


def name_hostile(folder: Path) -> None:
    """Values files with an error each, under the names."""
    for name in NAMES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(WRONG, "utf-8")


def traces(folder: Path) -> list[str]:
    """What names that ran have left."""
    return [str(file) for file in folder.rglob("owned*")]

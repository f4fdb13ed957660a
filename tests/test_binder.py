"""What Binder builds, tested as far as that goes without Docker and without conda's packages."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
import yaml
from packaging.requirements import Requirement

from tests.environment import fresh_environment
from tests.repository import ROOT, copy_repository

BINDER = ROOT / "binder"
CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}


def pyproject_requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [Requirement(text) for text in project["dependencies"]]


def conda_requirements() -> dict[str, Requirement]:
    lines = yaml.safe_load((BINDER / "environment.yml").read_text("utf-8"))["dependencies"]
    # conda's single "=" asks for any version that starts so.
    found = [Requirement(re.sub(r"(?<![<>=])=(?!=)(.+)", r"==\1.*", line)) for line in lines]
    return {requirement.name: requirement for requirement in found}


def pinned_version(name: str) -> str:
    [line] = re.findall(rf"(?mi)^{re.escape(name)}==(.+)$", (ROOT / "constraints.txt").read_text("utf-8"))
    return line


@pytest.mark.parametrize("requirement", pyproject_requirements(), ids=lambda requirement: requirement.name)
def test_environment_gives_what_the_package_asks_for(requirement):
    conda = conda_requirements()
    name = CONDA_NAMES.get(requirement.name, requirement.name)
    assert name in conda, f"environment.yml lacks {name}"
    assert set(requirement.specifier) <= set(conda[name].specifier)
    assert pinned_version(requirement.name) in conda[name].specifier


def test_environment_uses_conda_forge_alone():
    environment = yaml.safe_load((BINDER / "environment.yml").read_text("utf-8"))
    assert environment["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.slow
def test_repo2docker_uses_all_of_the_folder():
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    result = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "python=3.12" in result.stdout + result.stderr
    dockerfile = result.stdout.splitlines()
    assert any(
        'env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"' in line for line in dockerfile
    )
    assert "RUN ./binder/postBuild" in dockerfile
    assert 'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in dockerfile


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_are_executable_and_stop_at_an_error(name):
    script = BINDER / name
    assert os.access(script, os.X_OK)
    # `start` has nothing that could fail before it hands over to JupyterLab.
    assert name == "start" or "set -euo pipefail" in script.read_text("utf-8").splitlines()


def test_start_runs_the_command_it_is_given_with_one_thread():
    assert (BINDER / "start").read_text("utf-8").splitlines()[-1] == 'exec "$@"'
    program = 'printf "%s|" "$OMP_NUM_THREADS" "$@"; echo $$'
    process = subprocess.Popen(
        [BINDER / "start", "sh", "-c", program, "sh", "two words", "*"], stdout=subprocess.PIPE, text=True
    )
    # The same process id: signals that end a session reach JupyterLab, not a shell around it.
    assert process.communicate()[0] == f"1|two words|*|{process.pid}\n"


@pytest.mark.parametrize("blocked", [False, True])
def test_a_hub_gives_each_home_a_desk_and_then_the_server_with_one_thread(tmp_path, blocked):
    """Through a link, as in a folder of programs; without a desk there is a server all the same."""
    home, programs = tmp_path / "home of ada", tmp_path / "programs"
    home.mkdir()
    programs.mkdir()
    if blocked:
        (home / "my-lessons").touch()
    (programs / "hub-server").symlink_to(BINDER / "hub-server")
    server = programs / "jupyterhub-singleuser"
    server.write_text('#!/bin/sh\nprintf "%s|" "$OMP_NUM_THREADS" "$PWD" "$@"\n', "utf-8")
    server.chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"HOME": str(home), "PATH": path, "PYTHONPATH": str(ROOT)}
    command = [programs / "hub-server", "--port=1", "two words"]
    result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == f"1|{home}|--port=1|two words|"
    assert (home / "my-lessons" / "00-start-here.ipynb").is_file() is not blocked
    assert ("cannot be copied" in result.stderr) is blocked


@pytest.fixture
def checkout(tmp_path):
    return copy_repository(tmp_path / "repository")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """As conda would have left it."""
    return fresh_environment(tmp_path_factory.mktemp("conda"))


def post_build(checkout: Path, environment: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["./binder/postBuild"],
        cwd=checkout,
        env=os.environ | {"PATH": path} | variables,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_post_build_refuses_the_cuda_build_of_torch(checkout, environment, tmp_path):
    stand_in = tmp_path / "stand-in"
    stand_in.mkdir()
    (stand_in / "torch.py").write_text("class version:\n    cuda = '13.0'\n", "utf-8")
    result = post_build(checkout, environment, PYTHONPATH=str(stand_in))
    assert result.returncode != 0
    assert "CUDA build of torch" in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(torch.version.cuda is not None, reason="postBuild refuses the CUDA build of torch")
def test_post_build_installs_the_package_and_the_settings(checkout, environment):
    result = post_build(checkout, environment)
    assert result.returncode == 0, result.stdout + result.stderr

    assert (checkout / "my-lessons" / "00-start-here.ipynb").is_file()
    shutil.rmtree(checkout / "lwlr_teach")
    command = [environment / "bin/python", "-I", "-c", "import lwlr_teach.optim as it; print(it.__file__)"]
    imported = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert Path(imported).is_relative_to(environment)

    settings = environment / "etc/jupyter/labconfig/default_setting_overrides.json"
    assert json.loads(settings.read_text("utf-8")) == {
        "@jupyterlab/apputils-extension:notification": {"checkForUpdates": False, "fetchNews": "false"}
    }

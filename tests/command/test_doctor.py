"""The check-up: all is well on this machine, and each thing that may be wrong is found."""

import importlib.metadata
import re
import shutil
import sys
from pathlib import Path

import pytest

from lwlr_teach.command import doctor
from lwlr_teach.command.doctor import Ill, Skipped
from tests.javascript import NODE

REQUIRED = ["torch>=2.9", "anywidget>=0.9.21", 'ray>=2.60; extra == "ray"']


@pytest.fixture
def installed(monkeypatch):
    """Say what lwlr-teach asks for and what is there, in place of what is."""

    def say(requires=REQUIRED, **versions):
        def version(name):
            if name not in versions:
                raise importlib.metadata.PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(importlib.metadata, "requires", lambda _: list(requires))
        monkeypatch.setattr(importlib.metadata, "version", version)

    return say


@pytest.mark.slow
def test_on_a_machine_that_passes_the_tests_all_is_well(tmp_path, capsys):
    assert doctor.doctor(tmp_path / "my-lessons") == 0
    _, *lines, last = capsys.readouterr().out.splitlines()
    assert last == "All is well."
    assert [line for line in lines if line[:2] not in ("✔ ", "– ")] == []
    assert len(lines) == 10


def test_one_thing_that_is_wrong_is_counted_and_the_rest_is_checked(tmp_path, monkeypatch, capsys):
    def broken():
        raise ImportError("libtorch.so: no such file\nand more")

    for name in ("torch_works", "jupyterlab", "the_edge", "adam", "javascript", "digits"):
        monkeypatch.setattr(doctor, name, lambda: "well")
    monkeypatch.setattr(doctor, "torch_works", broken)
    monkeypatch.setattr(doctor, "packages", lambda: "well")
    assert doctor.doctor(tmp_path) == 1
    out = capsys.readouterr().out
    assert f"\n✘ ImportError: libtorch.so: no such file. {doctor.REINSTALL}\n" in out
    assert out.count("✔ well") == 6
    assert out.endswith("\n1 thing is wrong.\n")


def test_versions_in_the_ranges_are_well_and_those_not_tested_are_named(installed, monkeypatch, tmp_path):
    (tmp_path / "constraints.txt").write_text("# tested\nTorch==2.13.0\nanywidget==0.11.0\n")
    monkeypatch.setattr(doctor, "handed_out", lambda name: tmp_path / name)
    installed(torch="2.13.0+cpu", anywidget="0.11.0")
    assert doctor.packages() == "All 2 packages are here, in the versions tested"
    installed(torch="2.14.1", anywidget="0.11.0")
    assert doctor.packages().endswith("of these other versions were tested: torch 2.14.1 (2.13.0)")


@pytest.mark.parametrize(
    ("versions", "says"),
    [
        (dict(torch="2.4.0", anywidget="0.11.0"), 'torch is 2.4.0. Do: pip install "torch>=2.9"'),
        (dict(torch="2.13.0"), 'anywidget is missing. Do: pip install "anywidget>=0.9.21"'),
    ],
)
def test_a_version_out_of_range_is_ill(installed, versions, says):
    installed(**versions)
    with pytest.raises(Ill, match=re.escape(says)):
        doctor.packages()


def test_in_a_folder_that_is_not_installed_versions_are_not_compared(monkeypatch):
    def requires(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    with pytest.raises(Skipped, match="not installed"):
        doctor.packages()


def test_jupyterlab_must_have_what_shows_the_pictures(monkeypatch):
    assert "20 lessons" in doctor.jupyterlab()
    monkeypatch.setattr(doctor, "WIDGETS", ("anywidget", "a-widget-that-is-not-there"))
    with pytest.raises(Ill, match="would not find a-widget-that-is-not-there"):
        doctor.jupyterlab()


def test_a_kernel_that_is_another_python_is_ill(monkeypatch, tmp_path):
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text('{"argv": ["/opt/other/bin/python"], "display_name": "x"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    says = f"in another Python, /opt/other/bin/python. Do: {sys.executable} -m ipykernel install"
    with pytest.raises(Ill, match=re.escape(says)):
        doctor.jupyterlab()


def test_without_jupyterlab_it_says_what_to_install(installed):
    installed()
    with pytest.raises(Ill, match="pip install jupyterlab ipykernel"):
        doctor.jupyterlab()


def test_a_folder_that_is_not_there_yet_can_be_written_if_the_one_above_can(tmp_path, monkeypatch):
    assert doctor.room(tmp_path / "a" / "b").startswith(f"{tmp_path / 'a' / 'b'} can be written")

    def no(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", no)
    with pytest.raises(Ill, match=re.escape(f"Nothing can be written in {tmp_path} ([Errno 13]")):
        doctor.room(tmp_path / "my-lessons")


def test_a_full_disk_is_ill(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=5 * 2**20)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(Ill, match="Only 5 MB are free"):
        doctor.room(tmp_path)


def test_what_no_lesson_needs_is_no_illness(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda *_, **__: None)
    for check in (doctor.compiler, doctor.javascript):
        with pytest.raises(Skipped, match="no lesson needs it"):
            check()


@pytest.mark.slow
@pytest.mark.parametrize("module", ["sgd", "adam"])
def test_a_rule_that_gives_other_numbers_is_ill(monkeypatch, module):
    """As on a machine whose arithmetic is broken: here the rule is."""
    from lwlr_teach.optim import SGD, Adam

    kind, check = {"sgd": (SGD, doctor.the_edge), "adam": (Adam, doctor.adam)}[module]
    assert check()
    step = kind.step

    def wrong(self, *arguments):
        result = step(self, *arguments)
        for group in self.param_groups:
            for p in group["params"]:
                p.data *= 1.001
        return result

    monkeypatch.setattr(kind, "step", wrong)
    with pytest.raises(Ill, match="Please report it"):
        check()


@pytest.mark.skipif(NODE is None, reason="no Node on this machine")
def test_javascript_that_gives_other_numbers_is_ill(monkeypatch, tmp_path):
    assert doctor.javascript() == "Adam in JavaScript steps as in Python"
    node = tmp_path / "node"
    wrong = {"echo '[0.5, 0.5]'": "Adam in JavaScript: 0.5 instead of", "exit 3": "Node cannot run"}
    for text, says in wrong.items():
        node.write_text(f"#!/bin/sh\n{text}\n")
        node.chmod(0o755)
        monkeypatch.setattr(doctor.shutil, "which", lambda *_, **__: str(node))
        with pytest.raises(Ill, match=says):
            doctor.javascript()


@pytest.mark.slow
def test_a_network_that_does_not_learn_as_expected_is_ill(monkeypatch):
    assert "learns" in doctor.digits()
    monkeypatch.setattr(doctor, "LOSSES", (0.2, 0.3))
    with pytest.raises(Ill, match=r"not 0\.2 to 0\.3"):
        doctor.digits()


def test_the_tested_versions_are_handed_out():
    assert doctor._tested()["torch"].count(".") == 2
    assert Path(doctor.handed_out("constraints.txt")).is_file()

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine import environment


def test_the_command_names_no_folder_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["/home/ann/fcn/train_fcn.py", "--root=/data/cityscapes", "--saved", "/home/ann/saved", "--cache=cache/a"]
    monkeypatch.setattr(sys, "argv", words)
    expected = ["train_fcn.py", "--root=cityscapes", "--saved", "saved", "--cache=cache/a"]
    assert environment.describe()["command"] == expected


def test_a_module_bundled_in_another_distribution_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytorch-lightning installs lightning_fabric in this way."""
    version = metadata.version

    def of_others(name: str) -> str:
        if name == "lightning-fabric":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", of_others)
    monkeypatch.setitem(sys.modules, "lightning_fabric", SimpleNamespace(__version__="2.6.6"))
    packages = environment.describe()["packages"]
    assert packages["lightning-fabric"] == "2.6.6"
    assert packages["numpy"] == version("numpy")
    monkeypatch.delitem(sys.modules, "lightning_fabric")
    assert environment.describe()["packages"]["lightning-fabric"] is None


def test_absent_packages_are_described_as_none_and_nothing_is_imported_for_that() -> None:
    program = (
        "import sys\n"
        "from importlib import metadata\n"
        "def absent(name): raise metadata.PackageNotFoundError(name)\n"
        "metadata.version = absent\n"
        "from engine import environment\n"
        "packages = environment.describe()['packages']\n"
        "assert packages['lightning-fabric'] is None and packages['torchvision'] is None, packages\n"
        "assert not {'lightning_fabric', 'torchvision'} & {*sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_installed_copy_has_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder may lie in a repository of somebody else, whose commit it is not."""
    assert environment.commit() is not None
    monkeypatch.setattr(environment, "__file__", str(Path(__file__)))
    assert environment.commit() is None

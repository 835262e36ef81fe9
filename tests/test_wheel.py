"""What is installed: the content of the wheel, its commands, and what its dependencies are for."""

import ast
import importlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from engine.cli import interrupts

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PACKAGES = ("camvid", "catalogue", "cityscapes", "engine", "fcn", "kitti_road", "pascal_voc", "recipes", "report")
SCRIPTS = ("export_fcn", "generate_gt", "profile_fcn", "test_fcn", "train_fcn")
TORCH_FREE_MODULES = ("generate_gt", "cityscapes", "camvid", "kitti_road", "pascal_voc", "report")
MODULES = {
    "jinja2": "Jinja2",
    "kornia_rs": "kornia-rs",
    "lightning_fabric": "lightning-fabric",
    "markupsafe": "MarkupSafe",
    "PIL": "Pillow",
    "pynvml": "nvidia-ml-py",
    "yaml": "PyYAML",
}
"""Module -> its distribution, where their names differ."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of the files that git has or would add."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    for name in names.split("\0"):
        if (REPOSITORY / name).is_file() and not name.startswith(("docs/", "tests/")):
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, folder / "source" / name)
    words = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(folder),
        str(folder / "source"),
    ]
    subprocess.run(words, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_has_every_module_and_what_they_read_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    wanted = {f"{name}.py" for name in SCRIPTS}
    for package in PACKAGES:
        files = (REPOSITORY / package).rglob("*")
        wanted |= {str(path.relative_to(REPOSITORY)) for path in files if path.is_file() and path.suffix != ".pyc"}
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == wanted
    assert {f"{package}/py.typed" for package in PACKAGES if package not in ("recipes", "report")} <= wanted
    assert "recipes/demo.yaml" in wanted


def test_the_metadata_names_extras_and_licence_and_no_address(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    fields, _, _ = wheel.read(name).decode().partition("\n\n")
    assert "License-Expression: MIT\n" in fields
    assert re.findall(r"Provides-Extra: (\w+)", fields) == [*PROJECT["optional-dependencies"]]
    assert not re.search(r"https?:|@", fields)
    assert name.replace("METADATA", "licenses/LICENSE") in wheel.namelist()


@pytest.mark.parametrize("target", PROJECT["scripts"].values(), ids=PROJECT["scripts"])
def test_every_command_is_there(target: str) -> None:
    module, _, function = target.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def distributions(extra: str | None = None) -> set[str]:
    """The names of the dependencies, of the base installation or of an extra."""
    lines = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    return {re.split(r"[^\w.-]", line)[0] for line in lines}


def imported(path: Path) -> set[str]:
    """The distributions of other people that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return {MODULES.get(name, name) for name in names - sys.stdlib_module_names - {*PACKAGES, *SCRIPTS}}


def test_every_import_has_its_dependency_and_every_dependency_an_import() -> None:
    files = [*REPOSITORY.glob("*.py"), *(path for name in PACKAGES for path in (REPOSITORY / name).rglob("*.py"))]
    found = set().union(*map(imported, files)) - {"triton"}  # which comes with torch on Linux
    extras = PROJECT["optional-dependencies"].keys() - {"dev", "docs"}
    known = distributions().union(*map(distributions, extras)) - {"cityscapes-fcn"}
    assert found <= known
    assert known - found <= {"onnx", "onnxscript", "tabulate", "tensorboard"}  # torch and pandas import them


@pytest.mark.parametrize("extra", ["train", "export"])
def test_a_missing_package_of_an_extra_is_reported_with_it(extra: str) -> None:
    for name in distributions(extra) - {"cityscapes-fcn"}:
        module = next((module for module, distribution in MODULES.items() if distribution == name), name)
        message = interrupts.missing(ModuleNotFoundError(name=f"{module}.part"))
        assert message is not None, module
        assert f'pip install "cityscapes-fcn[{extra}]"' in message


def test_the_base_installation_has_what_its_tools_import() -> None:
    lazy = {"scipy", "torch", "torchvision"}  # SBD's masks, and code that trains on a benchmark
    for name in TORCH_FREE_MODULES:
        paths = [REPOSITORY / f"{name}.py", *(REPOSITORY / name).rglob("*.py")]
        for path in filter(Path.is_file, paths):
            assert imported(path) <= distributions() | lazy, path
    assert not distributions() & (lazy | distributions("train"))

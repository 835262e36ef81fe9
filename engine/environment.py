"""The environment of a result: commit, versions and hardware."""

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = {
    "cityscapes-fcn": "engine",
    "torch": "torch",
    "torchvision": "torchvision",
    "lightning-fabric": "lightning_fabric",
    "numpy": "numpy",
    "Pillow": "PIL",
    "openvino": "openvino",
    "kornia-rs": "kornia_rs",
}
"""Distribution -> the module that it installs."""
_VECTORS = ("avx", "fma", "amx", "neon", "asimd", "sve")
"""Prefixes of the names of vector instructions."""


def describe() -> dict[str, Any]:
    """The environment of this process as JSON content, without names of the user or the machine."""
    import torch

    return {
        "commit": commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name, module) for name, module in _PACKAGES.items()},
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cpu_family_and_model": [_cpu_info("cpu family"), _cpu_info("model\t")],
        "cpu_vector_instructions": [flag for flag in (_cpu_info("flags") or "").split() if flag.startswith(_VECTORS)],
        "cpu_count": psutil.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "cuda": torch.version.cuda,
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "command": [_without_folders(word) for word in sys.argv],
    }


def _version(distribution: str, module: str) -> str | None:
    """The version of a package; None if it is absent, or bundled in another distribution and not imported here.

    The distribution pytorch-lightning installs the module lightning_fabric without a distribution of that name.
    """
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        version = getattr(sys.modules.get(module), "__version__", None)
    return None if version is None else str(version)


def _without_folders(word: str) -> str:
    """A word of a command line, without the folders of an absolute path, which may name the user or the machine."""
    flag, equals, value = word.rpartition("=")
    return f"{flag}{equals}{Path(value).name}" if Path(value).is_absolute() else word


def cpu_name() -> str:
    """Model of the processor, as far as the system reports it."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


def _cpu_info(name: str) -> str | None:
    """A property of the first processor from /proc/cpuinfo; None on other systems than Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def commit() -> str | None:
    """Commit of this source tree, with a `+` if files differ from it; None outside git and in an installed copy."""
    here = Path(__file__).parent
    if not (here.parent / "pyproject.toml").is_file():  # an environment may be inside another repository
        return None
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()

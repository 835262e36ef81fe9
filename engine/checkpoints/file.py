"""Checkpoint files, from this program and from others."""

import errno
import hashlib
import os
import re
import warnings
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import torch

from engine.checkpoints.about import FORMAT_VERSION, About, read_about, read_version
from engine.checkpoints.safetensors import is_safetensors, read_safetensors
from engine.checkpoints.weights import StateDict, find_weights, require_usable
from engine.errors import InputError
from engine.files.atomic import replacing
from engine.files.content import reading

_FOLDER = 0x10
"""MS-DOS attribute of a folder in a zip archive."""


def save(path: Path, weights: StateDict, about: About, **more: Any) -> None:
    """Write weights and their metadata, and in `more` any state of tensors, numbers and strings."""
    content = {"format_version": FORMAT_VERSION, "about": asdict(about), "weights": weights, **more}
    with replacing(path, durable=True) as file:
        torch.save(content, file)


@dataclass(frozen=True)
class Checkpoint:
    """Content of a checkpoint file."""

    weights: StateDict
    """Name -> dense, finite tensor on the CPU; integers are counters only."""
    about: About | None
    """Metadata of the weights; None in a file of another program."""
    arch: str | None
    """Name of the network in a file of another program; None if it has none."""
    version: int
    """Format version of the file."""
    more: dict[str, Any]
    """Key -> other content of a file of this program, not checked."""
    sha256: str
    """SHA-256 of the file in hexadecimal."""


def load(path: Path) -> Checkpoint:
    """Read a checkpoint of any program onto the CPU, without running code from it: of torch.save or safetensors.

    The checksums in the file are verified. The file format from before PyTorch 1.6 has none, and safetensors files of
    other programs have none.

    Raises:
        InputError: if the file is not a checkpoint or is damaged, its tensors are not weights of a network, or its
            metadata are impossible.
    """
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; give a weights file, for example {path / 'best.pth'}")
    if not path.exists():
        raise InputError(f"{path}: no such file; train_fcn.py writes weights to saved/<run>/best.pth")
    with reading(path) as file:
        before = os.fstat(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        if is_safetensors(path, file.read(9)):
            file.seek(0)
            content = read_safetensors(path, file.read())
        else:
            content = _unpickled(path, file)
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InputError(f"{path}: changed while it was read; run the same command again once it is written")
    weights = find_weights(content)
    if weights is None:
        raise InputError(f"{path}: a PyTorch file without network weights; expected a state dict: names and tensors")
    require_usable(path, weights)
    if not isinstance(content.get("about"), dict) and "format_version" not in content:
        arch = content.get("arch")
        return Checkpoint(weights, None, arch if isinstance(arch, str) else None, 1, {}, digest)
    version = read_version(path, content)
    about = read_about(path, content.get("about"), version)
    more = {key: value for key, value in content.items() if key not in {"weights", "about", "format_version"}}
    return Checkpoint(weights, about, None, version, more, digest)


def _unpickled(path: Path, file: IO[bytes]) -> Any:
    """The content of an open checkpoint, whose archive is verified first.

    Raises:
        InputError: if it is not a checkpoint, or is damaged.
    """
    try:
        _verify(file)
        file.seek(0)
        with warnings.catch_warnings(action="ignore"):  # about formats that are refused below
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: an invalid position in the file
            raise
        reason = "it ends too early"
    except Exception as error:  # a damaged file can raise any exception
        reason = _reason(error)
    raise InputError(
        f"{path}: not a PyTorch checkpoint, or damaged ({reason}); "
        "copy it again from where it came, or give one that train_fcn.py or torch.save(network.state_dict(), ...) wrote"
    )


def _verify(file: IO[bytes]) -> None:
    """Compare the checksums of an archive of torch.save; the format from before PyTorch 1.6 has none.

    Raises:
        BadZipFile: if it is damaged, or torch.save never wrote it.
    """
    file.seek(0)
    if file.read(4) != b"PK\x03\x04":
        return
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise zipfile.BadZipFile("its records are compressed, which torch.save never does")
        # torch.load does not read a record that is marked as a folder, and leaves its tensor uninitialised.
        if any(entry.is_dir() or entry.external_attr & _FOLDER for entry in entries):
            raise zipfile.BadZipFile("one of its records is marked as a folder")
        if len({entry.filename for entry in entries}) < len(entries):
            raise zipfile.BadZipFile("two of its records have the same name")
        if not any(entry.CRC for entry in entries):
            return  # written with torch.serialization.set_crc32_options(False)
        if wrong := archive.testzip():
            raise zipfile.BadZipFile(f"wrong checksum of its record {wrong}")


def _reason(error: Exception) -> str:
    """A short reason why a file cannot be loaded, without PyTorch's advice to run code from it."""
    text = str(error)
    if isinstance(error, zipfile.BadZipFile):
        return text
    if match := re.search(r"Unsupported global: GLOBAL (\S{1,100})", text):
        return f"it holds the object {match[1]}, and nothing but tensors, numbers and strings is read"
    match = re.search(r"Unsupported \w+ .{1,60}", text)
    return match[0] if match else f"{type(error).__name__} {text.strip().partition(chr(10))[0][:80]}".strip()


def results_name(weights: Path) -> str:
    """Name for results of weights: the run for its best weights, otherwise run and file, or the file alone."""
    if not (weights.parent / "config.yaml").is_file():
        return weights.stem
    return weights.parent.name if weights.stem == "best" else f"{weights.parent.name}-{weights.stem}"

"""Weights in the safetensors format, with their metadata as texts.

The format itself has no checksum. Files that are written here have one, of metadata and tensors, among the metadata.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from engine.checkpoints.about import FORMAT_VERSION, About
from engine.checkpoints.weights import StateDict
from engine.errors import InputError
from engine.files.atomic import write_bytes

SUFFIX = ".safetensors"

_TEXTS = ("network", "benchmark")
"""Fields that are texts already; the others are JSON."""
_REMEDY = "copy it again from where it came, or give the .pth file next to it"
_MOST_METADATA = 100_000_000
"""Largest number of bytes in a header, according to the format."""


def save_safetensors(path: Path, weights: StateDict, about: About, classes: Sequence[str] = ()) -> None:
    """Write weights and their metadata, whole or not at all.

    Args:
        path: path of the file.
        weights: state dict of a network, on any device.
        about: metadata of the weights.
        classes: the names of the classes, in the order of the network's channels.
    """
    import safetensors.torch

    # The format has no tensors that share memory, and no views.
    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}
    fields = {"format_version": FORMAT_VERSION, **asdict(about), "classes": list(classes)}
    texts = {
        name: value if name in _TEXTS else json.dumps(value) for name, value in fields.items() if value is not None
    }
    metadata = {"format": "pt", **texts}
    content = safetensors.torch.save(whole, {**metadata, "sha256": _digest(metadata, whole)})
    write_bytes(path, _in_order(content), durable=True)


def _in_order(content: bytes) -> bytes:
    """A file with its header sorted: the library writes metadata in another order each time."""
    start, header = _header(content)
    text = json.dumps(header, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[start:]


def _header(content: bytes) -> tuple[int, dict[str, Any]]:
    """The number of bytes before the tensors, and the header in them, which is preceded by its length."""
    start = 8 + int.from_bytes(content[:8], "little")
    return start, json.loads(content[8:start])


def is_safetensors(path: Path, start: bytes) -> bool:
    """Whether a file claims to be of this format, by its name or its first nine bytes."""
    return path.suffix == SUFFIX or (start[8:9] == b"{" and 1 < int.from_bytes(start[:8], "little") <= _MOST_METADATA)


def read_safetensors(path: Path, content: bytes) -> dict[str, Any]:
    """Content of a file under the names of a `.pth` checkpoint: `weights`, and in a file of ours the metadata.

    Args:
        path: path of the file, for messages.
        content: all bytes of the file.

    Raises:
        InputError: if it is not of this format, or is damaged.
    """
    import safetensors.torch

    try:
        weights: StateDict = safetensors.torch.load(content)
        _, header = _header(content)
    except Exception as error:  # a damaged file can end in any
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise InputError(f"{path}: not a safetensors file, or damaged ({reason}); {_REMEDY}") from error
    metadata: dict[str, str] = header.get("__metadata__", {})
    if metadata.keys().isdisjoint({"format_version", "sha256"}):
        return {"weights": weights}
    found = metadata.pop("sha256", "")
    if found != _digest(metadata, weights):
        raise InputError(f"{path}: damaged: its tensors or metadata are not those that were written; {_REMEDY}")
    metadata.pop("format", None)
    try:
        fields = {name: text if name in _TEXTS else json.loads(text) for name, text in metadata.items()}
    except ValueError as error:
        raise InputError(f"{path}: its metadata are not those of this program ({error}); {_REMEDY}") from error
    version, classes = fields.pop("format_version", 1), fields.pop("classes", [])
    about = {"benchmark": None, "miou": None, **fields}
    return {"weights": weights, "about": about, "format_version": version, "classes": classes}


def _digest(metadata: Mapping[str, str], weights: StateDict) -> str:
    """The SHA-256 of all metadata and tensors, in hexadecimal."""
    digest = hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

"""Cache of decoded samples on disk, so that PNG files are decoded once and not in every epoch."""

import hashlib
import io
import shutil
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine import parallel
from engine.arrays import UInt8Array
from engine.benchmark import Sample
from engine.data.dataset import Reader
from engine.errors import InputError
from engine.files.atomic import replacing
from engine.files.images import image_size

try:
    from isal.isal_zlib import crc32
except ImportError:  # not installed on this platform
    from zlib import crc32

_BYTES_PER_PIXEL = 4
"""Bytes of a pixel in the cache: RGB and a train id."""
_LAYOUT = "rows of RGB, then ids, then a checksum"
"""Description of the file layout; it is part of the hash in file names, so files of an older layout are not used."""
_CHECKSUM = struct.Struct("<I")
"""Format of the checksum at the end of a file: the CRC-32 of its name and of the bytes before it."""


class Cache:
    """Folder of decoded images and masks, and a reader of samples from it.

    Each sample is one file of (H, 4 W) uint8: a row holds W pixels of RGB, then W train ids. Files are memory-mapped:
    a crop reads only its rows, and the operating system keeps in memory as many files as fit. A sample is decoded
    again if its image or mask has changed, or if its file in the cache is damaged; `fill` verifies a checksum.

    Args:
        folder: folder of the cache; several runs and benchmarks may share it.
        reader: reads the original files.
    """

    def __init__(self, folder: Path, reader: Reader) -> None:
        self.folder, self.reader = folder, reader

    def __call__(self, sample: Sample) -> tuple[UInt8Array, UInt8Array]:
        """Read the (H, W, 3) image and the (H, W) mask of a sample, as views of its memory-mapped file.

        Raises:
            InputError: if the file was damaged after `fill` had verified it.
        """
        path = self.path(sample)
        if not path.is_file():
            self.add(sample)
        try:
            rows: UInt8Array = np.lib.format.open_memmap(path, mode="c")
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(path, str(error)) from error
        if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] % _BYTES_PER_PIXEL:
            raise _damaged(path, f"{rows.dtype} of {rows.shape}")
        height, width = rows.shape[0], rows.shape[1] // _BYTES_PER_PIXEL
        return rows[:, : 3 * width].reshape(height, width, 3), rows[:, 3 * width :]

    def path(self, sample: Sample) -> Path:
        """File of a sample; its name is a hash of the paths, sizes and modification times of image and mask."""
        parts = [_LAYOUT]
        for path in (sample.image, sample.mask):
            if path is not None and path.is_file():
                state = path.stat()
                parts += [str(path.resolve()), str(state.st_size), str(state.st_mtime_ns)]
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
        return self.folder / digest[:2] / f"{digest}.npy"

    def add(self, sample: Sample) -> None:
        """Decode a sample into the cache.

        Raises:
            InputError: if its image or mask cannot be read.
        """
        image, mask = self.reader(sample)
        path, content = self.path(sample), io.BytesIO()
        np.save(content, np.hstack([image.reshape(len(image), -1), mask]))
        with replacing(path) as file:
            file.write(content.getbuffer())
            file.write(_checksum(path, content.getbuffer()))

    def fill(self, samples: Sequence[Sample], workers: int) -> None:
        """Decode all samples that are missing from the cache or damaged in it; a note on stderr reports damaged files.

        Every file is read once to verify its checksum, so a training that starts soon after finds it in memory.

        Raises:
            InputError: with every file that cannot be read, or if the disk has too little space.
        """
        present = [sample for sample in samples if self.path(sample).is_file()]
        checked = parallel.parallel_map(self._is_intact, present, workers=workers, title="check the cache")
        damaged = [self.path(sample) for sample, fine in checked if fine is not True]
        for path in damaged:
            path.unlink(missing_ok=True)
        if damaged:
            print(
                f"note: {damaged[0]}: damaged; {len(damaged)} of {len(present)} files in the cache are damaged; their "
                "samples are decoded again",
                file=sys.stderr,
            )
        missing = [sample for sample in samples if not self.path(sample).is_file()]
        if not missing:
            return
        self._require_room(missing)
        found = parallel.parallel_map(self.add, missing, workers=workers, title="fill the cache")
        messages = [message for _, error in found if isinstance(error, InputError) for message in error.messages]
        if messages:
            raise InputError(*messages)

    def _is_intact(self, sample: Sample) -> bool:
        """Whether the checksum of a sample's file is right."""
        path = self.path(sample)
        try:
            content = memoryview(path.read_bytes())
        except OSError:
            return False
        end = len(content) - _CHECKSUM.size
        return end > 0 and content[end:] == _checksum(path, content[:end])

    def size(self, samples: Sequence[Sample]) -> int:
        """Size of the samples in the cache in bytes, computed from the sizes of their images."""
        return sum(width * height * _BYTES_PER_PIXEL for width, height in (image_size(s.image) for s in samples))

    def _require_room(self, samples: Sequence[Sample]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        needed, free = self.size(samples), shutil.disk_usage(self.folder).free
        if needed > free:
            raise InputError(
                f"{self.folder}: the cache needs {needed / 1e9:.1f} GB for {len(samples)} images, {free / 1e9:.1f} GB "
                "are free; choose another folder for --cache, or train without --cache"
            )


def _checksum(path: Path, content: memoryview) -> bytes:
    return _CHECKSUM.pack(crc32(content, crc32(path.name.encode())))


def _damaged(path: Path, got: str) -> InputError:
    return InputError(
        f"{path}: damaged file of the cache (got {got}, expected rows of pixels); delete it, then run the same command "
        "again, which decodes the sample again"
    )

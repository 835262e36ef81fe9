"""One file of predictions, and what must be done to make it an 8-bit mask of ids."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.submission import parcel, pngs
from cityscapes.submission.parcel import Member
from engine.errors import InputError
from engine.parallel import each

_FRAME = re.compile(r"(?<![^_\W])(?<![^_\W]-)[^_\W]++(?:-[^_\W]++)*+_\d{6}_\d{6}")
"""`<city>_<6 digits>_<6 digits>` anywhere in a name; cities are tried from their beginnings, for speed."""


class Draft(NamedTuple):
    """One file that shall be fixed."""

    member: Member
    stem: str
    look: pngs.Look
    """As it will be, but for the ids; or why it cannot be: damaged, no PNG, bit depth, colours or values above 255."""
    change: str
    """What has to be done to it besides the ids; empty if nothing."""


def examine(path: Path, members: Sequence[Member], workers: int) -> Iterator[Draft]:
    """Look into files, in their order."""
    batches = [(path, batch) for batch in parcel.batches(members, workers)]
    for _, drafts in each(_examine, batches, workers=workers, title="examine"):
        if isinstance(drafts, InputError):
            raise drafts
        yield from drafts


def _examine(batch: tuple[Path, Sequence[Member]]) -> list[Draft]:
    return [
        Draft(member, stem_in(member.name), *_drafted(content))
        for member, content in zip(batch[1], parcel.read(*batch), strict=True)
    ]


def stem_in(name: str) -> str:
    """The image that a file belongs to, from its name; empty if it does not say."""
    found = _FRAME.search(re.split(r"[/\\]", name)[-1])
    return found.group() if found else ""


def _drafted(content: bytes | InputError) -> tuple[pngs.Look, str]:
    """What a file will be, and what is to be done for it."""
    if isinstance(content, InputError):
        return pngs.Look("damaged", str(content)), ""
    look = pngs.look(content)
    if look.trouble in ("colour", "16-bit"):
        return _reduced(content, look)
    return look, "palette to grey" if look.palette else ""


def _reduced(content: bytes, look: pngs.Look) -> tuple[pngs.Look, str]:
    """The same for a file in colour or of 16 bits."""
    try:
        samples = grey(pngs.decoded(content))
    except pngs.UNDECODABLE as error:
        return pngs.Look("damaged", str(error)), ""
    if samples is None:
        return look._replace(trouble="colours"), ""
    if samples.max() > 255:
        return look._replace(trouble="values above 255", detail=f"up to {samples.max()}"), ""
    pixels = np.bincount(samples.ravel(), minlength=256)
    change = "16 bits to 8" if look.trouble == "16-bit" else "grey stored in colour to grey"
    return pngs.Look(None, "", look.size, tuple(pixels.tolist())), change


def grey(samples: npt.NDArray[np.unsignedinteger]) -> npt.NDArray[np.unsignedinteger] | None:
    """One channel of an image whose colour channels are equal, None for real colours; alpha is left out."""
    if samples.ndim == 2:
        return samples
    colours = samples[..., :3] if samples.shape[2] >= 3 else samples[..., :1]
    return colours[..., 0] if (colours == colours[..., :1]).all() else None

"""Animations of predictions over their images: a GIF, and a video where there is a program `ffmpeg`."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np
from PIL import Image

from engine.arrays import UInt8Array
from engine.errors import InputError
from engine.files.atomic import replacing
from engine.inference import page
from engine.inference.output import Overlays
from engine.inference.page import Entries
from report.figures.folder import FigureFolder
from report.figures.scenes import ids_of, palette_of, ranked, stems, title
from report.pictures.encode import Scene, read
from report.pictures.groups import Group

_MOST = 24
"""Largest number of images in an animation."""
_VIDEO_SIDE = 1280
"""Longest side of a picture in a video, in pixels."""
_SECONDS = 300
"""Longest duration of the program that makes a video."""
_MISSING = "no program ffmpeg was found; install it, for example by apt-get install ffmpeg, and run this again"


def write(groups: Sequence[Group], folder: FigureFolder) -> None:
    """Write an animation of the best result of each group, as GIF and as MP4."""
    program = shutil.which("ffmpeg")
    for group, name in zip(groups, stems(groups), strict=True):
        method = ranked(group)[0]
        stem = f"predictions-{name}"
        key = group.members[method].result.key
        scenes = [scene for scene in group.scenes if scene.predictions[method] is not None][:_MOST]
        try:
            pictures, present = _pictures(group, scenes, method, folder)
        except InputError as error:
            folder.leave_out(f"Animation of {key}", error.messages[0])
            continue
        entries = _entries(group, present)
        page.animation(folder.folder / f"{stem}.gif", pictures, entries)
        about = f"Predictions of {key} over {len(pictures)} images"
        folder.add((f"{stem}.gif",), f"{about}, animated.")
        if program is None:
            continue
        try:
            video(Path(program), folder.folder / f"{stem}.mp4", page.frames(pictures, entries, _VIDEO_SIDE))
        except InputError as error:
            folder.leave_out(f"Video of {key}", error.messages[0])
        else:
            folder.add((f"{stem}.mp4",), f"{about}, as a video.")
    if groups and program is None:
        folder.leave_out("Videos of predictions", _MISSING)
    if not groups:
        folder.leave_out("Grid of scenes, and animations", "no predictions with their images were found; give --root")


def video(program: Path, path: Path, frames: Sequence[Image.Image]) -> None:
    """Write a video of frames of one size, two a second, without a date.

    Args:
        program: ffmpeg.
        path: path of the MP4.
        frames: frames of the video; an odd side loses its last row or column, because the format takes none.

    Raises:
        InputError: if the program fails.
    """
    width, height = (side - side % 2 for side in frames[0].size)
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "2", "-i", "-"]
    quiet = ["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    plain = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-threads", "1"]
    form = ["-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4"]
    pixels = b"".join(frame.crop((0, 0, width, height)).convert("RGB").tobytes() for frame in frames)
    with replacing(path) as file:
        command = [str(program), *quiet, *source, *plain, *form, file.name]
        try:
            done = subprocess.run(command, input=pixels, capture_output=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(f"{program}: cannot make a video ({error}); the animated GIF is complete") from error
        if done.returncode != 0:
            reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
            raise InputError(f"{program}: failed with code {done.returncode} ({reason}); the animated GIF is complete")


def _pictures(
    group: Group, scenes: Sequence[Scene], method: int, folder: FigureFolder
) -> tuple[list[tuple[str, UInt8Array]], set[int]]:
    """Names of images with their blended pictures, and the train ids that occur in the predictions.

    Raises:
        InputError: if no image can be read.
    """
    overlays = Overlays(folder.folder, palette_of(group.benchmark))
    pictures: list[tuple[str, UInt8Array]] = []
    present, faults = set[int](), list[str]()
    for scene in scenes:
        try:
            layers = read(scene)
        except InputError as error:
            faults += error.messages
            continue
        if (prediction := layers.predictions[method]) is None:
            faults += layers.faults
            continue
        ids = ids_of(group.benchmark, prediction)
        step = -(-max(ids.shape) // _VIDEO_SIDE)
        image, ids = layers.image[::step, ::step], ids[::step, ::step]
        present |= set(np.unique(ids).tolist())
        pictures.append((PurePath(scene.sample.name).name, overlays.blend(image, ids)))
    if not pictures:
        raise InputError(*(faults or [f"{title(group)}: there is no prediction"]))
    return pictures, present


def _entries(group: Group, present: set[int]) -> Entries:
    """Legend entries of the classes that occur."""
    classes = group.benchmark.classes
    colors = palette_of(group.benchmark)
    return [(name, tuple(colors[number].tolist())) for number, name in enumerate(classes.names) if number in present]

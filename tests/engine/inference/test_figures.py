"""Figures, legends and GIFs of predictions derived from the ground truth."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import catalogue
from engine.arrays import UInt8Array
from engine.benchmark import Benchmark, Sample
from engine.errors import InputError
from engine.files.images import read_image, write_png
from engine.inference import figures, page
from engine.inference.output import Predictions

NAMES = ("camvid", "cityscapes", "kitti_road", "pascal_voc")


def derived(benchmark: Benchmark, samples: list[Sample], folder: Path, wrong: int = 0) -> Predictions:
    """Predictions that equal the ground truth, except for void and for wrong rows at the top of all but the first."""
    predictions = Predictions(folder, benchmark.prediction_suffix, {})
    for number, sample in enumerate(samples):
        assert sample.mask is not None
        truth = benchmark.read_mask(sample.mask).copy()
        truth[truth == benchmark.classes.void] = 0
        truth[: wrong * number] = 1
        if benchmark.confidence_class is None:
            write_png(predictions.path(sample), benchmark.prediction_ids[truth])
        else:
            write_png(predictions.path(sample), truth * 127 + 64)
    return predictions


def has(pixels: UInt8Array, color: tuple[int, int, int]) -> bool:
    return bool((pixels == color).all(-1).any())


@pytest.mark.parametrize("name", NAMES)
def test_figures_of_every_benchmark(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    benchmark = catalogue.benchmark(name)
    samples = benchmark.samples(request.getfixturevalue(f"{name}_root"), "val")
    predictions = derived(benchmark, samples, tmp_path / "predictions", wrong=5)
    scenes = figures.rated(benchmark, samples, predictions, workers=2)
    assert [scene.sample for scene in scenes] == samples
    assert scenes[0].iou == pytest.approx(1)
    shown = figures.worst(scenes, 2)
    assert len(shown) == min(2, len(samples))
    assert shown[0].iou == min(scene.iou for scene in scenes if scene.iou is not None)

    folder = tmp_path / "figures"
    write_png(folder / "9_old.png", np.zeros((2, 2, 3), np.uint8))
    figures.draw(benchmark, shown, predictions, folder)
    paths = sorted(folder.iterdir())
    assert [path.name for path in paths] == [
        f"{rank}_{Path(scene.sample.name).name}.png" for rank, scene in enumerate(shown, 1)
    ]
    drawn = read_image(paths[0])
    mask = shown[0].sample.mask
    assert mask is not None
    for train_id in np.unique(benchmark.read_mask(mask)):
        assert train_id == benchmark.classes.void or has(drawn, benchmark.classes.colors[train_id])

    figures.animate(benchmark, samples, predictions, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as gif:
        assert getattr(gif, "n_frames", 1) == len(samples)
        frame = np.asarray(gif.convert("RGB"))
    assert has(frame, (255, 255, 255)), "paper"
    legend = page.legend(figures.legend_of(benchmark))
    assert all(has(legend, color) for _, color in figures.legend_of(benchmark))


def test_the_iou_of_an_image_is_the_mean_over_the_classes_in_it(camvid_root: Path, tmp_path: Path) -> None:
    benchmark = catalogue.benchmark("camvid")
    (sample, *_) = benchmark.samples(camvid_root, "val")
    mask = tmp_path / "mask.png"
    write_png(mask, np.array([[0, 0, 1, 11]], np.uint8))  # 11 is void
    sample = Sample("a", sample.image, mask)
    predictions = Predictions(tmp_path, benchmark.prediction_suffix, {})
    write_png(predictions.path(sample), np.array([[0, 2, 1, 5]], np.uint8))
    (scene,) = figures.rated(benchmark, [sample], predictions, workers=1)
    assert scene.classes == 3, "two of the ground truth, and one that was predicted only"
    assert scene.iou == pytest.approx((1 / 2 + 1 + 0) / 3)

    write_png(mask, np.full((1, 4), 11, np.uint8))
    (nothing,) = figures.rated(benchmark, [sample], predictions, workers=1)
    assert nothing.iou is None
    assert figures.worst([nothing, scene], 2) == [scene, nothing]
    figures.draw(benchmark, [nothing], predictions, tmp_path / "figures")


def test_pixels_without_a_class_are_not_black_where_a_class_is(pascal_voc_root: Path, tmp_path: Path) -> None:
    benchmark = catalogue.benchmark("pascal_voc")
    samples = benchmark.samples(pascal_voc_root, "val")
    predictions = derived(benchmark, samples, tmp_path)
    figures.draw(benchmark, figures.rated(benchmark, samples, predictions, 1), predictions, tmp_path / "figures")
    drawn = read_image(min((tmp_path / "figures").iterdir()))
    assert has(drawn, (0, 0, 0))
    assert has(drawn, figures._VOID)


def test_scenes_are_found_by_name(tmp_path: Path) -> None:
    samples = [Sample(name, tmp_path / name, None) for name in ("aachen/a_1", "bochum/b_1", "x/same", "y/same")]
    assert figures.named(samples, "b_1, aachen/a_1") == [samples[1], samples[0]]
    with pytest.raises(InputError) as caught:
        figures.named(samples, "c_1,same")
    assert caught.value.messages == (
        "--figures c_1: no image has this name; give names such as aachen/a_1, or a number of scenes",
        "--figures same: 2 images have this name; give names such as aachen/a_1, or a number of scenes",
    )

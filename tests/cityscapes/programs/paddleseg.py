"""Files that PaddleSeg writes.

Source: PaddlePaddle/PaddleSeg, `paddleseg/core/predict.py`, `paddleseg/utils/visualize.py` and
`tools/data/cityscapes_trainid2labelid.py` at d7975e7. `tools/val.py` writes no predictions.

* folders: `<save_dir>/pseudo_color_prediction/` with the predictions, and `<save_dir>/added_prediction/` with the same
  names and the image blended with colours; in both the folders below `--image_path`, for example cities
* names: those of the images, `<stem>_leftImg8bit.png`
* pixels: train ids as indices of a palette, which is the one of Pascal VOC unless `--custom_color` is given
* `cityscapes_trainid2labelid.py` writes grey label ids to `<save_dir>/convert_to_labelid/<city>/`
"""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from pascal_voc.labels import PALETTE
from tests.cityscapes.programs.drawn import Predicted, label_ids_of


def write(save_dir: Path, predictions: Sequence[Predicted]) -> None:
    for predicted in predictions:
        image = Image.fromarray(predicted.train_ids).convert("P")
        image.putpalette(PALETTE.tobytes())
        _save(image, save_dir / "pseudo_color_prediction", predicted)
        blended = Image.blend(Image.new("RGB", image.size), image.convert("RGB"), 0.4)
        _save(blended, save_dir / "added_prediction", predicted)


def convert_to_label_ids(save_dir: Path, predictions: Sequence[Predicted]) -> None:
    """Write the additional files of its converter."""
    for predicted in predictions:
        _save(Image.fromarray(label_ids_of(predicted)), save_dir / "convert_to_labelid", predicted)


def _save(image: Image.Image, folder: Path, predicted: Predicted) -> None:
    path = folder / predicted.city / f"{predicted.stem}_leftImg8bit.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)

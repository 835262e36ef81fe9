"""The names and arguments that scripts of the original FCN8s repository use."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cityscapes import CityScapes, get_transforms, submission
from cityscapes.labels import BY_TRAIN_ID, COLOR_OF, LABEL_ID_OF, LABELS
from engine.errors import InputError
from fcn import FCN8s, FocalLoss, compute_batch_metrics, convert_trainid_mask, evaluate, train_one_epoch


def test_the_network_has_its_size_and_its_state_dict_keys() -> None:
    network = FCN8s(num_classes=20)
    assert sum(parameter.numel() for parameter in network.parameters()) == 9_366_844
    # 0-based within each part, as nn.Sequential(*features[15:22]) numbers them
    convolutions = {"os_8": (0, 4, 8, 11), "os_16": (0, 3), "os_32": (0, 3)}
    parts = ("weight", "bias")
    norm = (*parts, "running_mean", "running_var", "num_batches_tracked")
    expected = {
        *(f"vgg.{part}.{place}.{name}" for part, places in convolutions.items() for place in places for name in parts),
        *(
            f"vgg.{part}.{place + 1}.{name}"
            for part, places in convolutions.items()
            for place in places
            for name in norm
        ),
        *(f"score_pool_{stride}.{name}" for stride in (32, 16, 8) for name in parts),
        *(f"upscore_{stride}.weight" for stride in (32, 16, 8)),
    }
    assert set(network.state_dict()) == expected
    assert network.upscore_32.weight.shape == (20, 20, 4, 4)
    assert network.upscore_8.weight.shape == (20, 20, 16, 16)
    assert network.vgg.os_32[3].weight.shape == (512, 512, 3, 3)


def test_the_network_computes_what_the_original_computes() -> None:
    torch.manual_seed(0)
    network = FCN8s(20).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        at_8 = network.vgg.os_8(image)
        at_16 = network.vgg.os_16(at_8)
        at_32 = network.vgg.os_32(at_16)
        scores = network.upscore_32(network.score_pool_32(at_32)) + network.score_pool_16(at_16)
        scores = network.upscore_16(scores) + network.score_pool_8(at_8)
        assert torch.equal(network(image), network.upscore_8(scores))


def test_metrics_of_a_batch_are_counted_per_class() -> None:
    preds = torch.tensor([[[0, 1], [1, 2]]])
    targets = torch.tensor([[[0, 1], [2, 255]]])
    intersection, union, predicted, true = compute_batch_metrics(preds, targets, 3)
    assert intersection.tolist() == [1, 1, 0]
    assert union.tolist() == [1, 2, 2]
    assert predicted.tolist() == [1, 2, 1]
    assert true.tolist() == [1, 1, 1]


TABLES = {f"name_to_{kind}_path": f"./cityscapes/name_to_{kind}.json" for kind in ("trainId", "color", "labelId")}
"""Arguments of the scripts of the original repository, which run in their own folder."""


@pytest.fixture
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])


@pytest.mark.usefixtures("in_the_repository")
def test_masks_of_train_ids_are_converted() -> None:
    mask = np.arange(20, dtype=np.uint8).reshape(4, 5)
    label_ids = convert_trainid_mask(mask, to="labelid", **TABLES)
    assert np.array_equal(label_ids, LABEL_ID_OF[mask])
    colors = convert_trainid_mask(mask, to="color", **TABLES)
    assert np.array_equal(colors, COLOR_OF[LABEL_ID_OF[mask]])
    assert colors[0, 0].tolist() == list(BY_TRAIN_ID[0].color)
    with pytest.raises(InputError, match="expected 'labelid' or 'color'"):
        convert_trainid_mask(mask, "colour", **TABLES)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"elsewhere.json: no such file"):
        convert_trainid_mask(mask, "color", **TABLES | {"name_to_color_path": "elsewhere.json"})


@pytest.mark.usefixtures("in_the_repository")
def test_the_tables_are_those_of_the_labels() -> None:
    train_ids, colors, label_ids = (json.loads(Path(path).read_text()) for path in TABLES.values())
    assert label_ids == {label.name: label.id for label in LABELS}
    assert train_ids == {label.name: label.train_id if label.id >= 0 else -1 for label in LABELS}
    assert colors == {label.name: list(label.color) for label in LABELS}


@pytest.mark.usefixtures("in_the_repository")
def test_the_steps_of_the_original_test_fcn_give_predictions_to_submit(demo_root: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(FCN8s(num_classes=20).state_dict(), tmp_path / "fcn.pth")

    _, transform = get_transforms([1024, 1024], [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    network = FCN8s(num_classes=20)
    network.load_state_dict(torch.load(tmp_path / "fcn.pth", map_location="cpu", weights_only=True))
    network.to("cpu").eval()
    for path in sorted((demo_root / "leftImg8bit" / "test").glob("*/*_leftImg8bit.png")):
        with torch.no_grad():
            logits = network(transform(Image.open(path).convert("RGB")).unsqueeze(0))
        train_ids = torch.argmax(logits, dim=1).squeeze().numpy().astype(np.uint8)
        label_ids = convert_trainid_mask(train_ids, to="labelid", **TABLES).astype(np.uint8)
        target = tmp_path / "fcn" / path.parent.name / path.name.replace("_leftImg8bit.png", "_labelId_preds.png")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(label_ids).save(target)
    assert submission.check(tmp_path / "fcn", demo_root).faults == ()


def test_a_script_of_the_original_repository_trains_and_evaluates(demo_root: Path) -> None:
    torch.manual_seed(0)
    transform_train, transform_val = get_transforms([64, 64], [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    train_set = CityScapes(root_dir=str(demo_root), split="train", transform=transform_train)
    val_set = CityScapes(root_dir=str(demo_root), split="val", transform=transform_val)
    image, mask = val_set[0]
    assert image.dtype == torch.float32
    assert image.shape == (3, 128, 256)
    assert mask.shape == (128, 256)

    network: nn.Module = FCN8s(num_classes=20)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    loss_fn = FocalLoss(alpha=0.25, gamma=2.0, size_average=True, ignore_index=255)
    loader = torch.utils.data.DataLoader(train_set, batch_size=2, drop_last=True)
    scaler = torch.amp.GradScaler(enabled=False)
    first, *_ = train_one_epoch(network, loader, loss_fn, optimizer, 20, scaler, "cpu")
    for _ in range(3):
        last, iou, dice, accuracy = train_one_epoch(network, loader, loss_fn, optimizer, 20, scaler, "cpu")
    assert last < first
    assert iou.shape == dice.shape == accuracy.shape == (20,)
    loss, iou, *_ = evaluate(network, torch.utils.data.DataLoader(val_set), loss_fn, 20, "cpu")
    assert loss > 0
    assert 0 <= iou.min() <= iou.max() <= 1

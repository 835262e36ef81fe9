from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cityscapes.doctor import main
from cityscapes.labels import TRAIN_ID_OF
from tests.cityscapes.drawn_root import LABEL_IDS, ROAD, SCENES, DoctorOutput, annotate, save


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for scene in SCENES:
        dummy = scene.split == "test"
        label_ids = LABEL_IDS * (not dummy)
        save(scene.image(tmp_path), np.zeros((16, 32, 3), np.uint8))
        annotate(scene.polygons(tmp_path), *([] if dummy else [ROAD]))
        save(scene.official_mask(tmp_path, "labelIds"), label_ids)
        save(scene.official_mask(tmp_path, "instanceIds"), label_ids.astype(np.uint16))
        if not dummy:
            save(scene.generated_mask(tmp_path, "labelId"), label_ids)
            save(scene.generated_mask(tmp_path, "trainId"), TRAIN_ID_OF[label_ids])
    return tmp_path


@pytest.fixture
def run_doctor(root: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[int], DoctorOutput]:
    def run(code: int) -> DoctorOutput:
        assert main(["--root", str(root), "--workers", "1"]) == code
        table, _, rest = capsys.readouterr().out.partition("\n\n")
        *findings, verdict, following = rest.splitlines()
        faults = [line.removeprefix("fault  ") for line in findings if line.startswith("fault  ")]
        notes = [line.removeprefix("note  ") for line in findings if line.startswith("note  ")]
        assert len(faults) + len(notes) == len(findings)
        assert all("; " in line for line in findings)
        assert verdict.startswith(f"{root}: {'healthy' if code == 0 else len(faults)}")
        assert verdict.count("not the official data set") == 1
        assert following.startswith("next: python " if code == 0 else "next: apply the remedy of each fault")
        return DoctorOutput(table.splitlines(), faults, notes)

    return run

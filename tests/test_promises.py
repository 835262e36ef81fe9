"""The promises of the README, sentence by sentence, and the tests that check them."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

TRUTH, SCORING, SUBMISSION = "cityscapes/ground_truth", "cityscapes/scoring", "cityscapes/submission"
PROGRAMS = "cityscapes/programs"
PROMISES: dict[str, tuple[str, ...]] = {
    "the drawn masks equal the official ones bit for bit": (
        f"{TRUTH}/test_polygons.py::test_real_scenes_equal_their_official_masks",
        f"{TRUTH}/test_fill.py::test_equals_the_pillow_of_the_official_masks",
    ),
    "It skips what is up to date": ("test_generate_gt.py::test_skips_what_is_up_to_date",),
    "lists every faulty file at the end": ("test_generate_gt.py::test_lists_every_faulty_file_and_draws_the_others",),
    "writes `*_gtFine_labelTrainIds.png` and similar names next to the polygons": (
        "test_generate_gt.py::test_official_names_for_other_tools",
    ),
    "`--annotations gtCoarse`, `--polygons` and `--labels` draw gtCoarse, your own polygons and your own labels": (
        "test_generate_gt.py::test_coarse_annotations",
        "test_generate_gt.py::test_custom_polygons_and_labels",
    ),
    "the weights are then those of an uninterrupted run, bit for bit": (
        "bench/test_kills.py::test_killed_and_undisturbed_trainings_are_identical",
    ),
    "A run is a folder in `saved/`": ("test_train_fcn.py::test_a_run_leaves_everything_behind",),
    "takes any of 15 networks": (
        "fcn/test_networks.py::test_the_documentation_lists_every_network_with_its_parameters",
    ),
    "or your own as `package.module:build`": (
        "catalogue/test_import_path.py::test_a_custom_network_trains_and_is_found_again",
    ),
    "`original` trains as the original FCN8s repository did": ("test_train_fcn.py::test_the_original_recipe_trains",),
    "pass the file as `--backbone_weights FILE`": ("test_train_fcn.py::test_the_backbone_starts_from_a_file",),
    "predicts the test split as full-size label-id PNGs, packs and checks the zip": (
        "test_test_fcn.py::test_the_test_split_becomes_a_zip_that_the_server_accepts",
    ),
    "`--split val` scores as the server does": ("test_test_fcn.py::test_the_val_split_is_scored",),
    "predicts any folder of images, with colour overlays": ("test_test_fcn.py::test_any_folder_of_images",),
    "`--figures 5` draws image, ground truth and prediction of the worst five scenes": (
        "test_test_fcn.py::test_figures_of_the_worst_scenes_and_a_gif",
    ),
    "It recognises the weights of `train_fcn.py`, of the original FCN8s repository (20 outputs) and of pytorch-fcn": (
        "test_test_fcn.py::test_weights_of_the_original_repository_load_without_a_flag",
        "fcn/test_references.py::test_the_papers_form",
        "fcn/test_references.py::test_the_light_form",
    ),
    "0 pixels differ from the whole image": (
        "engine/inference/test_tiles.py::test_tiles_give_what_the_whole_image_gives",
    ),
    "and checks it": ("engine/test_export.py::test_a_file_with_other_results_is_not_kept",),
    "None of these imports torch": ("test_architecture.py::test_torch_free_rooms_start_without_torch",),
    "agree with the official scorers to 1e-9 in every figure": (
        f"{SCORING}/pixel/test_scores.py::test_scores_are_the_official_ones",
        f"{SCORING}/pixel/test_scores.py::test_real_masks_have_the_official_scores",
        f"{SCORING}/instance/test_instance.py::test_real_scenes_have_the_official_figures",
        f"{SCORING}/panoptic/test_panoptic.py::test_real_scenes_have_the_official_quality",
    ),
    "The checker's messages for 115 faults": tuple(
        f"{SUBMISSION}/{task}/test_faults.py::test_fault_gets_the_documented_message"
        for task in ("pixel", "instance", "panoptic")
    ),
    "a page for each of Ultralytics, mmsegmentation, mmdetection, detectron2 and Mask2Former": (
        f"{PROGRAMS}/test_pixel.py::test_a_perfect_prediction_scores_100_and_is_packed",
        f"{PROGRAMS}/test_instance.py::test_a_perfect_prediction_scores_100_and_is_packed",
        f"{PROGRAMS}/test_panoptic.py::test_a_perfect_prediction_scores_100_and_is_packed",
    ),
    "`--panoptic` makes the panoptic ground truth, equal to that of the official converter": (
        f"{TRUTH}/test_panoptic.py::test_equals_the_official_converter_on_real_scenes",
    ),
    "or your own ([docs/datasets.md]": ("catalogue/test_import_path.py::test_a_custom_benchmark_is_found",),
    "`--help` ends with examples": ("test_documentation.py::test_help_ends_with_examples",),
    "keep working, with its arguments": (
        "fcn/test_compatibility.py::test_the_steps_of_the_original_test_fcn_give_predictions_to_submit",
        "fcn/test_compatibility.py::test_a_script_of_the_original_repository_trains_and_evaluates",
    ),
    "its state-dict keys are frozen by a test": (
        "fcn/test_compatibility.py::test_the_network_has_its_size_and_its_state_dict_keys",
    ),
}
"""Words of the README -> tests, below `tests/`."""


@pytest.mark.parametrize("words", PROMISES)
def test_a_promise_has_its_tests(words: str) -> None:
    readme = " ".join((REPOSITORY / "README.md").read_text().split())
    assert words in readme
    for test in PROMISES[words]:
        file, _, name = test.partition("::")
        tree = ast.parse((REPOSITORY / "tests" / file).read_text())
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, test


def test_the_number_of_documented_faults_is_that_of_the_page() -> None:
    page = (REPOSITORY / "docs" / "submission.md").read_text()
    tables = page[page.index("## Faults of the pixel task") :].splitlines()
    faults = [line for line in tables if line.startswith("| ") and not line.startswith("| fault |")]
    assert f"The checker's messages for {len(faults)} faults" in " ".join(
        (REPOSITORY / "README.md").read_text().split()
    )

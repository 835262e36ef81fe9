#!/usr/bin/env bash
# Install the wheel as people do and run its commands from an empty folder: without torch first, then with [train].
#   tests/installed.sh           both
#   tests/installed.sh base      only what needs no torch
# PYTHON names another Python than python3; PIP_CONSTRAINT and pip's other settings apply.
set -euo pipefail
what=${1:-all}
python=${PYTHON:-python3}
repository=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONNOUSERSITE=1 PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONPATH

say() { printf '\n--- %s\n' "$*"; }
now() { date +%s; }
megabytes() { du -sk "$1" | awk '{ printf "%d MB", $1 / 1024 }'; }

# fails CODE TEXT COMMAND...: the command ends with this code and says this, without a traceback.
fails() {
  local expected=$1 text=$2 code=0
  shift 2
  "$@" >"$work/said" 2>&1 || code=$?
  cat "$work/said"
  [ "$code" = "$expected" ] || { echo "$1 ended with $code, expected $expected"; exit 1; }
  grep -qF -- "$text" "$work/said" || { echo "$1 does not say: $text"; exit 1; }
  ! grep -q Traceback "$work/said" || exit 1
}

say "the source distribution, and the wheel from it"
"$python" -m venv "$work/builder"
"$work/builder/bin/python" -m pip install build
"$work/builder/bin/python" -m build --outdir "$work/dist" "$repository" >"$work/build.log" 2>&1 ||
  { tail -20 "$work/build.log"; exit 1; }
wheel=$(echo "$work"/dist/*.whl)
ls -l "$work/dist"

say "the base installation"
start=$(now)
"$python" -m venv "$work/environment"
"$work/environment/bin/python" -m pip install "$wheel"
echo "$(megabytes "$work/environment"), $(($(now) - start)) s, $("$work/environment/bin/python" --version)"
export PATH="$work/environment/bin:$PATH"
mkdir "$work/empty"
cd "$work/empty"
fails 1 "No module named 'torch'" python -c 'import sys
try:
    import torch
except ImportError as error:
    sys.exit(str(error))'

say "its commands"
root=data/demo
cityscapes-demo --root $root
cityscapes-gt --root $root
cityscapes-doctor --root $root
cityscapes-doctor --root $root --json | python -m json.tool >doctor.json
mkdir predictions
cp $root/gtFine/val/*/*_labelIds.png predictions
cityscapes-score --predictions predictions --root $root --boundary --details details --output scores.json | tee table.txt
grep -q '100' table.txt
cityscapes-score --compare scores.json scores.json
for format in csv markdown latex; do
  cityscapes-score --predictions predictions --root $root --format $format >table.$format
done
say "the instance and panoptic tasks"
cityscapes-gt --root $root --panoptic
python "$repository/tests/perfect_predictions.py" $root val perfect
for task in instance panoptic; do
  folder=perfect/${task/%instance/instances}
  cityscapes-score --task $task --predictions "$folder" --root $root --details $task --output $task.json | tee table.txt
  grep -q '100' table.txt
  cityscapes-score --compare $task.json $task.json
  cityscapes-score --task $task --predictions "$folder" --root $root --format latex >table.latex
done
test -f $root/generated_gt/cityscapes_panoptic_val.json
mkdir -p as_test/leftImg8bit as_test/gtFine
cp -r $root/leftImg8bit/val as_test/leftImg8bit/test
cp -r $root/gtFine/val as_test/gtFine/test
python "$repository/tests/perfect_predictions.py" as_test test perfect_test
for folder in pixel instances panoptic; do
  cityscapes-submit check perfect_test/$folder --root as_test
  cityscapes-submit pack perfect_test/$folder $folder.zip --root as_test --subset
  cityscapes-submit check $folder.zip --root as_test
done
cityscapes-convert --help >help.txt
fcn-report scores.json instance.json panoptic.json $root --output report.html --figures figures
test -s report.html
test -s figures/README.md

say "a submission"
python - $root <<'END'
import shutil, sys
from pathlib import Path

masks = sorted(Path("predictions").iterdir())
folder = Path("test")
folder.mkdir()
for image, mask in zip(sorted(Path(sys.argv[1], "leftImg8bit/test").glob("*/*.png")), masks):
    shutil.copy(mask, folder / image.name)
END
cityscapes-submit check test --root $root
cityscapes-submit pack test submission.zip --root $root --subset
cityscapes-submit check submission.zip --root $root
python -m kitti_road.scoring --help >help.txt
python -m camvid.scoring --help >>help.txt
python -m pascal_voc.submission --help >>help.txt
for command in fcn-train fcn-test fcn-profile fcn-export; do
  fails 2 'pip install "cityscapes-fcn[train]"' $command --help
done
[ "$what" = all ] || exit 0

say "with [train]"
start=$(now)
"$work/environment/bin/python" -m pip install "$wheel[train]"
echo "$(megabytes "$work/environment"), $(($(now) - start)) s"
fcn-train --recipe demo --root $root --name demo --epochs 1
fcn-test --model_weights_path saved/demo/best.pth --root $root --split val --profile_images 0
fcn-test --model_weights_path saved/demo/best.pth --root $root --profile_images 0
cityscapes-submit check outputs/demo/test/submission.zip --root $root
fcn-profile --network fcn32s --size 64x128 --repeats 2
fcn-report saved outputs
test -s outputs/report.html
fails 2 '[export]' fcn-export --model_weights_path saved/demo/best.pth --size 128x256
say "installed, and run from an empty folder"

"""Label ids, train ids and colours by cityscapesScripts: `python -m bench.contenders.official ROOT OUT`."""

import sys
from pathlib import Path

from cityscapesscripts.preparation.json2labelImg import json2labelImg

KINDS = {"ids": "labelIds", "trainIds": "labelTrainIds", "color": "color"}

if __name__ == "__main__":
    root, out = map(Path, sys.argv[1:])
    for path in sorted(root.rglob("*_polygons.json")):
        for encoding, kind in KINDS.items():
            json2labelImg(str(path), str(out / path.name.replace("polygons.json", f"{kind}.png")), encoding)

"""Coverage-guided fuzzing of one parser by atheris, which searches inputs that reach new lines of code.

It runs in its own process, because libFuzzer ends the process:
`python -m tests.reliability.guided PARSER RUNS SEED WORLD TALLY`.
"""

import importlib.util
import json
import random
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from tests.reliability.parser import attempt
from tests.reliability.parsers import PARSERS
from tests.reliability.record import Totals

_INSTRUMENTED = ["cityscapes", "engine", "yaml", "torch._weights_only_unpickler"]
"""Packages and modules whose coverage is measured."""
_SAVED_EVERY = 250
"""Number of inputs after which totals are written, because the end of the process is not announced."""


def version() -> str | None:
    """The version of atheris; None if it is not installed."""
    return metadata.version("atheris") if importlib.util.find_spec("atheris") else None


def main(name: str, runs: int, seed: int, world: Path, results: Path) -> None:
    """Try a parser with `runs` inputs; this function never returns."""
    import atheris

    parser, totals = PARSERS[name], Totals()
    folder = Path(tempfile.mkdtemp(dir=results.parent))
    corpus, path = folder / "corpus", folder / f"input{parser.suffix}"
    corpus.mkdir()
    with atheris.instrument_imports(include=_INSTRUMENTED):
        for number, content in enumerate(parser.seeds(world)):
            (corpus / str(number)).write_bytes(content)
            attempt(parser, content, path, world, "whole")  # imports the parser

    def one(content: bytes) -> None:
        totals.add([attempt(parser, content, path, world, f"{name}, guided, seed {seed}")])  # not timed
        tried = sum(totals.verdicts.values())
        if tried % _SAVED_EVERY == 0 or tried >= runs:
            results.write_text(json.dumps(totals.plain()))

    def mutate(content: bytes, most: int, number: int) -> bytes:
        rng = random.Random(number)
        if rng.random() < 0.5:
            return bytes(atheris.Mutate(content, most))
        try:
            return parser.mutate(content, rng)[:most]
        except Exception:  # our mutations need undamaged files
            return bytes(atheris.Mutate(content, most))

    words = [
        f"-runs={runs}",
        f"-seed={seed}",
        "-max_len=40000",
        "-timeout=200",
        "-rss_limit_mb=4096",
        "-verbosity=0",
        f"-artifact_prefix={folder}/",
    ]
    atheris.Setup([name, *words, str(corpus)], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))

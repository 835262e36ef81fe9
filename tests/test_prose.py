"""Plain English, and the standard terms of the field; `make check` runs this after codespell."""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pytest

from tests.prose import REPOSITORY, identifiers, pieces, tracked_files


class Phrase(NamedTuple):
    """A phrase that a reader has to decode."""

    pattern: str
    bad: str
    """A sentence that the pattern finds."""
    good: str
    """The same sentence as it should be; the pattern does not find it."""


PHRASES = (
    Phrase(r"\bno numbers?\b(?! of)|\bthat (is|are) none\b", "weights that are no numbers", "NaN or infinite weights"),
    Phrase(r"\btold\b", "the user is told of it", "the command reports it"),
    Phrase(r"\bmend(s|ed|ing)?\b", "mend what is certain", "fix certain faults"),
    Phrase(
        r", for (it|they|there|none|he|she|we|which|what|these|those)\b",
        "it is slow, for it copies",
        "it is slow, because it copies",
    ),
    Phrase(r"\b(go|goes|went|going|gone) on\b", "training goes on", "training resumes"),
    Phrase(r"\blent\b|\blends?\b", "memory is lent again", "the buffer pool reuses memory"),
    Phrase(r"\blook(s|ed|ing)? at\b", "layers that look at rows", "layers whose input is rows"),
    Phrase(
        r"(?<!there )(?<!There )\b(is|are|was|were) no (?!longer\b|more\b|less\b|different\b|better\b|worse\b|later\b)",
        "an id that is no class",
        "an id that is not a class",
    ),
    Phrase(r"\b(came|comes|becomes|became) of\b", "what came of it", "the result"),
    Phrase(
        r"\b(lie|lies|lay) (beside|below|above|within|where|there)\b", "masks lie beside it", "masks are next to it"
    ),
    Phrase(r"\bby what\b", "by what it holds", "according to its content"),
    Phrase(r"[,(] ?as (`|\d|--)", "a size, as 256x256", "a size, for example 256x256"),
    Phrase(
        r"(?<!your )(?<!its )(?<!their )(?<!our )(?<!Our )(?<!my )(?<!Your )(?<!'s )(?<!each )\bown\b",
        "own networks are accepted",
        "your own networks are accepted",
    ),
    Phrase(r"\bwhat there is\b", "what there is, by name", "everything available, by name"),
    Phrase(r"\bwhence\b", "whence the masks came", "the origin of the masks"),
    Phrase(r"\bnobody must\b", "nobody must change it", "do not change it"),
    Phrase(r"\bnot else\b", "only if compiled, not else", "only if compiled"),
    Phrase(r"\bsome \d", "some 30 images", "about 30 images"),
    Phrase(r"\bsent away\b", "a second one is sent away", "a second one is refused"),
    Phrase(r"\bthe like\b", "masks and the like", "masks and similar files"),
    Phrase(r"\bstands? (before|beside|behind|above|below|there)\b", "a note stands before it", "a note precedes it"),
    Phrase(r"\bin silence\b", "dropped in silence", "dropped without a message"),
    Phrase(r"\bto be had\b", "a field to be had there", "a field available there"),
    Phrase(r"\bg[ia]ven? back\b", "memory is given back", "memory is released"),
)

HEADLESS = re.compile(r"(What|How|Where|Which|Why|Those|That|Who|As|Of|Its|By|Also|All of|None|From|For|Not)\b")
"""Beginnings of docstrings that do not name the thing they describe."""
LONGEST_SENTENCE = 40
"""Words in one sentence of a document."""


def require_none(faults: Iterable[str]) -> None:
    """Fail with one fault per line."""
    found = list(faults)
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("phrase", PHRASES, ids=[phrase.bad for phrase in PHRASES])
def test_each_phrase_is_found(phrase: Phrase) -> None:
    assert re.search(phrase.pattern, phrase.bad)
    assert not re.search(phrase.pattern, phrase.good)


def test_no_text_uses_a_banned_phrase() -> None:
    require_none(
        f"{piece.place}: {found.group()!r} in {piece.text[max(0, found.start() - 40) : found.end() + 40]!r}"
        for piece in pieces()
        for phrase in PHRASES
        for found in re.finditer(phrase.pattern, piece.text)
    )


def unclear_docstrings() -> Iterator[str]:
    for piece in pieces():
        if piece.kind in {"docstring", "field"} and not piece.place.startswith("tests/"):
            if HEADLESS.match(piece.text):
                yield f"{piece.place}: does not name the thing: {piece.text[:80]}"
            if piece.kind == "field" and len(piece.text.split()) < 3:
                yield f"{piece.place}: a fragment: {piece.text}"


def test_docstrings_can_be_read_alone() -> None:
    require_none(unclear_docstrings())


def test_sentences_of_documents_are_short() -> None:
    require_none(
        f"{piece.place}: {len(sentence.split())} words: {sentence[:80]}"
        for piece in pieces()
        if piece.kind in {"paragraph", "list item"}
        for sentence in re.split(r"(?<=[.:;!?])\s+(?=[A-Z`*\[(-])", piece.text)
        if len(sentence.split()) > LONGEST_SENTENCE
    )


STANDARD_TERMS = (
    "receptive field",
    "test-time augmentation",
    "sliding window",
    "OHEM",
    "label smoothing",
    "EMA",
    "roofline",
    "throughput",
    "memory budget",
    "gradient-norm clipping",
)
"""Words that people search for, in this spelling or with hyphens."""


@pytest.mark.parametrize("term", STANDARD_TERMS)
def test_a_standard_term_is_found_in_code_and_documents(term: str) -> None:
    pattern = re.compile(term.replace(" ", r"[\s-]"), re.IGNORECASE)
    for kind in (".py", ".md"):
        files = [path for path in tracked_files() if path.suffix == kind and path.parts[0] != "tests"]
        assert any(pattern.search(" ".join((REPOSITORY / path).read_text().split())) for path in files), kind


OLD_NAMES = {
    *(
        "ancestor",
        "ancestors",
        "ancestor_augmentation",
        "ancestors_way",
        "our_way",
        "contest",
        "stepping",
        "forwarding",
    ),
    *("reach", "Views", "Averaged", "averaging", "Capacity", "capacity", "capacities", "judge", "watchful"),
    *("Alarm", "alarm", "Watch", "Gaps", "gaps", "HardPixels", "hard_pixels", "smooth_cross_entropy", "Spot"),
    *("Tally", "tally", "Crew", "Place", "find_place", "Ceilings", "ceilings", "Costs"),
    *(
        "roll_call",
        "parcel",
        "Member",
        "Draft",
        "drafts",
        "mending",
        "census",
        "whence_masks",
        "train_id_doubt",
        "told",
    ),
}
"""Private words of before, as identifiers or modules; each has a standard term now."""
OLD_DEFINITIONS = {"each", "ahead", "required", "look", "seen", "alone", "own", "place", "costs", "filters", "views"}
"""Ordinary words that once named a class or a function, where a standard term says more."""


def test_no_old_name_is_left_in_code() -> None:
    found = identifiers()
    require_none(f"{found[name]}: {name}" for name in OLD_NAMES if name in found)
    require_none(str(path) for path in tracked_files() if path.stem in OLD_NAMES | OLD_DEFINITIONS)
    require_none(
        f"{path}:{node.lineno}: {node.name}"
        for path in tracked_files()
        if path.suffix == ".py"
        for node in ast.walk(ast.parse((REPOSITORY / path).read_text()))
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in OLD_DEFINITIONS
    )


def test_no_old_name_is_left_in_text() -> None:
    old = re.compile(r"ancestor|hard_pixels|smooth_cross_entropy|roll[ _]call|find_place", re.IGNORECASE)
    require_none(
        f"{path}: {found.group()}"
        for path in tracked_files()
        if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".cff"} or path.name in {"Makefile", "run"}
        for found in old.finditer((REPOSITORY / path).read_text())
    )


@pytest.mark.parametrize("name", ["Recipe", "Protocol", "Tally", "Crew", "Scores"])
def test_a_name_means_one_thing(name: str) -> None:
    places = [
        f"{path}:{node.lineno}"
        for path in tracked_files()
        if path.suffix == ".py" and path.parts[0] != "tests"
        for node in ast.walk(ast.parse((REPOSITORY / path).read_text()))
        if isinstance(node, ast.ClassDef) and node.name == name
    ]
    assert len(places) <= (0 if name == "Protocol" else 1), places

"""Counts of faults in parallel."""

import pickle

from cityscapes.submission.fault_counts import FaultCounts, Kind

KINDS = {
    "size": Kind("mask", "of a wrong size", "predict again"),
    "note": Kind("line", "of little use", "ignore it", severity="note"),
}


def counts(*files: str, kind: str = "size") -> FaultCounts:
    made = FaultCounts()
    for name in files:
        made.add(kind, name)
    return made


def test_merged_counts_are_those_of_all_files_in_order() -> None:
    whole = FaultCounts()
    for part in (counts("a"), counts(), counts("b", "c"), counts("d", kind="note")):
        whole.merge(pickle.loads(pickle.dumps(part)))
    assert list(map(str, whole.findings(KINDS))) == [
        "size: got 3 masks of a wrong size (a, b and 1 more); predict again",
        "note: got 1 line of little use (d); ignore it",
    ]
    assert [finding.severity for finding in whole.findings(KINDS)] == ["fault", "note"]
    assert list(whole.without("size").findings(KINDS)) == list(counts("d", kind="note").findings(KINDS))


def test_examples_are_few_and_short() -> None:
    made = counts(*("n" * 10_000 for _ in range(1000)))
    (finding,) = made.findings(KINDS)
    assert finding.count == 1000
    assert len(str(finding)) < 600
    assert made
    assert not FaultCounts()

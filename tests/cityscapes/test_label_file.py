from pathlib import Path

import pytest

from cityscapes import label_file
from cityscapes.labels import VOID
from engine.errors import InputError

CSV = """name,id,trainId,color,hasInstances
nothing, 0, 255, 0 0 0,
field, 1, 0, #00ff80,0
tractor, 2, 1, "(255, 7, 9)",1
number plate, -1, -1, 1 2 3,
"""
YAML = """
- {name: nothing, id: 0, trainId: 255, color: [0, 0, 0]}
- {name: field, id: 1, trainId: 0, color: "#00ff80"}
- {name: tractor, id: 2, trainId: 1, color: [255, 7, 9], hasInstances: true}
- {name: number plate, id: -1, trainId: -1, color: "1 2 3"}
"""


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", CSV), ("a.yaml", YAML), ("a.yml", YAML), ("A.CSV", "\ufeff" + CSV)]
)
def test_csv_and_yaml_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    table = label_file.read(path)
    assert table.names == {0: "nothing", 1: "field", 2: "tractor"}
    assert table.train_id_of[:4].tolist() == [VOID, 0, 1, VOID]
    assert table.color_of[:4].tolist() == [[0, 0, 0], [0, 255, 128], [255, 7, 9], [0, 0, 0]]
    assert [label.has_instances for label in table.labels] == [False, False, True, False]
    assert table.find("tractorgroup")[1]
    with pytest.raises(InputError, match="the labels of the table are: field, nothing"):
        table.find("road")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("road,,0,#000000", "row 1: lacks id"),
        ("road,256,0,#000000", "id is '256', expected a whole number from -32768 to 255"),
        ("road,seven,0,#000000", "id is 'seven'"),
        ("road,7,256,#000000", "trainId is '256'"),
        ("road,7,0,#00", "color is '#00', expected #rrggbb"),
        ("road,7,0,1 2 256", "color is '1 2 256'"),
        (f"road,7,0,1 2 {'9' * 5000}", "color is '1 2 999"),
        ("road,7,0,#000000,extra", "unknown column 'None'"),
        ("road,7,0,#000000\nroad,8,1,#000000", "the name 'road' is given 2 times"),
        ("road,7,0,#000000\npath,7,1,#000000", "the id 7 is given 2 times"),
        ("", "no label in it"),
    ],
)
def test_what_is_wrong_with_a_table(tmp_path: Path, row: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"name,id,trainId,color\n{row}\n")
    with pytest.raises(InputError) as caught:
        label_file.read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_names_are_strings_and_long_values_are_truncated(tmp_path: Path) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text(f"- {{name: [a], id: 1, trainId: 0, color: '#000000'}}\n- {{name: b, id: {'9' * 5000}}}\n")
    with pytest.raises(InputError) as caught:
        label_file.read(path)
    assert len(str(caught.value)) < 500
    path.write_text(
        "- {name: [a], id: 1, trainId: 0, color: '#000000'}\n- {name: no, id: 2, trainId: 1, color: '#000000'}"
    )
    with pytest.raises(InputError) as caught:
        label_file.read(path)
    assert [message.removeprefix(f"{path}: ").partition(";")[0] for message in caught.value.messages] == [
        "row 1: name is ['a'], expected text",
        "row 2: name is False, expected text",
    ]


def test_every_faulty_row_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text("[7, {name: a, id: 100, trainId: 0, color: '#000000', hasInstances: true}, {name: b}]")
    with pytest.raises(InputError) as caught:
        label_file.read(path)
    assert len(caught.value.messages) == 3
    assert "ids of labels with instances go up to 64" in caught.value.messages[1]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", r"expected a label table as .csv, .yaml or .yml, got .txt"),
        ("a.yaml", "{", "broken YAML"),
        ("a.yaml", "- &a [x]\n- *a\n", "aliases are not supported"),
        ("a.csv", 'name,id\n"\0', "lacks|broken table"),
        ("a.csv", "name,id,trainId,color,id\nroad,7,0,#000000,8", "the column 'id' appears twice"),
        ("a.yaml", "a: 1", "expected a list of labels"),
        ("a.csv", None, "no such file"),
    ],
)
def test_a_file_that_is_not_a_table(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        label_file.read(tmp_path / name)

from __future__ import annotations

from pathlib import Path

import pytest

from parity.errors import BadInputError
from parity.predictions import read_predictions


def test_folders_in_front_of_names_are_ignored(tmp_path: Path):
    path = tmp_path / "p.csv"
    path.write_text('image,aca,nor,scc\nimages/nor/a b.jpg,0.25,0.5,0.25\n"x, ""y"".jpg",1,0,0\n', encoding="utf-8")
    assert read_predictions(path) == {"a b.jpg": (0.25, 0.5, 0.25), 'x, "y".jpg': (1.0, 0.0, 0.0)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "have the columns image,aca,nor,scc"),
        ("image,nor,aca,scc\n", "have the columns image,aca,nor,scc"),
        ("image,aca,nor,scc\na.jpg,0.1,0.2\n", "line 2: a.jpg"),
        ("image,aca,nor,scc\na.jpg,0.1,0.2,x\n", "line 2: a.jpg"),
        ("image,aca,nor,scc\na.jpg,0.1,0.2,nan\n", "line 2: a.jpg"),
        ("image,aca,nor,scc\na.jpg,0.1,0.2,1.7\n", "line 2: a.jpg"),
        ("image,aca,nor,scc\n,0.1,0.2,0.7\n", "line 2"),
        ("image,aca,nor,scc\na.jpg,0.1,0.2,0.7\nb/a.jpg,0.2,0.1,0.7\n", "line 3: a.jpg a second time"),
    ],
)
def test_a_broken_table_is_bad_input(tmp_path: Path, content: str, message: str):
    path = tmp_path / "p.csv"
    path.write_text(content)
    with pytest.raises(BadInputError) as caught:
        read_predictions(path)
    assert message in str(caught.value)


def test_a_missing_file_is_bad_input(tmp_path: Path):
    with pytest.raises(BadInputError, match="be a CSV file"):
        read_predictions(tmp_path / "nowhere.csv")


def test_predict_may_write_a_name_of_two_lines(tmp_path: Path):
    path = tmp_path / "p.csv"
    path.write_text('image,aca,nor,scc\n"new\nline.jpg",0,1,0\n', encoding="utf-8")
    assert read_predictions(path) == {"new\nline.jpg": (0.0, 1.0, 0.0)}

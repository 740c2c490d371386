"""Each way in which a folder of images can be wrong: one clear message, every fault in it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from parity.dataset import read_dataset
from parity.errors import BadInputError
from tests import pictures, tables

HEADER = ["superclass", "subclass", "resolution", "image_id", "patient_id"]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rows = [["aca", "bd", "20x", "1", "2"], ["nor", "", "20x", "2", "3"], ["scc", "pd", "40x", "3", "4"]]
    write_table(tmp_path, [HEADER, *rows])
    for name in ("aca_bd/aca_bd_20x_1", "nor/nor_20x_2", "scc_pd/scc_pd_40x_3"):
        write_image(tmp_path / "images" / f"{name}.jpg")
    return tmp_path


def write_table(folder: Path, rows: list[list[str]]) -> None:
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def write_image(path: Path, size: tuple[int, int] = (1600, 1200), mode: str = "RGB", kind: str = "JPEG") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, 128 if mode == "L" else (200, 120, 170)).save(path, format=kind)


def edit_table(change: Callable[[list[list[str]]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        with (folder / "data.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        change(rows)
        write_table(folder, rows)

    return apply


def image(folder: Path) -> Path:
    return folder / "images" / "nor" / "nor_20x_2.jpg"


def cut(folder: Path) -> None:
    image(folder).write_bytes(image(folder).read_bytes()[:5000])


def add_row(folder: Path, row: list[str]) -> None:
    edit_table(lambda rows: rows.append(row))(folder)


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no table": (lambda folder: (folder / "data.csv").unlink(), "must be a folder with data.csv"),
    "no column": (edit_table(lambda rows: [row.pop() for row in rows]), "add patient_id"),
    "not a table": (lambda folder: (folder / "data.csv").write_bytes(b"\xff\xfe\x00"), "CSV file in UTF-8"),
    "empty table": (lambda folder: write_table(folder, []), "must have the columns"),
    "no rows": (lambda folder: write_table(folder, [HEADER]), "must occur in the data set, got '20x'"),
    "unknown class": (lambda folder: add_row(folder, ["car", "bd", "20x", "9", "9"]), "line 5: superclass 'car'"),
    "unknown subclass": (lambda folder: add_row(folder, ["aca", "xx", "20x", "9", "9"]), "line 5: subclass 'xx'"),
    "unknown resolution": (lambda folder: add_row(folder, ["aca", "bd", "30x", "9", "9"]), "line 5: resolution '30x'"),
    "no patient": (lambda folder: add_row(folder, ["aca", "bd", "20x", "9", ""]), "line 5: patient_id is empty"),
    "twice": (lambda folder: add_row(folder, ["aca", "bd", "20x", "1", "7"]), "line 5: the same image as line 2"),
    "a path for an id": (lambda folder: add_row(folder, ["aca", "bd", "20x", "../../x", "7"]), "cannot be part of a file name"),
    "missing image": (lambda folder: image(folder).unlink(), "nor_20x_2.jpg is missing"),
    "truncated image": (cut, "nor_20x_2.jpg cannot be decoded"),
    "empty image": (lambda folder: image(folder).write_bytes(b""), "nor_20x_2.jpg is not a JPEG file"),
    "not a JPEG": (lambda folder: write_image(image(folder), kind="PNG"), "nor_20x_2.jpg is not a JPEG file"),
    "grey": (lambda folder: write_image(image(folder), mode="L"), "nor_20x_2.jpg has colour mode L instead of RGB"),
    "another size": (lambda folder: write_image(image(folder), size=(800, 600)), "nor_20x_2.jpg has 800 x 600 pixels"),
    "a bomb": (lambda folder: write_image(image(folder), size=(14_000, 14_000), mode="L"), "nor_20x_2.jpg"),
}  # fmt: skip


def test_a_good_dataset_is_counted_and_hashed(dataset: Path):
    facts = read_dataset(dataset, "20x")
    assert facts.images == 2
    before = facts.sha256
    assert read_dataset(dataset, "20x").sha256 == before
    write_image(dataset / "images" / "scc_pd" / "scc_pd_40x_3.jpg", size=(10, 10))
    assert read_dataset(dataset, "20x").sha256 == before, "images of another resolution are not looked at"
    Image.new("RGB", (1600, 1200), (0, 0, 0)).save(image(dataset), format="JPEG")
    assert read_dataset(dataset, "20x").sha256 != before


@pytest.mark.parametrize("case", WRONG)
def test_each_fault_has_its_message(dataset: Path, case: str):
    break_it, message = WRONG[case]
    break_it(dataset)
    with pytest.raises(BadInputError) as caught:
        read_dataset(dataset, "20x")
    assert message in str(caught.value)


def test_all_faults_are_told_at_once(dataset: Path):
    image(dataset).unlink()
    write_image(dataset / "images" / "aca_bd" / "aca_bd_20x_1.jpg", mode="L")
    with pytest.raises(BadInputError, match="2 faults") as caught:
        read_dataset(dataset, "20x")
    assert "aca_bd_20x_1.jpg has colour mode L" in str(caught.value)
    assert "nor_20x_2.jpg is missing" in str(caught.value)


@pytest.mark.parametrize("name", ["a b", "o'neill", 'say "hi"', "größe", "<script>alert(1)<", "50%"])
def test_strange_file_names_work(dataset: Path, name: str):
    add_row(dataset, ["nor", "", "20x", name, "3"])
    write_image(dataset / "images" / "nor" / f"nor_20x_{name}.jpg")
    assert read_dataset(dataset, "20x").images == 3


@pytest.mark.parametrize("case", pictures.READ)
def test_an_image_that_both_sides_read_is_accepted(dataset: Path, case: str):
    pictures.READ[case](image(dataset))
    assert read_dataset(dataset, "20x").images == 2


@pytest.mark.parametrize("case", {**pictures.REFUSED, **pictures.UNDECODABLE})
def test_an_image_that_a_side_refuses_is_named(dataset: Path, case: str):
    if case == "no permission" and not pictures.can_be_closed():
        pytest.skip("nothing is closed to root")
    write, word = pictures.REFUSED.get(case) or (pictures.UNDECODABLE[case], "truncated")
    write(image(dataset))
    with pytest.raises(BadInputError, match=r"^1 faults in .*\n  nor_20x_2.jpg ") as caught:
        read_dataset(dataset, "20x")
    assert word in str(caught.value)


@pytest.mark.parametrize(("name", "is_folder", "is_foreign"), tables.ENTRIES)
def test_what_is_no_folder_of_a_class_is_named(dataset: Path, name: str, is_folder: bool, is_foreign: bool):
    entry = dataset / "images" / name
    entry.mkdir() if is_folder else entry.touch()
    if not is_foreign:
        assert read_dataset(dataset, "20x").images == 2
        return
    with pytest.raises(BadInputError, match="is no folder of a class: move it out of images/") as caught:
        read_dataset(dataset, "20x")
    assert repr(name) in str(caught.value)


def test_a_class_without_a_folder_is_named(dataset: Path):
    (dataset / "images" / "scc_pd").rename(dataset / "images" / ".scc_pd")
    with pytest.raises(BadInputError, match="no scc: a class without images has an empty folder"):
        read_dataset(dataset, "20x")


def test_no_folder_of_images_is_bad_input(dataset: Path):
    (dataset / "images").rename(dataset / "pictures")
    with pytest.raises(BadInputError, match=r"must be a folder with data.csv and images/, got .*No such file"):
        read_dataset(dataset, "20x")

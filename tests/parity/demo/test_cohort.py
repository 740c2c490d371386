"""The synthetic cohort: layout, counts, determinism, and classes that look different."""

import csv
import hashlib
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from parity.demo import cohort
from parity.errors import BadInputError

SMALL = {"train": 12, "val": 10, "test": 10}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    return folder, cohort.make_cohort(folder, 17, SMALL, processes=2)


def hash_files(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def mean_colour(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).mean(axis=(0, 1))


def test_default_plan_fills_the_published_split():
    planned = cohort.plan_cohort()
    assert Counter(image.split for image in planned) == {"train": 48, "val": 9, "test": 9}
    for split, patients in cohort.PATIENTS.items():
        images = [image for image in planned if image.split == split]
        assert {image.patient_id for image in images} == set(patients)
        assert len(set(Counter(image.superclass for image in images).values())) == 1
    assert sum(len(patients) for patients in cohort.PATIENTS.values()) == 38


@pytest.mark.parametrize(("split", "hard"), [("train", 5), ("val", 1), ("test", 1)])
def test_a_stated_number_of_images_looks_like_another_class(split, hard):
    planned = [image for image in cohort.plan_cohort() if image.split == split]
    assert sum(image.hard for image in planned) == hard


def test_some_patients_have_images_of_two_classes():
    classes: dict[int, set[str]] = {}
    for image in cohort.plan_cohort():
        classes.setdefault(image.patient_id, set()).add(image.superclass)
    assert 0 < sum(len(found) > 1 for found in classes.values()) < len(classes) / 2


def test_smallest_plan_has_every_class_in_each_split():
    planned = cohort.plan_cohort({"train": 6, "val": 3, "test": 3})
    pairs = Counter((image.split, image.superclass) for image in planned)
    assert len(planned) == 12
    assert len(pairs) == 9
    assert not any(image.hard for image in planned)


@pytest.mark.parametrize("wrong", [{"train": 6, "val": 3}, {"train": 6, "val": 2, "test": 3}, {}])
def test_a_plan_that_is_too_small_is_refused(wrong):
    with pytest.raises(BadInputError, match=r"`images_per_split` must give train, val, test at least 3 images each"):
        cohort.plan_cohort(wrong)


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(BadInputError, match=r"`seed` must be 0 or more, got -1"):
        cohort.make_cohort(tmp_path, -1)


def test_command_line_names_bad_input(tmp_path, capsys):
    assert cohort.main(["--out", str(tmp_path), "--seed", "-1"]) == 2
    assert "`seed`" in capsys.readouterr().err


def test_table_names_exactly_the_images_that_exist(small):
    folder, planned = small
    with (folder / "data.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["superclass", "subclass", "resolution", "image_id", "patient_id"]
    paths = set()
    for row in rows:
        name = f"{row['superclass']}_{row['subclass']}" if row["subclass"] else row["superclass"]
        paths.add(f"images/{name}/{name}_{row['resolution']}_{row['image_id']}.jpg")
    assert paths == {image.path for image in planned}
    assert set(hash_files(folder)) == paths | {"data.csv"}
    assert len(rows) == len(paths) == 32


def test_images_are_rgb_jpegs_of_the_real_size(small):
    folder, planned = small
    for image in planned:
        with Image.open(folder / image.path) as opened:
            assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", (1600, 1200))


def test_same_seed_same_bytes_whatever_the_number_of_processes(small, tmp_path):
    folder, _ = small
    cohort.make_cohort(tmp_path, 17, SMALL, processes=1)
    assert hash_files(tmp_path) == hash_files(folder)


def test_another_seed_draws_other_images(small, tmp_path):
    folder, _ = small
    few = {"train": 3, "val": 3, "test": 3}
    cohort.make_cohort(tmp_path, 18, few)
    first = "images/nor/nor_20x_1.jpg"
    assert hash_files(tmp_path)[first] != hash_files(folder)[first]


def test_an_image_does_not_depend_on_how_many_others_there_are(small, tmp_path):
    folder, _ = small
    cohort.make_cohort(tmp_path, 17, {"train": 3, "val": 3, "test": 3})
    first = "images/nor/nor_20x_1.jpg"
    assert hash_files(tmp_path)[first] == hash_files(folder)[first]


def test_no_two_images_are_alike(small):
    folder, planned = small
    assert len(set(hash_files(folder).values())) == len(planned) + 1


def test_classes_are_told_apart_by_colour_except_the_hard_images(small):
    """Oracle: the nearest mean colour of the easy training images, as a classifier."""
    folder, planned = small
    centroids = {
        kind: np.mean(
            [mean_colour(folder / i.path) for i in planned if i.split == "train" and i.drawn_as == i.superclass == kind],
            axis=0,
        )
        for kind in cohort.CLASSES
    }
    for image in planned:
        colour = mean_colour(folder / image.path)
        nearest = min(cohort.CLASSES, key=lambda kind: float(np.linalg.norm(colour - centroids[kind])))
        assert (nearest == image.superclass) is not image.hard, image.path


def test_an_interrupted_cohort_has_no_table(small, tmp_path, monkeypatch):
    (tmp_path / "data.csv").write_text("left from before")

    def stop(job):
        raise KeyboardInterrupt

    monkeypatch.setattr(cohort, "_write_image", stop)
    with pytest.raises(KeyboardInterrupt):
        cohort.make_cohort(tmp_path, 17, {"train": 3, "val": 3, "test": 3})
    assert not (tmp_path / "data.csv").exists()


def test_an_image_costs_a_quarter_of_a_second_at_most(tmp_path):
    calls = []
    start_s = time.process_time()
    cohort.make_cohort(tmp_path, 17, {"train": 3, "val": 3, "test": 3}, progress=lambda *call: calls.append(call))
    assert time.process_time() - start_s < 9 * 0.25
    assert calls == [(done, 9) for done in range(1, 10)]


def test_cohort_needs_no_framework():
    code = "import sys, parity.demo.cohort; print({'tensorflow', 'torch', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

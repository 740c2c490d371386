"""Random splits by patient in which every split has every class."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from parity.faults.clean import CLEAN_RUNS, PROBES, write_split
from parity.verdict import Verdict

SPLITS = {"train", "val", "test"}
CLASSES = {"aca", "nor", "scc"}
# Patients 1 to 12 have one class each; 13 has two, 14 only images of the other resolution, 15 both resolutions.
TABLE = """superclass,subclass,resolution,image_id,patient_id
aca,bd,20x,1,1
aca,bd,20x,2,1
aca,md,20x,3,2
aca,pd,20x,4,3
aca,pd,20x,5,4
nor,,20x,6,5
nor,,20x,7,6
nor,,20x,8,7
nor,,20x,9,8
scc,bd,20x,10,9
scc,md,20x,11,10
scc,pd,20x,12,11
scc,pd,20x,13,12
aca,bd,20x,14,13
scc,bd,20x,15,13
nor,,40x,16,14
aca,md,40x,17,15
nor,,20x,18,15
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def split(table: Path, seed: int) -> list[tuple[str, ...]]:
    """Return the lines of a split."""
    target = table.with_name(f"split_{seed}.csv")
    write_split(table, target, seed)
    with target.open(newline="", encoding="utf-8") as file:
        return [tuple(row) for row in csv.reader(file)]


@pytest.mark.parametrize("seed", range(1, 21))
def test_every_split_has_every_class(table: Path, seed: int):
    patients = dict(split(table, seed)[1:])
    classes = defaultdict(set)
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["resolution"] == "20x":
                classes[patients[row["patient_id"]]].add(row["superclass"])
    assert dict(classes) == dict.fromkeys(SPLITS, CLASSES)


def test_every_patient_of_the_resolution_is_in_one_split(table: Path):
    header, *rows = split(table, 1)
    assert header == ("patient_id", "split")
    assert sorted(int(patient) for patient, _ in rows) == [*range(1, 14), 15]
    assert {name for _, name in rows} == SPLITS


def test_a_split_is_the_same_for_the_same_seed(table: Path):
    assert split(table, 7) == split(table, 7)


def test_a_split_is_another_for_another_seed(table: Path):
    assert len({tuple(split(table, seed)) for seed in range(1, 21)}) == 20


def test_clean_runs_have_seeds_of_their_own_and_must_pass():
    seeds = [probe.seed for probe in CLEAN_RUNS]
    assert None not in seeds
    assert len(set(seeds)) == len(CLEAN_RUNS) == 20
    assert {probe.expected for probe in CLEAN_RUNS} == {Verdict.PASS}


def test_no_two_probes_have_one_id():
    ids = [probe.id for probe in (*CLEAN_RUNS, *PROBES)]
    assert len(set(ids)) == len(ids)

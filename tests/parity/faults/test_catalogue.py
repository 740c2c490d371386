"""The faults that there are, and the faults of one's own."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from parity.contract import GATES
from parity.errors import BadInputError
from parity.faults.catalogue import STAGES, all_faults, check_faults, find_fault, read_faults, stage_faults
from parity.faults.fault import Fault, Tier
from parity.faults.runs import suite_gates
from parity.workspace import PROJECT

SHARED = Path(os.environ.get("PARITY_SHARED_DATA", PROJECT.parent / "shared" / "data")).parent
DIVERGENCES = Path(os.environ.get("PARITY_SHARED_DESIGN", SHARED / "design" / "divergences.json"))
GATES_WITH_A_PLACE = ("weights", "blocks", "gradients", "optimizer")
OWN = """
from parity.faults.fault import Fault
from parity.faults.planting import edit

FAULTS = (
    Fault(id="own", stage="own", sentence="My own.", gates=("loss",), plants=(edit("losses:image_losses", ("a", "b")),)),
)
"""


def test_there_are_as_many_faults_of_each_tier_as_are_known():
    count = Counter(fault.tier for fault in all_faults())
    assert (count[Tier.ONE], count[Tier.TWO], count[Tier.THREE], count[Tier.CONTROL]) == (133, 30, 4, 6)
    assert count[Tier.HAZARD] >= 6


def test_no_two_faults_have_one_id():
    assert [id for id, count in Counter(fault.id for fault in all_faults()).items() if count > 1] == []


@pytest.mark.parametrize("stage", STAGES)
def test_faults_of_a_stage_carry_its_name(stage: str):
    assert {fault.stage for fault in stage_faults(stage)} == {stage}


def test_every_stage_module_is_in_the_catalogue():
    modules = {path.stem for path in (PROJECT / "parity" / "faults" / "stages").glob("*.py")} - {"__init__"}
    assert modules == set(STAGES)


def test_every_gate_that_is_named_is_recorded_by_the_suite():
    assert {gate for fault in all_faults() for gate in fault.gates} <= set(suite_gates()) <= set(GATES)


def test_the_suite_records_every_gate_but_of_the_frozen_code_and_of_speed():
    found = {gate for gate in GATES if (PROJECT / "parity" / "gates" / gate / "compare.py").is_file()}
    assert found - set(suite_gates()) == {"freeze", "throughput"}


def test_every_mistake_names_a_gate_that_the_suite_records():
    mistakes = [fault for fault in all_faults() if fault.is_mistake]
    assert [fault.id for fault in mistakes if not fault.gates] == []
    assert [fault.id for fault in mistakes if not set(fault.gates) & set(suite_gates())] == []


def test_every_fault_plants_something():
    assert [fault.id for fault in all_faults() if not fault.plants] == []


def test_every_sentence_ends_with_a_full_stop():
    assert [fault.id for fault in all_faults() if not re.fullmatch(r"\S.*[^.\s]\.", fault.sentence)] == []


def test_faults_of_tensors_and_blocks_say_which():
    first = {fault.id: next((gate for gate in fault.gates if gate != "config"), "") for fault in all_faults()}
    bound = [fault for fault in all_faults() if fault.is_mistake and first[fault.id] in GATES_WITH_A_PLACE]
    assert len(bound) > 20
    assert [fault.id for fault in bound if not fault.place] == []


def a_fault(id: str = "one", stage: str = "own", gates: tuple[str, ...] = ("loss",)) -> Fault:
    return Fault(id=id, stage=stage, sentence=f"One of {stage}.", gates=gates, plants=())


REFUSED = {
    "one id in two stages": (
        (a_fault(), a_fault("two"), a_fault(stage="other")),
        "`id` must be of one fault alone, got 'one' in here: own (One of own.) and other (One of other.); name one of them",
    ),
    "a gate that is misspelt": (
        (a_fault(gates=("loss", "lockstepp")),),
        "got 'lockstepp' in here; it is of fault one; did you mean lockstep?",
    ),
    "a gate that takes no fault": ((a_fault(gates=("throughput",)),), "got 'throughput' in here; it is of fault one"),
    "an id that is a path": ((a_fault("../one"),), "`id` must be letters, digits, _, -, + and points, got '../one' in here"),
    "an empty stage": ((a_fault(stage=""),), "`stage` must be letters, digits, _, -, + and points, got '' in here"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_faults_that_would_be_taken_for_others_are_refused(case: str):
    faults, message = REFUSED[case]
    with pytest.raises(BadInputError, match=re.escape(message)):
        check_faults(faults, "here")


def test_a_file_with_such_faults_is_refused(file: Path):
    file.write_text(OWN.replace("FAULTS = (", "FAULTS = 2 * ("), encoding="utf-8")
    with pytest.raises(BadInputError, match="must be of one fault alone, got 'own'"):
        read_faults(file)


def test_a_file_may_import_what_lies_beside_it(file: Path):
    file.with_name(f"beside_{file.parent.name}.py").write_text("GATES = ('metrics',)", encoding="utf-8")
    text = OWN.replace('("loss",)', "GATES").replace("\nFAULTS", f"\nfrom beside_{file.parent.name} import GATES\nFAULTS")
    file.write_text(text, encoding="utf-8")
    assert [fault.gates for fault in read_faults(file)] == [("metrics",)]


def test_a_fault_is_found_by_its_id():
    assert find_fault("bn_eps_1e-5").sentence.startswith("Batch norm's epsilon is torch's 1e-5")


@pytest.fixture(scope="module")
def known() -> dict[str, dict[str, object]]:
    if not DIVERGENCES.is_file():
        pytest.skip(f"no list of divergences in {DIVERGENCES}; set PARITY_SHARED_DESIGN to the file")
    rows = json.loads(DIVERGENCES.read_text(encoding="utf-8"))
    return {row["id"]: row for row in rows if row["tier"] != "bench"}


def test_every_known_divergence_is_planted(known: dict[str, dict[str, object]]):
    found = [fault for fault in all_faults() if fault.tier is not Tier.HAZARD]
    expected = [row for row in known.values() if row["tier"] != "hazard"]
    planted = {(fault.id, fault.stage, fault.tier.value, fault.gates) for fault in found}
    assert {(row["id"], row["stage"], str(row["tier"]), tuple(row["gates"])) for row in expected} <= planted


def test_every_known_hazard_is_tried(known: dict[str, dict[str, object]]):
    hazards = {fault.id for fault in all_faults() if fault.tier is Tier.HAZARD}
    assert {id for id, row in known.items() if row["tier"] == "hazard"} <= hazards


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_a_file_adds_faults_of_ones_own(file: Path):
    (fault,) = read_faults(file)
    assert isinstance(fault, Fault)
    assert (fault.id, fault.stage, fault.gates, fault.tier) == ("own", "own", ("loss",), Tier.ONE)
    assert fault.touches == {"torch_port.losses:image_losses"}
    assert find_fault("own", file=str(file)) == fault


@pytest.mark.parametrize("name", ["nowhere.py", "own.txt", "folder.py"])
def test_what_is_no_python_file_is_bad_input(file: Path, name: str):
    path = file.with_name(name)
    if name == "own.txt":
        path.write_text(OWN, encoding="utf-8")
    elif name == "folder.py":
        path.mkdir()
    with pytest.raises(BadInputError, match=re.escape(f"`--faults-from` must be a Python file, got '{path}'")):
        read_faults(path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("FAULTS = (", "SyntaxError: "),
        ("faults = ()", "AttributeError: "),
        ("FAULTS = 3", "TypeError: "),
        ("FAULTS = ()", "()"),
        ("FAULTS = ('own',)", "('own',)"),
    ],
    ids=["raises", "import", "syntax", "no FAULTS", "no tuple", "empty", "no faults"],
)
def test_a_file_that_defines_no_faults_is_bad_input(file: Path, content: str, found: str):
    file.write_text(content + "\n", encoding="utf-8")
    with pytest.raises(BadInputError, match="`--faults-from` must define FAULTS") as error:
        read_faults(file)
    assert found in str(error.value)
    assert f"in {file}; " in str(error.value)

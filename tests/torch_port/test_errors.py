from __future__ import annotations

from torch_port.errors import DataError, InputError, count_of


def test_a_message_has_one_form():
    error = InputError.about("batch", must="be small", got="9", place="--batch", remedy="take 8")
    assert error.text() == str(error) == "`batch` must be small, got 9 in --batch; take 8"


def test_faults_are_listed_below_it():
    error = DataError.about("a", must="b", got="2 faults", place="d", remedy="e", faults=["x: 1", "y: 2"])
    assert isinstance(error, DataError)
    assert error.text() == "`a` must b, got 2 faults in d; e:\n  - x: 1\n  - y: 2"


def test_a_message_from_a_worker_process_is_found_in_its_traceback():
    error = DataError(
        "Caught DataError in worker 0.\nOriginal Traceback (most recent call last):\n  File x\n...DataError: `a` must b\n"
    )
    assert error.text() == "`a` must b"


def test_counting():
    assert [count_of(number, "fault") for number in (0, 1, 2)] == ["0 faults", "1 fault", "2 faults"]

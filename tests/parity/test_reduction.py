"""What is kept of a large array: it is what it says, it moves with the array, and nothing else passes for it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from parity.artefact import ArtefactError, RecordingWriter, read_recording
from parity.comparison import Comparison, Expected, Pair
from parity.contract import RunSpec
from parity.measurement import relative_error
from parity.reduction import SAMPLE, SKETCH, reduce
from parity.verdict import Verdict
from parity.workspace import Workspace

SPEC = RunSpec(
    data="", data_sha256="", checkpoint="", checkpoint_sha256="", resolution="20x", split="published", split_sha256="",
    splits=("val",), image_scale=0.08, images=None, profile="probe", arch="resnet50v2", device="cpu", gates=("blocks",),
)  # fmt: skip
SHAPE = (2, 4, 4, 4)
EXPECTED = {"out": Expected(axes="NHWC", candidate_axes="NCHW", shape=SHAPE, dtype="float64")}


def draw(*shape: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def signs_by_hand(number: int, count: int) -> list[int]:
    """The first bit of SHAKE-256 decides about the first element, and so on: 1 adds it, 0 takes it away."""
    drawn = hashlib.shake_256(b"projection %d" % number).hexdigest(count // 8 + 1)
    return [1 if digit == "1" else -1 for digit in f"{int(drawn, 16):0{len(drawn) * 4}b}"[:count]]


def sketch_by_hand(values: list[float]) -> list[float]:
    count = len(values)
    places = range(count) if count <= 64 else [round(place * (count - 1) / 63) for place in range(64)]
    root = count**0.5
    sums = [
        sum(sign * value for sign, value in zip(signs_by_hand(number, count), values, strict=True)) / root
        for number in range(8)
    ]
    mean_square = sum(value * value for value in values) / count
    return [*(values[place] for place in places), *sums, mean_square**0.5, max(map(abs, values))]


@pytest.mark.parametrize("count", [*range(1, 101), 127, 4097])
def test_a_sketch_is_samples_signed_sums_mean_square_and_maximum(count: int):
    values = draw(count, seed=count)
    np.testing.assert_allclose(reduce(values, SKETCH), sketch_by_hand(values.tolist()), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 100, 5000])
def test_a_sample_is_evenly_spaced_from_the_first_element_to_the_last(count: int):
    kept = reduce(np.arange(float(count)), SAMPLE)
    assert (kept[0], kept[-1], kept.size) == (0, count - 1, min(64, count))
    steps = np.diff(kept)
    assert steps.size == 0 or steps.max() - steps.min() <= 1


def test_signs_are_as_many_plus_as_minus_and_differ_between_sums():
    signs = np.array([signs_by_hand(number, 10_000) for number in range(8)])
    assert np.abs(signs.mean(axis=1)).max() < 0.04, "four standard deviations"
    assert np.abs(signs @ signs.T / 10_000 - np.eye(8)).max() < 0.04


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_a_reduction_is_of_float64_whatever_the_array_is_of(dtype: type):
    array = (100 * np.abs(draw(3, 50))).astype(dtype)
    assert reduce(array, SKETCH).dtype == np.float64
    np.testing.assert_allclose(reduce(array, SKETCH), sketch_by_hand([float(value) for value in array.ravel()]), rtol=1e-12)


def test_memory_order_does_not_matter():
    array = draw(7, 11, 13)
    np.testing.assert_array_equal(reduce(np.asfortranarray(array), SKETCH), reduce(array, SKETCH))


def transpose(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(0, 1, 3, 2)


def swap_channels(kernel: np.ndarray) -> np.ndarray:
    return kernel[..., [0, 1, 2, 4, 3, *range(5, 32)]]


def swap_two_elements(kernel: np.ndarray) -> np.ndarray:
    changed = kernel.copy().reshape(-1)
    changed[[1001, 1002]] = changed[[1002, 1001]]
    return changed.reshape(kernel.shape)


def change_one_element(kernel: np.ndarray) -> np.ndarray:
    changed = kernel.copy()
    changed[1, 1, 7, 9] *= 1 + 1e-6
    return changed


def stretch(kernel: np.ndarray) -> np.ndarray:
    return kernel * (1 + 1e-9)


def turn_one_sign(kernel: np.ndarray) -> np.ndarray:
    changed = kernel.copy()
    changed[2, 0, 3, 3] *= -1
    return changed


def flip_the_window(kernel: np.ndarray) -> np.ndarray:
    return kernel[::-1]


CHANGES = [transpose, swap_channels, swap_two_elements, change_one_element, stretch, turn_one_sign, flip_the_window]


@pytest.mark.parametrize("change", CHANGES)
def test_a_sketch_sees(change):
    kernel = draw(3, 3, 32, 32)
    observed = relative_error(reduce(kernel, SKETCH), reduce(change(kernel), SKETCH)).max_rel
    assert observed > 1e-10, "the limit of the gates in float64"


def test_what_no_sample_shows_the_sums_show():
    kernel = draw(3, 3, 32, 32)
    same, other = reduce(kernel, SKETCH), reduce(turn_one_sign(kernel), SKETCH)
    np.testing.assert_array_equal(same[:64], other[:64])
    np.testing.assert_allclose(same[-2:], other[-2:], rtol=1e-12)
    assert (np.abs(same[64:72] - other[64:72]) > 1e-4).all(), "each of the eight sums, by twice the element"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1e-12, 1e-6, 1e-2])
@pytest.mark.parametrize("draw_values", ["normal", "exponential", "uniform"])
def test_sketches_differ_by_as_much_as_their_arrays_do(seed: int, size: float, draw_values: str):
    rng = np.random.default_rng(seed)
    array = getattr(rng, draw_values)(size=20_000)
    other = array + size * rng.normal(size=array.shape)
    whole, kept = relative_error(array, other), relative_error(reduce(array, SKETCH), reduce(other, SKETCH))
    assert 0.25 < kept.norm_rel / whole.norm_rel < 4
    assert 0.1 < kept.max_rel / whole.max_rel < 10


def write_reduced(folder: Path, array: np.ndarray, axes: str = "NHWC", *, how: str = SKETCH, rounded: bool = False) -> None:
    with RecordingWriter(folder, key="key") as out:
        out.write_array("before", np.zeros(3), "C")
        out.write_reduced("out", array, axes, how, rounded=rounded)
        out.write_array("after", np.ones(3), "C")


@pytest.mark.parametrize("how", [SAMPLE, SKETCH])
def test_a_reduced_array_comes_back_and_says_what_it_was(tmp_path: Path, how: str):
    array = draw(*SHAPE).astype(np.float32)
    write_reduced(tmp_path / "gate", array, how=how)
    recording = read_recording(tmp_path / "gate")
    entry = recording.arrays["out"]
    assert (entry.dtype, entry.shape, entry.axes, entry.reduced, entry.rounded) == ("float32", SHAPE, "NHWC", how, "")
    np.testing.assert_array_equal(recording.read_array("out"), reduce(array, how))
    np.testing.assert_array_equal(recording.read_array("after"), np.ones(3))


@pytest.mark.parametrize("how", [SAMPLE, SKETCH])
def test_the_rounded_array_is_whole(tmp_path: Path, how: str):
    array = draw(3, 50, 7)
    write_reduced(tmp_path / "gate", array, "NHC", how=how, rounded=True)
    recording = read_recording(tmp_path / "gate")
    np.testing.assert_array_equal(recording.read_rounded("out"), array.astype(np.float32))
    assert recording.read_rounded("out").dtype == np.float32
    np.testing.assert_array_equal(recording.read_array("out"), reduce(array, how))


def test_an_array_that_is_kept_whole_is_rounded_when_it_is_read(write_recording):
    array = draw(3, 4)
    rounded = write_recording("legacy", {"out": (array, "NC")}).read_rounded("out")
    np.testing.assert_array_equal(rounded, array.astype(np.float32))


def test_without_a_rounded_array_there_is_none_to_read(tmp_path: Path):
    write_reduced(tmp_path / "gate", draw(*SHAPE))
    with pytest.raises(ArtefactError, match="out cannot be read from gate"):
        read_recording(tmp_path / "gate").read_rounded("out")


@pytest.mark.parametrize("damage", ["first element", "last element", "order", "shape", "cut short", "pickle", "removed"])
def test_a_tampered_rounded_array_is_refused(tmp_path: Path, damage: str):
    write_reduced(tmp_path / "gate", draw(*SHAPE), rounded=True)
    path = tmp_path / "gate" / "00001-rounded.npy"
    array = np.load(path)
    if damage == "first element":
        array.reshape(-1)[0] *= np.float32(1 + 2**-23)
    elif damage == "last element":
        array.reshape(-1)[-1] += 1
    elif damage == "order":
        array = array[::-1].copy()
    elif damage == "shape":
        array = array.reshape(2, 2, 8, 4)
    np.save(path, array)
    if damage == "cut short":
        path.write_bytes(path.read_bytes()[:-4])
    elif damage == "pickle":
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    elif damage == "removed":
        path.unlink()
    with pytest.raises(ArtefactError, match=r"^out (cannot be read from gate|in gate is not the array that was reduced)"):
        read_recording(tmp_path / "gate").read_rounded("out")


def test_a_changed_reduction_is_refused(tmp_path: Path):
    write_reduced(tmp_path / "gate", draw(*SHAPE))
    kept = np.load(tmp_path / "gate" / "00001.npy")
    kept[70] *= 1 + 1e-15
    np.save(tmp_path / "gate" / "00001.npy", kept)
    with pytest.raises(ArtefactError, match="out in gate is not what its manifest says"):
        read_recording(tmp_path / "gate").read_array("out")


@pytest.mark.parametrize("place", ["file", "rounded"])
@pytest.mark.parametrize("name", ["../x.npy", "/x.npy", "folder/x.npy", "./00001.npy"])
def test_a_manifest_names_no_file_outside_its_folder(tmp_path: Path, place: str, name: str):
    write_reduced(tmp_path / "gate", draw(*SHAPE), rounded=True)
    np.save(tmp_path / "x.npy", draw(*SHAPE))
    path = tmp_path / "gate" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["arrays"]["out"][place] = name
    path.write_text(json.dumps(manifest))
    with pytest.raises(ArtefactError, match="files outside gate"):
        read_recording(tmp_path / "gate")


def test_a_name_is_taken_once_by_reduced_arrays_too(tmp_path: Path):
    with RecordingWriter(tmp_path / "gate", key="key") as out:
        out.write_reduced("out", draw(3), "C", SKETCH)
        with pytest.raises(ArtefactError, match="'out' twice"):
            out.write_array("out", draw(3), "C")


def open_comparison(tmp_path: Path, reference: np.ndarray, candidate: np.ndarray, axes: str = "NCHW") -> Comparison:
    """The legacy's array is reduced, the port's is not."""
    write_reduced(tmp_path / "legacy" / "blocks", reference)
    with RecordingWriter(tmp_path / "port" / "blocks", key="key") as out:
        for name, array in (("before", np.zeros(3)), ("after", np.ones(3))):
            out.write_array(name, array, "C")
        out.write_array("out", candidate, axes)
    SPEC.write_json(Workspace(tmp_path).spec_path)
    beside = {name: Expected(axes="C", shape=(3,), dtype="float64") for name in ("before", "after")}
    return Comparison.open(Workspace(tmp_path), "blocks", {**EXPECTED, **beside})


def read_pair(comparison: Comparison) -> Pair:
    (pair,) = comparison.pairs("out")
    return pair


def test_the_port_is_moved_to_the_legacys_axes_before_it_is_reduced(tmp_path: Path):
    array = draw(*SHAPE)
    comparison = open_comparison(tmp_path, array, np.ascontiguousarray(array.transpose(0, 3, 1, 2)))
    pair = read_pair(comparison)
    np.testing.assert_array_equal(pair.reference, pair.candidate)
    np.testing.assert_allclose(pair.candidate, sketch_by_hand(array.ravel().tolist()), rtol=1e-12, atol=1e-12)
    assert len(list(comparison.pairs("before", "after"))) == 2
    result = comparison.result([])
    assert (result.expected, result.compared, result.checks) == (3, 3, ())


def test_channels_that_are_last_but_called_first_are_seen(tmp_path: Path):
    array = draw(*SHAPE)
    pair = read_pair(open_comparison(tmp_path, array, array))
    assert relative_error(pair.reference, pair.candidate).max_rel > 0.1


def test_one_element_of_the_port_is_seen(tmp_path: Path):
    array = draw(*SHAPE)
    changed = array.transpose(0, 3, 1, 2).copy()
    changed[1, 2, 3, 1] *= 1 + 1e-6
    pair = read_pair(open_comparison(tmp_path, array, changed))
    assert 1e-9 < relative_error(pair.reference, pair.candidate).max_rel < 1e-5


def nothing(array: np.ndarray) -> np.ndarray:
    return array


def not_a_number(array: np.ndarray) -> np.ndarray:
    changed = array.copy()
    changed[1, 2, 3, 1] = np.nan
    return changed


@pytest.mark.parametrize(
    ("legacy", "port", "axes", "said"),
    [
        (nothing, lambda array: array[:, :3], "NCHW", r"port: shape \(2, 4, 4, 3\) instead of \(2, 4, 4, 4\)"),
        (nothing, lambda array: array.reshape(-1), "N", "port: axes 'N' instead of 'NCHW'"),
        (nothing, lambda array: array.transpose(0, 2, 3, 1), "NHWC", "port: axes 'NHWC' instead of 'NCHW'"),
        (nothing, lambda array: array.astype(np.float32), "NCHW", "port: dtype float32 instead of float64"),
        (nothing, not_a_number, "NCHW", "port: 1 elements are not finite"),
        (not_a_number, nothing, "NCHW", r"legacy: \d+ elements are not finite"),
        (lambda array: array[:1], nothing, "NCHW", r"legacy: shape \(1, 4, 4, 4\) instead of \(2, 4, 4, 4\)"),
        (lambda array: array.astype(np.float32), nothing, "NCHW", "legacy: dtype float32 instead of float64"),
    ],
    ids=["shape", "flat", "axes", "dtype", "not finite", "legacy not finite", "legacy shape", "legacy dtype"],
)
def test_what_is_not_as_expected_is_a_fault(tmp_path: Path, legacy, port, axes: str, said: str):
    array = draw(*SHAPE)
    comparison = open_comparison(tmp_path, legacy(array), port(np.ascontiguousarray(array.transpose(0, 3, 1, 2))), axes)
    assert list(comparison.pairs("out")) == []
    (fault,) = comparison.faults
    assert (fault.id, fault.verdict) == ("blocks/none/out/present", Verdict.FAIL)
    assert re.match(said, fault.reason)
    assert comparison.result([]).compared < comparison.result([]).expected

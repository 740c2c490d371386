"""Grad-CAM: errors image by image, dead maps on one side and on both, maps that are made up, two images at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parity.contract import KINDS
from parity.gates.gradcam.compare import compare, is_dead, to_peak
from parity.gates.gradcam.contract import FIXTURE_IMAGE, FIXTURE_MAPS, MASK_THRESHOLD, SEED, class_cases, command_cases
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

from .breaking import NAMES, break_array
from .conftest import HandmadeRun

MAP = (3, 4)
SIZE = (96, 128)
NOTHING = "gradcam/none/nothing/evaluation/share"
RAW = [f"gradcam/{dtype}/raw/evaluation/{measure}" for dtype in ("float64", "float32") for measure in ("max_rel", "norm_rel")]


@pytest.fixture
def run(handmade: HandmadeRun) -> HandmadeRun:
    rng = np.random.default_rng(17)
    for kind in KINDS:
        raw = rng.normal(size=(6, *MAP))
        for dtype in ("float64", "float32"):
            handmade.both(f"{dtype}/{kind}/raw", raw.astype(dtype), "NHW")
        handmade.both(f"float32/{kind}/normalised", rng.uniform(size=(6, *MAP)).astype(np.float32), "NHW")
        for case in handmade.workspace.tap_cases(kind):
            handmade.both(f"float32/{kind}/{case.index}/resized", rng.uniform(size=SIZE).astype(np.float32), "HW")
            handmade.both(f"float32/{kind}/{case.index}/overlay", rng.uniform(size=(*SIZE, 3)), "HWC")
    for name, fixture in FIXTURE_MAPS.items():
        handmade.both(f"fixture/{name}/normalised", normalise(fixture), "HW")
        handmade.both(f"fixture/{name}/resized", rng.uniform(size=FIXTURE_IMAGE.shape[:2]).astype(np.float32), "HW")
        handmade.both(f"fixture/{name}/overlay", rng.uniform(size=FIXTURE_IMAGE.shape), "HWC")
    handmade.port.values["batch"] = "refused"
    write_command(handmade)
    make_again(handmade)
    return handmade


def write_command(run: HandmadeRun) -> None:
    """Write maps of every class, and what two commands that are the same write; maps are coloured by hand."""
    rng = np.random.default_rng(18)
    cases = command_cases(run.workspace)
    stems = [case.image.removesuffix(".jpg") for case in cases]
    for kind, count in (("evaluation", len(class_cases(run.workspace))), ("command", len(cases))):
        run.both(f"float64/classes/{kind}", rng.normal(size=(count, 3, *MAP)), "NKHW")
    cells = np.tile(np.linspace(0.12, 1.0, MAP[0] * MAP[1]), (len(cases), 1))  # none within 0.04 of the threshold
    raw = rng.permuted(cells, axis=1).reshape(len(cases), *MAP).astype(np.float32)
    image = rng.integers(0, 256, (len(cases), *SIZE, 3))
    for side in (run.legacy, run.port):
        side.arrays["command/raw"] = (raw.copy(), "NHW")
        side.values |= {"command/images": sorted(stems) if side is run.legacy else stems, "command/predicted": [0, 2, 1]}
    run.port.values["command/overlays"] = stems
    draw(run, "legacy", image)
    draw(run, "port", image)
    answers = dict(zip((case.image for case in cases), (0, 2, 1), strict=True))
    known = run.legacy.arrays["float64/classes/command"][0]
    run.port.arrays["predict/raw"] = (np.stack([maps[k] for maps, k in zip(known, answers.values(), strict=True)]), "NHW")
    run.port.arrays["predict/raw"] = (run.port.arrays["predict/raw"][0].astype(np.float32), "NHW")
    run.port.values |= {
        "predict/rows": {image: [0.8 if k == index else 0.1 for k in range(3)] for image, index in answers.items()},
        "predict/exit_code": 0,
        "predict/predicted": answers,
        "predict/overlays": stems,
    }


def draw(run: HandmadeRun, side: str, image: np.ndarray, threshold: float = MASK_THRESHOLD) -> None:
    """Draw maps of a side: as large as the image, tinted red by a part of the map's level where it reaches the threshold."""
    arrays = getattr(run, side).arrays
    peaks = arrays["command/raw"][0].max(axis=(1, 2), keepdims=True)
    normalised = np.maximum(arrays["command/raw"][0], 0) / peaks
    resized = np.kron(normalised, np.ones((1, SIZE[0] // MAP[0], SIZE[1] // MAP[1]))).astype(np.float32)
    tinted = np.where((resized < threshold)[..., None], image, 0.7 * image + 0.3 * 255 * resized[..., None])
    arrays["command/resized"] = (resized, "NHW")
    arrays["command/overlay"] = (np.rint(tinted).astype(np.uint8), "NHWC")


def make_again(run: HandmadeRun) -> None:
    """Make the maps that are made twice what the first ones are."""
    for side in (run.legacy, run.port):
        for kind in KINDS:
            rows = [case.index for case in run.workspace.tap_cases(kind)]
            side.arrays[f"float32/{kind}/rerun"] = (side.arrays[f"float32/{kind}/raw"][0][rows], "NHW")


def normalise(raw: np.ndarray) -> np.ndarray:
    """The definition: what is negative is cut off, and what is left is divided by the largest value there was."""
    with np.errstate(invalid="ignore"):
        return raw.clip(min=0) / raw.max()


def failed(result: GateResult) -> list[str]:
    return [check.id for check in result.checks if check.verdict is Verdict.FAIL]


def find(result: GateResult, check_id: str) -> Check:
    return next(check for check in result.checks if check.id == check_id)


def silence(run: HandmadeRun, images: list[int], kind: str = "evaluation") -> None:
    for side in (run.legacy, run.port):
        for dtype in ("float64", "float32"):
            side.arrays[f"{dtype}/{kind}/raw"][0][images] = 0.0
        side.arrays[f"float32/{kind}/normalised"][0][images] = np.nan
    make_again(run)


def kill(run: HandmadeRun, images: list[int], sides: tuple[str, ...], kind: str = "evaluation") -> None:
    for side in sides:
        arrays = getattr(run, side).arrays
        for dtype in ("float64", "float32"):
            arrays[f"{dtype}/{kind}/raw"][0][images] = -1.0
        arrays[f"float32/{kind}/normalised"][0][images] = -0.0
    make_again(run)


def test_equal_maps_pass(run: HandmadeRun):
    result = run.compare("gradcam", compare)
    assert result.verdict is Verdict.PASS
    assert result.expected == result.compared == 16 + 3 * len(FIXTURE_MAPS) + 6 + 3


def test_one_wrong_map_is_named(run: HandmadeRun):
    run.port.arrays["float64/evaluation/raw"][0][4, 1, 2] += 1e-8
    result = run.compare("gradcam", compare)
    assert failed(result) == RAW[:2]
    assert {check.worst for check in result.checks if not check} == {"evaluation image 4 (scc_20x_4.jpg)"}


@pytest.mark.parametrize(("error", "passes"), [(5e-3, True), (2e-2, False)])
def test_a_relu_that_rounding_turns_is_no_mistake(run: HandmadeRun, error: float, passes: bool):
    """On one side only: the other's own float32 is exact here, so that three times its error is nothing."""
    raw = run.port.arrays["float32/evaluation/raw"][0]
    raw[4, 1, 2] += error * np.abs(raw[4]).max()
    assert (run.compare("gradcam", compare).verdict is Verdict.PASS) == passes


@pytest.mark.parametrize("factors", [np.float32(12.0), np.geomspace(1e-6, 1e6, 6, dtype=np.float32)[:, None, None]])
def test_maps_that_are_positive_multiples_pass(run: HandmadeRun, factors: np.ndarray):
    """A sum over the twelve pixels instead of a mean; a factor of its own for each image."""
    for kind in KINDS:
        for dtype in ("float64", "float32"):
            run.port.arrays[f"{dtype}/{kind}/raw"][0][:] *= factors
    make_again(run)
    assert run.compare("gradcam", compare).verdict is Verdict.PASS


def test_a_map_of_the_other_sign_fails(run: HandmadeRun):
    for dtype in ("float64", "float32"):
        run.port.arrays[f"{dtype}/evaluation/raw"][0][4] *= -1.0
    result = run.compare("gradcam", compare)
    assert failed(result) == RAW
    assert find(result, RAW[0]).observed == pytest.approx(2.0)
    assert {check.worst for check in result.checks if not check} == {"evaluation image 4 (scc_20x_4.jpg)"}


def test_dead_maps_on_both_sides_are_counted_and_are_evidence(run: HandmadeRun):
    """All of a class, and more than half of all: their raw maps are compared as any others."""
    kill(run, [0, 2, 3, 5], ("legacy", "port"))
    result = run.compare("gradcam", compare)
    assert result.verdict is Verdict.PASS
    said = find(result, "gradcam/exact/dead/evaluation/one_sided").reason
    assert "4 of 6 have nothing positive on both sides" in said
    run.port.arrays["float64/evaluation/raw"][0][2, 0, 0] -= 1e-8
    assert failed(run.compare("gradcam", compare)) == RAW[:2]


def test_raw_maps_that_are_nothing_are_no_evidence(run: HandmadeRun):
    silence(run, [0])
    share = find(run.compare("gradcam", compare), NOTHING)
    assert (share.verdict, share.observed) == (Verdict.INCONCLUSIVE, 1 / 6), "one of six is more than a tenth"
    assert share.reason.startswith("1 of 6 raw maps of the legacy are nothing")


def test_a_class_of_nothing_is_no_evidence(run: HandmadeRun):
    limit = replace(run.gates_file.limit("gradcam/nothing"), value=0.5)
    run.gates_file.limits["gradcam/nothing"] = limit
    silence(run, [2, 3])
    share = find(run.compare("gradcam", compare), NOTHING)
    assert (share.verdict, share.worst) == (Verdict.INCONCLUSIVE, "every map of nor")


def test_what_is_below_the_noise_of_maps_made_twice_is_nothing(run: HandmadeRun):
    """On a GPU, where the legacy's maps differ when they are made twice."""
    replace(run.workspace.spec, device="cuda").write_json(run.workspace.spec_path)
    run = HandmadeRun(Workspace(run.workspace.folder), run.gates_file, run.legacy, run.port)
    for side in (run.legacy, run.port):
        for dtype in ("float64", "float32"):
            side.arrays[f"{dtype}/evaluation/raw"][0][4] *= 1e-9
    make_again(run)
    assert find(run.compare("gradcam", compare), NOTHING).observed == 0.0
    run.legacy.arrays["float32/evaluation/rerun"][0][0, 0, 0] += 1e-6
    assert find(run.compare("gradcam", compare), NOTHING).observed == 1 / 6


@pytest.mark.parametrize(("positive", "passes"), [(1e-14, True), (1e-4, False)])
def test_rounding_decides_the_sign_of_a_maximum_that_is_nearly_zero(run: HandmadeRun, positive: float, passes: bool):
    kill(run, [0], ("legacy", "port"))
    for dtype in ("float64", "float32"):
        run.legacy.arrays[f"{dtype}/evaluation/raw"][0][0, 0, 0] = -1e-14
        run.port.arrays[f"{dtype}/evaluation/raw"][0][0, 0, 0] = positive
    make_again(run)
    assert find(run.compare("gradcam", compare), "gradcam/exact/dead/evaluation/one_sided").verdict is (
        Verdict.PASS if passes else Verdict.FAIL
    )


@pytest.mark.parametrize("side", ["legacy", "port"])
def test_a_dead_map_on_one_side_fails(run: HandmadeRun, side: str):
    kill(run, [1], (side,))
    assert "gradcam/exact/dead/evaluation/one_sided" in failed(run.compare("gradcam", compare))


def test_not_a_number_in_a_living_map_fails_on_both_sides_too(run: HandmadeRun):
    for side in (run.legacy, run.port):
        side.arrays["float32/augmented/raw"][0][2, 1, 1] = np.nan
    assert failed(run.compare("gradcam", compare)) == ["gradcam/none/float32/augmented/raw/present"]


def test_a_zero_instead_of_not_a_number_fails(run: HandmadeRun):
    silence(run, [0])
    run.port.arrays["float32/evaluation/normalised"][0][0] = 0.0
    assert "gradcam/none/float32/evaluation/normalised/present" in failed(run.compare("gradcam", compare))


def test_an_overlay_of_another_threshold_fails(run: HandmadeRun):
    case = run.workspace.tap_cases("evaluation")[0]
    run.port.arrays[f"float32/evaluation/{case.index}/overlay"][0][0, 0, 0] += 0.1
    assert failed(run.compare("gradcam", compare)) == ["gradcam/float32/overlay/max_abs"]


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("zero", 0.0, "gradcam/none/fixture/zero/normalised/present"),
        ("negative", np.nan, "gradcam/none/fixture/negative/normalised/present"),
        ("negative", 1.0, "gradcam/float32/normalised/max_abs"),
        ("mixed", 0.2, "gradcam/float32/normalised/max_abs"),  # as of a division by the largest magnitude
    ],
)
def test_a_made_up_map_that_the_port_normalises_otherwise_fails(run: HandmadeRun, name: str, value: float, check: str):
    """A maximum of 0 gives NaN, a negative one does not."""
    run.port.arrays[f"fixture/{name}/normalised"][0][:] = value
    assert failed(run.compare("gradcam", compare)) == [check]


@pytest.mark.parametrize("step", ["resized", "overlay"])
def test_a_picture_of_a_made_up_map_that_differs_fails(run: HandmadeRun, step: str):
    """They have power where every map of the images is dead."""
    run.port.arrays[f"fixture/positive/{step}"][0][0, 0] += 0.1
    result = run.compare("gradcam", compare)
    assert failed(result) == [f"gradcam/float32/{step}/max_abs"]
    assert find(result, f"gradcam/float32/{step}/max_abs").worst == "the made-up map positive"


def test_a_lowest_value_that_becomes_zero_fails(run: HandmadeRun):
    raw = FIXTURE_MAPS["positive"]
    run.port.arrays["fixture/positive/normalised"] = ((raw - raw.min()) / (raw.max() - raw.min()), "HW")
    result = run.compare("gradcam", compare)
    assert failed(result) == ["gradcam/float32/normalised/max_abs"]
    check = find(result, "gradcam/float32/normalised/max_abs")
    assert (check.observed, check.worst) == (0.25, "the made-up map positive")


@pytest.mark.parametrize(("values", "found"), [({"batch": "explained"}, "explained"), ({}, "not asked for")])
def test_two_images_that_are_explained_at_once_fail(run: HandmadeRun, values: dict[str, object], found: str):
    del run.port.values["batch"]
    run.port.values |= values
    result = run.compare("gradcam", compare)
    assert failed(result) == ["gradcam/exact/batch/refused"]
    assert find(result, "gradcam/exact/batch/refused").reason == f"two images at once must be refused: they were {found}"


def test_what_a_peak_is():
    assert to_peak(np.array([[1.0, -4.0]])).tolist() == [[0.25, -1.0]]
    assert to_peak(np.zeros(MAP)).tolist() == np.zeros(MAP).tolist()


def test_what_dead_means():
    maps = np.stack([np.full(MAP, -1.0), np.zeros(MAP), np.eye(*MAP)])
    assert is_dead(maps).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("device", "side", "passes"),
    [("cpu", "legacy", False), ("cpu", "port", False), ("cuda", "port", False), ("cuda", "legacy", True)],
)
def test_the_same_map_made_twice(run: HandmadeRun, device: str, side: str, passes: bool):
    """On a GPU the legacy has no deterministic gradient: how far its maps are apart is a noise floor."""
    replace(run.workspace.spec, device=device).write_json(run.workspace.spec_path)
    run = HandmadeRun(Workspace(run.workspace.folder), run.gates_file, run.legacy, run.port)
    before = find(run.compare("gradcam", compare), RAW[2]).noise_floor
    maps = getattr(run, side).arrays["float32/evaluation/rerun"][0]
    first = run.legacy.arrays["float32/evaluation/raw"][0][run.workspace.tap_cases("evaluation")[1].index]
    maps[1] = first
    maps[1, 0, 0] += 1e-3 * np.abs(first).max()
    result = run.compare("gradcam", compare)
    assert failed(result) == ([] if passes else [f"gradcam/exact/rerun/evaluation/{side}"])
    floor = find(result, RAW[2]).noise_floor
    assert floor == (pytest.approx(1e-3, rel=1e-2) if side == "legacy" else before), "the port's own noise widens nothing"


COMMAND = ("float64/classes/evaluation", "float64/classes/command", "command/raw", "command/resized", "command/overlay")
# Levels are whole numbers, and a dead map is drawn of NaN.
NO_FAULT = {("command/resized", "not a number"), ("command/resized", "infinite"), ("command/overlay", "not a number"),
            ("command/overlay", "infinite"), ("command/overlay", "another dtype")}  # fmt: skip
BROKEN = [(name, way) for name in COMMAND for way in NAMES if (name, way) not in NO_FAULT]
LEVELS = "gradcam/float32/command/overlay/levels"
SHARE = "gradcam/float32/command/overlay/threshold_share"


def image_of(run: HandmadeRun) -> np.ndarray:
    """Return pixels under the overlays that have nothing to do with those of `write_command`."""
    return np.random.default_rng(1).integers(0, 256, (len(command_cases(run.workspace)), *SIZE, 3))


def test_the_images_of_the_commands_are_those_that_numpy_draws(run: HandmadeRun):
    np.random.seed(SEED)  # noqa: NPY002 - what the commands draw from
    drawn: list[int] = []
    while len(drawn) < 3:
        number = np.random.randint(0, 6)  # noqa: NPY002
        drawn += [] if number in drawn else [number]
    assert [case.index for case in command_cases(run.workspace)] == drawn
    assert len(set(drawn)) == 3


@pytest.mark.parametrize(("name", "way"), BROKEN)
@pytest.mark.parametrize("side", ["legacy", "port"])
def test_an_array_of_the_commands_that_is_not_whole_fails(run: HandmadeRun, name: str, way: str, side: str):
    broken, words = break_array(getattr(run, side), name, way)
    check = find(run.compare("gradcam", compare), f"gradcam/none/{broken}/present")
    assert check.verdict is Verdict.FAIL
    assert words in check.reason


@pytest.mark.parametrize("kind", ["evaluation", "command"])
def test_the_map_of_another_class_fails(run: HandmadeRun, kind: str):
    """Class 0 is explained whatever class is asked for."""
    maps = run.port.arrays[f"float64/classes/{kind}"][0]
    maps[:] = maps[:, :1]
    result = run.compare("gradcam", compare)
    assert failed(result) == [f"gradcam/float64/classes/{kind}/max_rel"]
    assert find(result, f"gradcam/float64/classes/{kind}/max_rel").worst.startswith(("nor in ", "scc in "))


@pytest.mark.parametrize(("error", "passes"), [(1e-11, True), (1e-8, False)])
def test_every_map_of_a_class_is_compared_for_itself(run: HandmadeRun, error: float, passes: bool):
    maps = run.port.arrays["float64/classes/command"][0]
    maps[1, 2] *= 1e-9
    run.legacy.arrays["float64/classes/command"][0][1, 2] *= 1e-9
    maps[1, 2, 0, 0] += error * np.abs(maps[1, 2]).max()
    result = run.compare("gradcam", compare)
    assert failed(result) == ([] if passes else ["gradcam/float64/classes/command/max_rel"])
    image = command_cases(run.workspace)[1].image
    assert find(result, "gradcam/float64/classes/command/max_rel").worst == f"scc in {image}"


def test_other_images_or_another_order_fail(run: HandmadeRun):
    stems = run.port.values["command/images"]
    for what, side, found in (
        ("port/images", run.port, stems[::-1]),
        ("port/overlays", run.port, stems[:2]),
        ("legacy/images", run.legacy, [*stems[:2], "another"]),
    ):
        name = f"command/{what.partition('/')[2]}"
        before = side.values[name]
        side.values[name] = found
        assert failed(run.compare("gradcam", compare)) == [f"gradcam/exact/command/{what}"]
        del side.values[name]
        assert failed(run.compare("gradcam", compare)) == [f"gradcam/exact/command/{what}"]
        side.values[name] = before


@pytest.mark.parametrize("found", [[0, 2, 2], [0, 2], None], ids=["another", "fewer", "none"])
@pytest.mark.parametrize("side", ["legacy", "port"])
def test_another_explained_class_fails(run: HandmadeRun, side: str, found: list[int] | None):
    getattr(run, side).values["command/predicted"] = found
    if found is None:
        del getattr(run, side).values["command/predicted"]
    result = run.compare("gradcam", compare)
    assert failed(result) == ["gradcam/exact/command/predicted"]


def test_raw_maps_of_the_command_that_differ_fail(run: HandmadeRun):
    maps = run.port.arrays["command/raw"][0]
    maps[2] = maps[2, ::-1]
    result = run.compare("gradcam", compare)
    assert failed(result) == ["gradcam/float32/command/raw/max_rel"]
    assert find(result, "gradcam/float32/command/raw/max_rel").worst == command_cases(run.workspace)[2].image


@pytest.mark.parametrize("threshold", [0.25, 0.0, 1.0])
def test_an_overlay_of_another_threshold_than_was_asked_for_fails(run: HandmadeRun, threshold: float):
    for side in ("legacy", "port"):
        draw(run, side, image_of(run), MASK_THRESHOLD if side == "legacy" else threshold)
    assert failed(run.compare("gradcam", compare)) == [LEVELS]


@pytest.mark.parametrize(("levels", "passes"), [(1, True), (2, False)])
def test_an_overlay_may_be_rounded_once(run: HandmadeRun, levels: int, passes: bool):
    overlay = run.port.arrays["command/overlay"][0]
    level = int(overlay[1, 5, 7, 2])
    overlay[1, 5, 7, 2] = level + levels if level < 128 else level - levels
    result = run.compare("gradcam", compare)
    assert failed(result) == ([] if passes else [LEVELS])
    assert find(result, LEVELS).observed == levels


def test_maps_that_differ_by_noise_are_drawn_with_it(run: HandmadeRun):
    """Each pixel may be tinted as much otherwise as its map's level is another one."""
    raw = run.port.arrays["command/raw"][0]
    raw[:, 0, 0] += np.float32(5e-3)
    for side in ("legacy", "port"):
        draw(run, side, image_of(run))
    result = run.compare("gradcam", compare)
    assert failed(result) == []
    assert 0 < find(result, "gradcam/float32/command/raw/max_rel").observed < 1e-2


def test_a_pixel_at_the_threshold_may_be_tinted_by_one_side_only_and_not_many(run: HandmadeRun):
    for side, place in (("legacy", -1e-6), ("port", 1e-6)):
        maps = getattr(run, side).arrays["command/raw"][0]
        maps[0] = 1.0
        draw(run, side, image_of(run))
        arrays = getattr(run, side).arrays
        arrays["command/resized"][0][0, :4, :4] = MASK_THRESHOLD + place
        pixels = image_of(run)[0, :4, :4]
        arrays["command/overlay"][0][0, :4, :4] = pixels if place < 0 else np.rint(0.7 * pixels + 0.3 * 102)
    result = run.compare("gradcam", compare)
    assert failed(result) == []
    assert find(result, SHARE).observed == 16 / (SIZE[0] * SIZE[1])
    for side, place in (("legacy", -1e-6), ("port", 1e-6)):
        getattr(run, side).arrays["command/resized"][0][0, :20] = MASK_THRESHOLD + place
    assert SHARE in failed(run.compare("gradcam", compare))


def test_faint_maps_say_nothing_of_overlays(run: HandmadeRun):
    """Their largest value is nearly 0 beside what is negative: rounding decides what they are divided by."""
    for count, verdict in ((2, Verdict.PASS), (3, Verdict.INCONCLUSIVE)):
        for side in (run.legacy, run.port):
            maps = side.arrays["command/raw"][0]
            maps[:count] = -1.0
            maps[:count, 0, 0] = 1e-4
        run.port.arrays["command/overlay"][0][:count] = 0
        assert find(run.compare("gradcam", compare), LEVELS).verdict is verdict


def test_a_dead_map_is_drawn_and_compared(run: HandmadeRun):
    """Of zeros: the map is NaN on both sides, and all is tinted at level 0."""
    for side in (run.legacy, run.port):
        side.arrays["command/raw"][0][0] = 0.0
        side.arrays["command/resized"][0][0] = np.nan
    assert failed(run.compare("gradcam", compare)) == []
    run.port.arrays["command/overlay"][0][0] ^= 8
    assert failed(run.compare("gradcam", compare)) == [LEVELS]


PREDICTED = "gradcam/float32/predict/raw/max_rel"


def predict_failures(run: HandmadeRun) -> list[str]:
    return [check_id for check_id in failed(run.compare("gradcam", compare)) if "predict/" in check_id]


@pytest.mark.parametrize(("error", "passes"), [(5e-3, True), (2e-2, False)])
def test_maps_of_predict_are_the_legacys_of_that_class_up_to_a_positive_factor(run: HandmadeRun, error: float, passes: bool):
    maps = run.port.arrays["predict/raw"][0]
    maps[1] *= 7
    maps[1, 0, 0] += error * np.abs(maps[1]).max()
    assert predict_failures(run) == ([] if passes else [PREDICTED])


@pytest.mark.parametrize("way", ["another image", "another class", "another sign"])
def test_maps_of_predict_that_are_others_fail(run: HandmadeRun, way: str):
    maps = run.port.arrays["predict/raw"][0]
    known = run.legacy.arrays["float64/classes/command"][0]
    maps[:] = {"another image": maps[::-1].copy(), "another class": known[:, 0], "another sign": -maps}[way]
    assert predict_failures(run) == [PREDICTED]


@pytest.mark.parametrize("way", NAMES)
def test_maps_of_predict_that_are_not_whole_fail(run: HandmadeRun, way: str):
    name, words = break_array(run.port, "predict/raw", way)
    check = find(run.compare("gradcam", compare), f"gradcam/none/{name}/present")
    assert check.verdict is Verdict.FAIL
    assert words in check.reason


def test_a_map_of_another_class_than_that_of_the_row_fails(run: HandmadeRun):
    explained = run.port.values["predict/predicted"]
    first = next(iter(explained))
    explained[first] = 1
    assert predict_failures(run) == ["gradcam/exact/predict/predicted"]
    del explained[first]
    assert predict_failures(run) == ["gradcam/exact/predict/predicted"]


@pytest.mark.parametrize("code", [1, None])
def test_predict_says_that_it_skipped_nothing(run: HandmadeRun, code: int | None):
    run.port.values["predict/exit_code"] = code
    assert predict_failures(run) == ["gradcam/exact/predict/images"]


def test_an_image_without_a_row_or_an_overlay_fails(run: HandmadeRun):
    rows = run.port.values["predict/rows"]
    del rows[next(iter(rows))]
    run.port.values["predict/overlays"] = run.port.values["predict/overlays"][1:]
    names = ("images", "predicted", "overlays")
    assert predict_failures(run) == [f"gradcam/exact/predict/{name}" for name in names]


@pytest.mark.parametrize("name", ["rows", "exit_code", "predicted", "overlays"])
def test_a_value_of_predict_that_was_not_recorded_fails(run: HandmadeRun, name: str):
    del run.port.values[f"predict/{name}"]
    assert predict_failures(run)

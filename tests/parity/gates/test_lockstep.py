"""The lockstep gate on a made-up training, whose running statistics are worked out here for each framework."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parity.architecture import BATCH_NORMS
from parity.gates.lockstep.compare import compare
from parity.gates.lockstep.contract import seeded_mask
from parity.gates.lockstep.statistics import KERAS_SHARE, norm_positions
from parity.training import (
    EPOCHS,
    HEIGHT_PX,
    SEEDED_BATCHES,
    SEEDED_EPOCHS,
    TRAINABLE,
    WIDTH_PX,
    is_without_gradient,
    sample_elements,
)
from parity.verdict import Check, GateResult, Verdict

from .breaking import NAMES, break_array
from .conftest import HandmadeRun

LENGTHS = (3, 3, 3, 3, 3, 2, 3)  # of `quick`; the last batch of an epoch is short; then the validation batch
BATCHES = len(LENGTHS) - 1
STEPS = BATCHES * EPOCHS


@pytest.fixture
def run(handmade: HandmadeRun) -> HandmadeRun:
    replace(handmade.workspace.spec, profile="quick").write_json(handmade.workspace.spec_path)
    rng = np.random.default_rng(17)
    for number, images in enumerate(LENGTHS):
        pixels = rng.uniform(size=(images, HEIGHT_PX, WIDTH_PX, 3)).astype(np.float32)
        handmade.both(f"inputs/{number}/images", pixels, "NHWC")
        handmade.both(f"inputs/{number}/labels", np.eye(3, dtype=np.float32)[rng.integers(0, 3, images)], "NK")
    for step in range(STEPS):
        handmade.both(f"inputs/mask{step}", 2.0 * rng.integers(0, 2, (LENGTHS[step % BATCHES], 256)), "NC")
    handmade.both("float64/loss", rng.uniform(0.1, 2.0, STEPS), "N")
    handmade.both("float64/predictions", rng.dirichlet(np.ones(3), LENGTHS[0]), "NK")
    for tensor in TRAINABLE:
        count = sample_elements(np.empty(tensor.shape)).size
        scale = 1e-15 if is_without_gradient(tensor.legacy) else 1.0
        handmade.both(f"float64/weights/{tensor.legacy}", rng.normal(size=count), "N")
        handmade.both(f"float64/m/{tensor.legacy}", scale * rng.normal(size=count), "N")
        handmade.both(f"float64/v/{tensor.legacy}", scale**2 * rng.uniform(0.1, 1.0, count), "N")
    for step in range(SEEDED_EPOCHS * SEEDED_BATCHES):
        mask = 2 * rng.integers(0, 2, (LENGTHS[step % SEEDED_BATCHES], 256)).astype(np.float32)
        handmade.port.arrays[seeded_mask(step)] = (mask, "NC")
        if step < SEEDED_BATCHES:
            handmade.port.arrays[seeded_mask(step, again=True)] = (mask.copy(), "NC")
    positions = norm_positions(HEIGHT_PX, WIDTH_PX)
    for norm in BATCH_NORMS:
        counts = [LENGTHS[step % BATCHES] * positions[norm.name] for step in range(STEPS)]
        for what in ("mean", "variance"):
            batches = rng.uniform(0.5, 1.5, (STEPS, norm.channels))
            unbiased = [count / (count - 1) if what == "variance" else 1.0 for count in counts]
            start = np.ones(norm.channels)
            handmade.legacy.arrays[f"float64/{what}/{norm.name}"] = (keep(start, batches, [1.0] * STEPS, KERAS_SHARE), "NC")
            handmade.port.arrays[f"float64/{what}/{norm.name}"] = (keep(start, batches, unbiased, 0.01), "NC")
    return handmade


def keep(start: np.ndarray, batches: np.ndarray, factors: list[float], share: float) -> np.ndarray:
    """Running statistics: each is the one before, moved by a share towards the batch's."""
    kept = [start]
    for batch, factor in zip(batches, factors, strict=True):
        kept.append((1 - share) * kept[-1] + share * factor * batch)
    return np.stack(kept)


def failed(result: GateResult) -> list[str]:
    return [check.id for check in result.checks if check.verdict is not Verdict.PASS]


def find(result: GateResult, check_id: str) -> Check:
    return next(check for check in result.checks if check.id == check_id)


def test_the_same_training_passes(run: HandmadeRun):
    result = run.compare("lockstep", compare)
    assert failed(result) == []
    seeded = SEEDED_BATCHES * (SEEDED_EPOCHS + 1)
    assert (
        result.expected == result.compared == 2 * len(LENGTHS) + STEPS + 2 + 3 * len(TRAINABLE) + 2 * len(BATCH_NORMS) + seeded
    )
    assert find(result, "lockstep/float64/running_variance/max_rel").observed < 1e-12


def test_the_step_at_which_the_losses_part_is_named(run: HandmadeRun):
    run.port.arrays["float64/loss"][0][1:] *= 1 + np.geomspace(1e-10, 1e-3, STEPS - 1)
    result = run.compare("lockstep", compare)
    assert failed(result) == ["lockstep/float64/loss/rel"]
    assert find(result, "lockstep/float64/loss/rel").worst == "step 12; the losses part at step 2"


def test_losses_of_zero_on_both_sides_pass(run: HandmadeRun):
    for side in (run.legacy, run.port):
        side.arrays["float64/loss"][0][2] = 0.0
    result = run.compare("lockstep", compare)
    assert failed(result) == []
    assert find(result, "lockstep/float64/loss/rel").observed == 0.0


@pytest.mark.parametrize(("legacy", "port", "error"), [(0.0, 1e-30, np.inf), (0.5, 0.0, 1.0)])
def test_a_loss_of_zero_on_one_side_fails(run: HandmadeRun, legacy: float, port: float, error: float):
    run.legacy.arrays["float64/loss"][0][2] = legacy
    run.port.arrays["float64/loss"][0][2] = port
    result = run.compare("lockstep", compare)
    assert failed(result) == ["lockstep/float64/loss/rel"]
    check = find(result, "lockstep/float64/loss/rel")
    assert (check.observed, check.worst) == (error, "step 3; the losses part at step 3")


def test_a_wrong_weight_names_its_tensor(run: HandmadeRun):
    run.port.arrays["float64/weights/conv4_block2_2_conv/kernel"][0][-1] += 1e-6
    result = run.compare("lockstep", compare)
    assert failed(result) == ["lockstep/float64/weights/max_rel"]
    assert find(result, "lockstep/float64/weights/max_rel").worst == "conv4_block2_2_conv/kernel"


@pytest.mark.parametrize(("error", "expected"), [(1e-10, []), (1e-8, ["lockstep/float64/weights/without_gradient/max_abs"])])
def test_weights_without_a_gradient_are_judged_absolutely(run: HandmadeRun, error: float, expected: list[str]):
    run.port.arrays["float64/weights/conv2_block1_0_conv/bias"][0][:] += error
    assert failed(run.compare("lockstep", compare)) == expected


def test_a_wrong_slot_is_seen(run: HandmadeRun):
    run.port.arrays["float64/v/last_dense/bias"][0][:] *= 1 + 1e-7
    assert failed(run.compare("lockstep", compare)) == ["lockstep/float64/v/max_rel"]


def test_a_biased_running_variance_is_seen(run: HandmadeRun):
    for norm in BATCH_NORMS:
        name = f"float64/variance/{norm.name}"
        run.port.arrays[name] = (run.legacy.arrays[name][0].copy(), "NC")
    assert failed(run.compare("lockstep", compare)) == ["lockstep/float64/running_variance/max_rel"]


def test_a_missing_norm_and_other_inputs_are_seen(run: HandmadeRun):
    del run.port.arrays["float64/mean/post_bn"]
    run.port.arrays["inputs/mask3"][0][0, 0] += 1.0
    result = run.compare("lockstep", compare)
    assert result.verdict is Verdict.FAIL
    assert "float64/mean/post_bn" in str(result.first_failure)
    assert "lockstep/exact/inputs/arrays" in failed(result)


def masks(run: HandmadeRun) -> list[np.ndarray]:
    return [run.port.arrays[seeded_mask(step)][0] for step in range(SEEDED_EPOCHS * SEEDED_BATCHES)]


def test_every_epoch_with_the_same_masks_fails(run: HandmadeRun):
    found = masks(run)
    for step in range(SEEDED_BATCHES, len(found)):
        found[step][:] = found[step % SEEDED_BATCHES]
    result = run.compare("lockstep", compare)
    assert failed(result) == ["lockstep/exact/seeded/masks"]
    check = find(result, "lockstep/exact/seeded/masks")
    assert check.worst.startswith("epoch 1, batch 0, row 0 is as epoch 0, batch 0, row 0")
    assert (check.observed, check.n) == (12.0, 18)


def test_one_mask_for_all_batches_fails(run: HandmadeRun):
    for epoch in range(SEEDED_EPOCHS):
        run.port.arrays[seeded_mask(2 * epoch + 1)][0][:] = run.port.arrays[seeded_mask(2 * epoch)][0]
    run.port.arrays[seeded_mask(1, again=True)][0][:] = run.port.arrays[seeded_mask(0)][0]
    assert failed(run.compare("lockstep", compare)) == ["lockstep/exact/seeded/masks"]


def test_one_mask_for_two_images_of_a_batch_fails(run: HandmadeRun):
    found = masks(run)[4]
    found[2] = found[0]
    assert failed(run.compare("lockstep", compare)) == ["lockstep/exact/seeded/masks"]


def test_a_seed_that_does_not_repeat_fails(run: HandmadeRun):
    again = run.port.arrays[seeded_mask(1, again=True)][0]
    again[0, 0] = 2 - again[0, 0]
    assert failed(run.compare("lockstep", compare)) == ["lockstep/exact/seeded/again"]


@pytest.mark.parametrize("scale", [1.0, 2.0 - 1e-6])
def test_what_is_kept_must_be_doubled(run: HandmadeRun, scale: float):
    for name in [name for name in run.port.arrays if name.startswith("seeded/")]:
        run.port.arrays[name][0][:] *= np.float32(scale / 2)
    assert failed(run.compare("lockstep", compare)) == ["lockstep/exact/seeded/scale"]


@pytest.mark.parametrize(("share", "passes"), [(0.5, True), (0.4, False), (0.0, False)])
def test_half_of_the_units_is_kept(run: HandmadeRun, share: float, passes: bool):
    rng = np.random.default_rng(3)
    for step, mask in enumerate(masks(run)):
        mask[:] = 2 * (rng.uniform(size=mask.shape) < share)
        if step < SEEDED_BATCHES:
            run.port.arrays[seeded_mask(step, again=True)][0][:] = mask
    result = run.compare("lockstep", compare)
    assert (find(result, "lockstep/none/seeded/kept").verdict is Verdict.PASS) == passes
    count = np.concatenate(masks(run))
    deviation = abs(count.astype(bool).mean() - 0.5) / np.sqrt(0.25 / count.size)
    assert find(result, "lockstep/none/seeded/kept").observed >= deviation * (1 - 1e-12)


def test_a_row_that_keeps_everything_is_seen_among_fair_ones(run: HandmadeRun):
    masks(run)[5][0] = 2.0
    check = find(run.compare("lockstep", compare), "lockstep/none/seeded/kept")
    assert (check.verdict, check.worst) == (Verdict.FAIL, "epoch 2, batch 1, row 0")
    assert check.observed == pytest.approx(16.0), "256 of 256 is 128 more than half, of which a deviation is 8"


@pytest.mark.parametrize("way", NAMES)
@pytest.mark.parametrize("again", [False, True], ids=["mask", "again"])
def test_a_mask_that_is_not_whole_fails(run: HandmadeRun, way: str, again: bool):
    name, words = break_array(run.port, seeded_mask(1, again=again), way)
    result = run.compare("lockstep", compare)
    check = find(result, f"lockstep/none/{name}/present")
    assert check.verdict is Verdict.FAIL
    assert words in check.reason


def test_no_masks_at_all_fail(run: HandmadeRun):
    for name in [name for name in run.port.arrays if name.startswith("seeded/")]:
        del run.port.arrays[name]
    result = run.compare("lockstep", compare)
    assert result.verdict is Verdict.FAIL
    assert result.expected - result.compared == SEEDED_BATCHES * (SEEDED_EPOCHS + 1)


def test_masks_of_the_legacy_are_none_of_the_contract(run: HandmadeRun):
    run.legacy.arrays[seeded_mask(0)] = (masks(run)[0].copy(), "NC")
    assert failed(run.compare("lockstep", compare)) == [f"lockstep/none/{seeded_mask(0)}/present"]

from __future__ import annotations

from dataclasses import fields

from torch_port.quirks import DEFAULT, SENTENCES, Quirks

LEGACY = {
    "unit_range_input",
    "mid_epoch_reshuffle",
    "nearest_gradcam_input",
    "one_hot_auc",
    "square_crop_stretch",
    "nan_gradcam_on_dead_map",
    "validation_draws_randomness",
}


def test_every_quirk_has_a_switch_and_a_sentence():
    assert {field.name for field in fields(Quirks)} == set(SENTENCES) == LEGACY
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())


def test_the_port_is_faithful_but_for_the_declared_exception():
    assert {name for name in LEGACY if not getattr(DEFAULT, name)} == {"mid_epoch_reshuffle"}

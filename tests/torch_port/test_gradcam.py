from __future__ import annotations

import cv2
import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from torch_port import gradcam
from torch_port.errors import DataError, InputError
from torch_port.images import read_image
from torch_port.quirks import Quirks
from torch_port.transforms import test_augmentations as prepare_evaluation_image

LAYER = "conv5.block3.conv3"


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def explain_by_hand(model, images, pred_index):
    """Grad-CAM from its definition: gradient of a softmax output, channel means as weights, weighted sum."""
    kept = []
    handle = model.get_submodule(LAYER).register_forward_hook(lambda _m, _i, output: kept.append(output))
    probabilities = model(images).softmax(dim=1)
    handle.remove()
    (gradients,) = torch.autograd.grad(probabilities[0, pred_index], kept[0])
    weights = gradients.mean(dim=(2, 3))  # (1, 2048)
    return torch.einsum("nc,nchw->hw", weights, kept[0]).detach().numpy()


class Softmax(torch.nn.Module):
    """The model as other libraries want it: a module that returns what is to be explained."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model.probabilities(images)


@pytest.mark.parametrize("pred_index", [0, 1, 2])
def test_the_raw_map_is_that_of_the_definition(model64, pred_index):
    images = torch.rand(1, 3, 96, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    found = gradcam.raw_gradcam_heatmap(images, model64, LAYER, pred_index)
    assert found.shape == (3, 4)
    assert found.dtype == np.float64
    assert relative_error(found, explain_by_hand(model64, images, pred_index)) < 1e-12


def test_the_raw_map_is_pytorch_grad_cams(model64, images64):
    library = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    target = ClassifierOutputTarget(1)
    with library.GradCAM(model=Softmax(model64), target_layers=[model64.get_submodule(LAYER)]) as cam:
        cam(images64, targets=[target])
        activations, gradients = (
            tensors[0].numpy() for tensors in (cam.activations_and_grads.activations, cam.activations_and_grads.gradients)
        )
        expected = cam.get_cam_image(images64, None, [target], activations, gradients, False)[0]
    model64.zero_grad()  # the library leaves gradients on the parameters
    assert relative_error(gradcam.raw_gradcam_heatmap(images64, model64, LAYER, 1), expected) < 1e-12


def test_the_raw_map_is_torchcams(model64, images64):
    methods = pytest.importorskip("torchcam.methods")
    model = Softmax(model64)
    with methods.GradCAM(model, target_layer=f"model.{LAYER}", enable_hooks=True) as cam:
        scores = model(images64.clone().requires_grad_())
        cam._relu = False  # the raw map, before it is cut off
        expected = cam(class_idx=2, scores=scores, normalized=False)[0][0].detach().numpy()
    assert relative_error(gradcam.raw_gradcam_heatmap(images64, model64, LAYER, 2), expected) < 1e-12


def test_the_predicted_class_is_explained_by_default(model64, images64):
    predicted = int(model64.probabilities(images64).argmax())
    assert gradcam.predict_class(images64, model64) == predicted
    found = gradcam.raw_gradcam_heatmap(images64, model64)
    assert np.array_equal(found, gradcam.raw_gradcam_heatmap(images64, model64, LAYER, predicted))


def test_the_legacys_layer_name_will_do(model64, images64):
    found = gradcam.raw_gradcam_heatmap(images64, model64, "conv5_block3_3_conv", 0)
    assert np.array_equal(found, gradcam.raw_gradcam_heatmap(images64, model64, LAYER, 0))


def test_explaining_leaves_no_trace_on_the_model(model64, images64):
    gradcam.raw_gradcam_heatmap(images64, model64)
    assert all(parameter.grad is None for parameter in model64.parameters())
    assert not model64.get_submodule(LAYER)._forward_hooks
    assert not images64.requires_grad


def test_an_unknown_layer_is_refused(model64, images64):
    with pytest.raises(InputError, match=f"`layer` must be a module of the model, got 'conv9' in --layer; take {LAYER}"):
        gradcam.raw_gradcam_heatmap(images64, model64, "conv9")


def test_several_images_at_once_are_refused(model64, images64):
    with pytest.raises(InputError, match="`images` must be one image, got 2 in raw_gradcam_heatmap"):
        gradcam.raw_gradcam_heatmap(images64.repeat(2, 1, 1, 1), model64)


def test_normalising_cuts_off_and_divides():
    raw = np.array([[2.0, -1.0], [4.0, 0.0]])
    assert gradcam.normalise_heatmap(raw).tolist() == [[0.5, 0], [1, 0]]
    assert gradcam.normalise_heatmap(raw + 3).tolist() == [[5 / 7, 2 / 7], [1, 3 / 7]]  # no minimum is taken away


@pytest.mark.parametrize("raw", [np.zeros((2, 2)), np.array([[0.0, -2.0]])], ids=["zero", "negative or zero"])
def test_a_map_whose_maximum_is_0_is_nan_or_without_the_quirk_zero(raw):
    assert np.isnan(gradcam.normalise_heatmap(raw)).all()
    assert (gradcam.normalise_heatmap(raw, quirks=Quirks(nan_gradcam_on_dead_map=False)) == 0).all()


def test_a_negative_map_is_minus_zero():
    """The maximum is taken before the negative values are cut off, as in the publication."""
    found = gradcam.normalise_heatmap(np.array([[-1.0, -2.0]]))
    assert (found == 0).all()
    assert np.signbit(found).all()


def test_the_whole_way_from_image_to_normalised_map(model64, images64):
    raw = gradcam.raw_gradcam_heatmap(images64, model64, LAYER, 1)
    found = gradcam.make_gradcam_heatmap(images64, model64, pred_index=1)
    assert np.array_equal(found, gradcam.normalise_heatmap(raw), equal_nan=True)


def test_resizing_is_bilinear_about_pixel_centres():
    assert np.allclose(gradcam.resize_heatmap(np.array([[0.0, 1.0]]), 2, 4), [[0, 0.25, 0.75, 1]] * 2)


@pytest.mark.parametrize("size", [(300, 400), (97, 131)])
def test_the_input_takes_the_nearest_pixels(tmp_path, write_image, size):
    write_image(tmp_path / "a.jpg", 5)
    levels = read_image(tmp_path / "a.jpg")
    rows = ((np.arange(size[0]) + 0.5) * 1200 / size[0]).astype(int)
    columns = ((np.arange(size[1]) + 0.5) * 1600 / size[1]).astype(int)
    expected = levels[rows][:, columns].transpose(2, 0, 1)[None]
    for dtype, numpy_dtype in ((torch.float32, np.float32), (torch.float64, np.float64)):
        found = gradcam.get_img_array(tmp_path / "a.jpg", size, dtype=dtype)
        assert found.dtype == dtype
        assert np.array_equal(found.numpy(), expected.astype(numpy_dtype) / numpy_dtype(255))


def test_without_the_quirk_the_input_is_that_of_evaluation(tmp_path, write_image):
    write_image(tmp_path / "a.jpg", 5)
    found = gradcam.get_img_array(tmp_path / "a.jpg", (96, 128), quirks=Quirks(nearest_gradcam_input=False))
    expected = prepare_evaluation_image(0.08)(image=read_image(tmp_path / "a.jpg"))["image"]
    assert np.array_equal(found[0].permute(1, 2, 0).numpy(), expected)


def test_an_overlay_by_hand():
    image = np.full((1, 3, 3), 0.5)
    heatmap = np.array([[0.1, 0.6, np.nan]])
    jet = matplotlib.colormaps["jet"]
    found = gradcam.merge_image_mask(image, heatmap, alpha=0.4, mask_thresh=0.5)
    assert np.array_equal(found[0, 0], image[0, 0])  # below the threshold
    assert np.allclose(found[0, 1], 0.4 * np.array(jet(153)[:3]) + 0.6 * 0.5)
    assert np.allclose(found[0, 2], 0.4 * np.array(jet(0)[:3]) + 0.6 * 0.5)  # NaN is not below it, and has level 0


def test_samples_are_distinct_and_follow_the_seed(model64, data_set):
    paths = sorted(str(path) for path in (data_set / "images").rglob("*.jpg"))
    np.random.seed(4)  # noqa: NPY002 - the legacy's generator
    expected = list(dict.fromkeys(paths[np.random.randint(0, len(paths))] for _ in range(100)))[:3]  # noqa: NPY002
    np.random.seed(4)  # noqa: NPY002
    found = list(gradcam.generate_gradcam_samples(model64, paths, 3, size=(64, 80)))
    assert [explanation.path for explanation in found] == expected
    first = found[0]
    assert first.image.shape == first.overlay.shape == (64, 80, 3)
    assert first.raw.shape == (2, 3)
    assert first.predicted == gradcam.predict_class(gradcam.get_img_array(first.path, (64, 80), dtype=torch.float64), model64)
    with np.errstate(invalid="ignore"):
        expected_map = cv2.resize(np.maximum(first.raw, 0) / first.raw.max(), (80, 64))
    assert np.array_equal(first.heatmap, expected_map, equal_nan=True)
    overlay = gradcam.merge_image_mask(first.image, first.heatmap, mask_thresh=0.25)
    assert np.array_equal(first.overlay, overlay)


@pytest.mark.parametrize("seed", range(5))
def test_an_image_that_is_drawn_again_is_passed_over(seed: int):
    images = list("abcde")
    np.random.seed(seed)  # noqa: NPY002 - the legacy's generator
    draws = [images[np.random.randint(0, 5)] for _ in range(100)]  # noqa: NPY002
    assert len(set(draws[:5])) < 5, "a draw that comes again"
    np.random.seed(seed)  # noqa: NPY002
    assert gradcam.choose_samples(images, 5) == list(dict.fromkeys(draws))


@pytest.mark.parametrize("count", [0, 3])
def test_more_samples_than_images_are_refused(model64, count):
    with pytest.raises(DataError, match=f"`samples` must be 1 to 2, the images there are, got {count} in --samples"):
        list(gradcam.generate_gradcam_samples(model64, ["a", "b"], count))


def test_a_damaged_image_is_refused(tmp_path):
    Image.new("L", (10, 10)).save(tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg: of mode L \(grey\)"):
        gradcam.get_img_array(tmp_path / "a.jpg", (10, 10))

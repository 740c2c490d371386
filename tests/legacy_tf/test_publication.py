"""The public interface as notebooks call it: every signature, what comes back, and a notebook from first line to last."""

from __future__ import annotations

import csv
import importlib.util
import inspect
import random
import warnings
from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn.exceptions import UndefinedMetricWarning

from legacy_tf import generator, gradcam, models, traintest, utils
from legacy_tf.__main__ import main

from .conftest import NUMBERED_ROWS, image_name

# Function -> its parameters with their defaults. What is behind a * is not the publication's.
INTERFACE: dict[ModuleType, dict[str, str]] = {
    utils: {
        "get_files": "base_dir, resolution",
        "get_dataframe": "dataset_csv='data/data.csv', resolution=None, *, root_directory='data/images/'",
        "get_classes_labels": "root_directory, image_paths",
        "train_test_split": "df, test_size=0.5, random_state=7",
        "compute_weights": "my_generator",
        "plot_model": "model",
        "dataset_description": "dataset_csv='data/data.csv'",
    },
    generator: {
        "train_augmentations": "percent_resize=0.25",
        "test_augmentations": "percent_resize=0.25",
        "CustomDataGenerator": "images, labels, num_classes, augmentations, batch_size=8, shuffle_epoch=True",
        "CustomDataGenerator.__getitem__": "self, idx",
        "CustomDataGenerator.show_generator": "self, N=6",
        "get_reproducible_ids": "df, resolution",
        "get_patient_generators": "resolution, batch_size=8, root_directory='data/images/', dataset_csv='data/data.csv', "
        "train_split=0.8, val_split=0.1, random_state=17, image_scale=0.25, reproducible=False, debug=False",
    },
    models: {
        "resnet_model": "num_classes, input_shape, *, weights='imagenet'",
        "get_model": "generator, model_name='ResNet50', *, weights='imagenet'",
    },
    traintest: {
        "get_logdir": "model_name, run_name='', base_log='logs'",
        "compile_model": "model, num_classes, init_lr=0.0001",
        "train_model": "model, train_generator, val_generator, class_weights, log_dir, num_epochs=2000, patience=25, "
        "patience_lr=10",
        "plot_metrics": "history, axs",
        "test_model": "model, test_generator, class_names, ax, conf_normalize=True",
        "metrics_and_test": "history, model, test_generator, class_names, conf_normalize=True",
    },
    gradcam: {
        "make_gradcam_heatmap": "img_array, model, last_conv_layer_name, pred_index=None",
        "get_img_array": "img_path, size",
        "merge_image_mask": "im, mk, alpha=0.3, colormap='jet', mask_thresh=0.5",
        "generate_gradcam_samples": "model, generator, N=8, mask_thresh=0.25, layer='conv5_block3_3_conv'",
    },
}


def parameters(module: ModuleType, name: str) -> str:
    found = module
    for part in name.split("."):
        found = getattr(found, part)
    plain = [item.replace(annotation=inspect.Parameter.empty) for item in inspect.signature(found).parameters.values()]
    return str(inspect.Signature(plain))[1:-1]


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in INTERFACE.items() for name in names])
def test_parameters_their_order_and_their_defaults(module, name):
    assert parameters(module, name) == INTERFACE[module][name]


@pytest.fixture
def in_notebook(numbered_dataset, tmp_path, monkeypatch) -> Path:
    """A notebook's folder: the data set is in `data`, as the publication's defaults have it."""
    (tmp_path / "data").symlink_to(numbered_dataset)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close("all")


def test_a_notebook_from_its_first_line_to_its_last(in_notebook, capsys):
    """On the real network; two epochs on images of 60x80 pixels."""
    np.random.seed(5)  # noqa: NPY002 - the publication's generator
    tf.keras.utils.set_random_seed(5)
    train, val, test, class_names = generator.get_patient_generators(
        "20x", image_scale=0.05, batch_size=2, reproducible=True, debug=True
    )
    assert capsys.readouterr().out == (
        "Images (60x80)        Training: 3   | Validation: 3   | Test: 3   | Total: 9  \n"
        "Patients              Training: 3   | Validation: 3   | Test: 3   | Total: 9  \n"
        "Class aca    (id 0)   Training: 1   | Validation: 1   | Test: 1   | Total: 3  \n"
        "Class nor    (id 1)   Training: 1   | Validation: 1   | Test: 1   | Total: 3  \n"
        "Class scc    (id 2)   Training: 1   | Validation: 1   | Test: 1   | Total: 3  \n"
    )
    weights = utils.compute_weights(train)
    assert weights == {0: 1.0, 1: 1.0, 2: 1.0}
    model, name = models.get_model(train, weights=None)
    assert isinstance(model, tf.keras.Model)
    assert (name, model.input_shape) == ("ResNet50V2", (None, 60, 80, 3))
    assert traintest.compile_model(model, train.num_classes) is model
    log_dir = traintest.get_logdir(name, run_name="-try")
    assert Path(log_dir).name == "ResNet50V2-try"
    history = traintest.train_model(model, train, val, weights, log_dir, num_epochs=2)
    assert "Loading weights with best iteration...\n" in capsys.readouterr().out
    assert len(history.history["val_metrics/AUC"]) == 2
    assert sorted(path.name for path in Path(log_dir).parent.iterdir()) == [
        "ResNet50V2-try.data-00000-of-00001", "ResNet50V2-try.index", "checkpoint",
    ]  # fmt: skip
    kept = tf.train.load_checkpoint(log_dir)
    key = "layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    np.testing.assert_array_equal(model.get_layer("conv1_conv").kernel, kept.get_tensor(key))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)  # a class that is never predicted has no precision
        assert traintest.metrics_and_test(history, model, test, class_names, conf_normalize=False) is None
        figures = traintest.test_figures(np.arange(3), model.predict(test, verbose=0))
    assert [axis.get_title()[:4] for axis in plt.gcf().axes] == ["Trai", "ROC-", "Acc:", ""]
    printed = capsys.readouterr().out
    for title, figure in (("AUC", "roc_auc"), ("Accuracy", "accuracy"), ("Precision", "precision"), ("Recall", "recall")):
        assert f"Test {title}: {figures[figure]:.2f}\n" in printed
    assert gradcam.generate_gradcam_samples(model, test, N=3) is None
    axes = plt.gcf().axes
    assert len(axes) == 9
    titles = {axis.get_title() for axis in axes[:3]}
    assert titles == {f"Real: {image_name(row).split('_20x_')[0]} {label}" for label, row in enumerate(NUMBERED_ROWS[6:])}
    assert test.show_generator(N=3) is None
    assert sorted(axis.get_title() for axis in plt.gcf().axes) == ["Class: 0", "Class: 1", "Class: 2"]


def test_a_witness_made_as_a_notebook_makes_it_is_what_evaluate_writes(in_notebook):
    train, _, test, class_names = generator.get_patient_generators("20x", image_scale=0.04, reproducible=True, debug=True)
    utils.compute_weights(train)
    model, _ = models.get_model(train, weights=None)
    model.save_weights("weights.h5")
    predicted = model.predict(test, verbose=0)
    words = ["--data", "data", "--checkpoint", "weights.h5", "--image-scale", "0.04", "--splits", "test", "--out", "evaluated"]
    assert main(["evaluate", *words]) == 0
    with Path("evaluated/predictions.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["image", *class_names]
    assert [row[0] for row in rows] == [Path(path).name for path in test.images]
    np.testing.assert_array_equal(np.array([row[1:] for row in rows], np.float32), predicted)


def test_the_network_is_drawn_or_keras_says_what_is_missing(in_notebook):
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    if importlib.util.find_spec("pydot") is None:
        with pytest.raises(ImportError, match="You must install pydot"):
            utils.plot_model(model)
    else:
        utils.plot_model(model)
        assert (in_notebook / "model.png").is_file()


def test_a_gradcam_sample_shows_image_map_and_both(in_notebook, model):
    """Against the steps themselves, for the image that numpy's global generator draws."""
    paths = [str(path) for path in sorted(Path("data/images").glob("*/*.jpg"))]
    source = generator.CustomDataGenerator(paths, [0] * len(paths), 3, lambda image: {"image": np.zeros((64, 64, 3))}, 2)
    np.random.seed(4)  # noqa: NPY002
    chosen = np.random.randint(0, len(paths))  # noqa: NPY002
    np.random.seed(4)  # noqa: NPY002
    source.shuffle_epoch = False
    gradcam.generate_gradcam_samples(model, source, N=1 + 1)
    image = gradcam.get_img_array(paths[chosen], (64, 64))
    heatmap = gradcam.resize_heatmap(gradcam.make_gradcam_heatmap(image, model, "conv5_block3_3_conv"), 64, 64)
    shown = [plt.gcf().axes[row * 2].images[0].get_array() for row in range(3)]
    np.testing.assert_array_equal(shown[0], image[0])
    np.testing.assert_allclose(shown[1], heatmap, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(shown[2], gradcam.merge_image_mask(image[0], heatmap, mask_thresh=0.25), rtol=1e-5, atol=1e-6)
    assert plt.gcf().axes[2].get_title() == f"Pred: {np.argmax(model.predict(image, verbose=0)[0])}"


def test_a_generator_keeps_what_it_is_given():
    """Lists stay lists and arrays arrays; after a reshuffle both are arrays."""
    made = generator.CustomDataGenerator(("a", "b"), np.array([0, 1]), 2, None)
    assert made.images == ("a", "b")
    assert isinstance(made.labels, np.ndarray)
    with pytest.raises(FileNotFoundError):
        made[0]
    assert isinstance(made.images, np.ndarray)
    assert sorted(made.images) == ["a", "b"]


def test_patient_generators_hold_arrays(in_notebook):
    for made in generator.get_patient_generators("20x", reproducible=True)[:3]:
        assert isinstance(made.images, np.ndarray)
        assert isinstance(made.labels, np.ndarray)


def test_debug_reads_item_0_of_the_training_set(in_notebook):
    """And so reshuffles it and draws random numbers: a notebook's training starts from others."""
    following = {}
    for debug in (False, True):
        generator.get_patient_generators("20x", image_scale=0.05, reproducible=True, debug=debug)
        following[debug] = random.random()
    assert following[False] == random.Random(17).random() != following[True]


def test_any_other_resolution_takes_the_40x_patients():
    df = pd.DataFrame({"patient_id": [1, 2, 9, 11]})
    assert [part["patient_id"].tolist() for part in generator.get_reproducible_ids(df, "no such")] == [[2, 9], [1], [11]]


def test_files_of_a_resolution(tmp_path):
    for name in ("aca_bd/aca_bd_20x_1.jpg", "nor/nor_20x_2.jpeg", "nor/nor_40x_3.jpg", "nor/nor_20x_4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = utils.get_files(str(tmp_path), "20x")
    assert sorted(Path(path).name for path in found) == ["aca_bd_20x_1.jpg", "nor_20x_2.jpeg"]


def test_pandas_guesses_what_an_id_is(tmp_path):
    """007 is 7 where all ids are numbers; one that is none keeps them all as text."""
    table = tmp_path / "data.csv"
    table.write_text("superclass,subclass,resolution,image_id,patient_id\nnor,,20x,007,2\naca,bd,20x,8,3\n")
    assert [Path(path).name for path in utils.get_dataframe(str(table))["image_path"]] == ["nor_20x_7.jpg", "aca_bd_20x_8.jpg"]
    table.write_text("superclass,subclass,resolution,image_id,patient_id\nnor,,20x,007,2\naca,bd,20x,b,3\n")
    assert [Path(path).name for path in utils.get_dataframe(str(table))["image_path"]] == [
        "nor_20x_007.jpg",
        "aca_bd_20x_b.jpg",
    ]

"""Files of real releases of Keras (see tests/checkpoints): read by place or by name, as Keras itself loads them, or refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from legacy_tf import export, models
from legacy_tf.export import CheckpointError
from legacy_tf.network_checks import FileLayer, list_network_faults
from legacy_tf.numbered_weights import name_groups
from tests.checkpoints import fixtures

GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


@pytest.fixture(scope="module")
def other() -> tf.keras.Model:
    """The model that checkpoints are loaded into."""
    return models.resnet_model(3, (64, 64, 3), weights=None)[0]


def assert_reads(model: tf.keras.Model, path: Path, *, swapped: bool = False) -> None:
    for variable in model.weights:
        variable.assign(tf.fill(variable.shape, -7.0))
    export.load_checkpoint(model, path)
    for variable in model.weights:
        name = export.weight_name(variable)
        expected = fixtures.expected(name, tuple(variable.shape), swapped=swapped)
        np.testing.assert_array_equal(variable.numpy(), expected, err_msg=name)


def refuse(model: tf.keras.Model, path: Path, message: str) -> None:
    before = model.weights[0].numpy()
    with pytest.raises(CheckpointError, match=message):
        export.load_checkpoint(model, path)
    np.testing.assert_array_equal(model.weights[0].numpy(), before)


@pytest.fixture
def unpacked(request: pytest.FixtureRequest, tmp_path: Path):
    path = fixtures.unpack(request.param, tmp_path)
    yield path
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("unpacked", [*fixtures.READ, *fixtures.EXPORTED], indirect=True)
def test_what_is_read(unpacked, other):
    assert_reads(other, unpacked)


@pytest.mark.parametrize("unpacked", fixtures.DAMAGED, indirect=True)
def test_two_layers_of_one_shape_that_changed_places(unpacked, other, request):
    fixtures.change(unpacked, fixtures.swap_two_layers)
    if "keras3.12" in request.node.name:  # its groups say their names as well
        refuse(other, unpacked, "got conv2_block2_2_conv in the place of conv2_block1_2_conv")
    else:
        assert_reads(other, unpacked, swapped=True)


@pytest.mark.parametrize("unpacked", fixtures.DAMAGED, indirect=True)
def test_one_tensor_missing_or_too_many(unpacked, other):
    fixtures.change(unpacked, fixtures.add_a_tensor)
    refuse(other, unpacked, "got 1 left over: |must hold each tensor once")
    fixtures.change(unpacked, fixtures.lose_a_tensor)
    refuse(other, unpacked, "got 1 missing: conv2_block2_2_conv/kernel")


@pytest.mark.parametrize("unpacked", fixtures.REFUSED, indirect=True)
def test_what_is_refused(unpacked, other, request):
    refuse(other, unpacked, fixtures.REFUSED[request.node.callspec.params["unpacked"]])


def lose(graph: TrackableObjectGraph, tensors: dict[str, tf.Tensor], nodes: list[int]) -> None:
    del graph.nodes[nodes[0]].attributes[:]


def add(graph: TrackableObjectGraph, tensors: dict[str, tf.Tensor], nodes: list[int]) -> None:
    graph.nodes[nodes[0]].attributes.add(name="VARIABLE_VALUE", full_name="", checkpoint_key="more")
    tensors["more"] = tf.zeros(3)


def swap(graph: TrackableObjectGraph, tensors: dict[str, tf.Tensor], nodes: list[int]) -> None:
    keys = [graph.nodes[node].attributes[0].checkpoint_key for node in nodes]
    tensors[keys[0]], tensors[keys[1]] = tensors[keys[1]], tensors[keys[0]]


def misname(graph: TrackableObjectGraph, tensors: dict[str, tf.Tensor], nodes: list[int]) -> None:
    first, second = (graph.nodes[node].attributes[0] for node in nodes)
    first.full_name, second.full_name = fixtures.SWAPPED[1], fixtures.SWAPPED[0]


def rewrite(
    prefix: Path, change: Callable[[TrackableObjectGraph, dict[str, tf.Tensor], list[int]], None], folder: Path
) -> Path:
    """Write a TensorFlow checkpoint again, changed; `nodes` are the kernels of the two layers of one shape."""
    plain = folder / "plain"
    plain.mkdir()
    for file in prefix.parent.glob(f"{prefix.name}.*"):
        file.rename(plain / file.name)
    reader = tf.train.load_checkpoint(str(plain / prefix.name))
    graph = TrackableObjectGraph.FromString(reader.get_tensor(GRAPH))
    tensors = {key: tf.constant(reader.get_tensor(key)) for key in reader.get_variable_to_shape_map() if key != GRAPH}
    network, _ = models.resnet_model(3, (64, 64, 3), weights=None)
    weighted = [layer.name for layer in network.layers if layer.weights]
    model = next((child.node_id for child in graph.nodes[0].children if child.local_name == "model"), 0)
    children = {child.local_name: child.node_id for child in graph.nodes[model].children}
    nodes = []
    for name in fixtures.SWAPPED:
        layer = children[f"layer_with_weights-{weighted.index(name.partition('/')[0])}"]
        nodes += [child.node_id for child in graph.nodes[layer].children if child.local_name == "kernel"]
    change(graph, tensors, nodes)
    tensors[GRAPH] = tf.constant(graph.SerializeToString())
    tf.raw_ops.SaveV2(
        prefix=str(folder / "changed"),
        tensor_names=[*tensors],
        shape_and_slices=[""] * len(tensors),
        tensors=[*tensors.values()],
    )
    return folder / "changed"


@pytest.mark.parametrize("unpacked", fixtures.EXPORTED, indirect=True)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lose, "got 1 missing: conv2_block1_2_conv/kernel"),
        (add, "got 1 left over: more"),
        (swap, ""),
        (misname, "got 2 that Keras loads otherwise or not at all: conv2_block1_2_conv/kernel, conv2_block2_2_conv/kernel"),
    ],
)
def test_changed_tensorflow_checkpoints(unpacked, other, tmp_path, change, message):
    prefix = next(unpacked.glob("*.index")).with_suffix("")
    changed = rewrite(prefix, change, tmp_path)
    if message:
        refuse(other, changed, message)
    else:
        assert_reads(other, changed, swapped=True)
    shutil.rmtree(tmp_path / "plain")
    for file in tmp_path.glob("changed.*"):
        file.unlink()


def test_two_models_in_one_checkpoint(other, tmp_path):
    small = [tf.keras.Sequential([tf.keras.layers.Dense(2, input_shape=(3,))]) for _ in range(2)]
    tf.train.Checkpoint(student=small[0], teacher=small[1]).write(str(tmp_path / "two"))
    refuse(other, tmp_path / "two", "must be .* of one model of Keras 2, got 2 models: student, teacher")


def test_variables_without_a_place_as_keras_3_exports_them(other, tmp_path):
    tf.train.Checkpoint(variables=[tf.Variable([1.0])]).write(str(tmp_path / "exported"))
    refuse(other, tmp_path / "exported", "got one without layers at their places, as Keras 3 writes it")


def test_a_checkpoint_in_float16_is_refused_in_plain_words(other, tmp_path):
    tf.keras.mixed_precision.set_global_policy("float16")
    try:
        models.resnet_model(3, (64, 64, 3), weights=None)[0].save_weights(str(tmp_path / "half"))
    finally:
        tf.keras.mixed_precision.set_global_policy(None)  # as before: of Keras's floatx
    refuse(
        other,
        tmp_path / "half",
        "must hold float32 tensors, got 78 of float16 .*, which is not read; save the model in float32",
    )


def test_a_rescaled_model_is_another_function(tmp_path, other):
    inputs = tf.keras.Input((64, 64, 3))
    base = tf.keras.applications.ResNet50V2(
        include_top=False, weights=None, pooling="avg", input_tensor=tf.keras.layers.Rescaling(2.0, offset=-1)(inputs)
    )
    hidden = tf.keras.layers.Dense(256, activation="relu", name="prev_dense")(base.output)
    hidden = tf.keras.layers.Dropout(0.5)(hidden)
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(3, activation="softmax", name="last_dense")(hidden))
    model.save_weights(str(tmp_path / "weights"))
    refuse(other, tmp_path / "weights", "must be of the legacy network, got 3 layers instead of 2 between conv1_conv and")
    model.save(tmp_path / "saved", save_traces=False)
    refuse(other, tmp_path / "saved", "must be of the legacy network, got rescaling: no layer of the legacy network")


def head_of(*front: tf.keras.layers.Layer) -> list[tf.keras.layers.Layer]:
    dense = tf.keras.layers.Dense
    return [*front, dense(256, "relu", name="prev_dense"), tf.keras.layers.Dropout(0.5), dense(3, "softmax", name="last_dense")]


def test_a_layer_in_front_of_an_inner_model_may_compute_something(tmp_path, other):
    """Its file is like that of an input layer."""
    shape = (64, 64, 3)
    rescaling = tf.keras.layers.Rescaling(2.0, offset=-1)
    base = tf.keras.applications.ResNet50V2(include_top=False, weights=None, pooling="avg", input_shape=shape)
    input_layer = tf.keras.Input(shape)
    for number, layers in enumerate(
        (
            [input_layer, rescaling, base, *head_of()],
            [input_layer, tf.keras.Sequential([rescaling, base]), *head_of()],
            [input_layer, base, tf.keras.Sequential(head_of(tf.keras.layers.Activation("tanh")))],
        )
    ):
        model = tf.keras.Sequential(layers)
        model.build((None, *shape))
        model.save_weights(str(tmp_path / f"weights{number}"))
        refuse(other, tmp_path / f"weights{number}", "got an inner model behind a layer without weights")
    plain = tf.keras.Sequential([input_layer, base, *head_of()])
    plain.save_weights(str(tmp_path / "plain"))
    export.load_checkpoint(other, tmp_path / "plain")
    np.testing.assert_array_equal(other.get_layer("conv1_conv").kernel, base.get_layer("conv1_conv").kernel)


def test_two_checkpoints_of_one_name_are_refused(tmp_path, other):
    other.save_weights(str(tmp_path / "best"))
    other.save_weights(str(tmp_path / "best.h5"))
    (tmp_path / "best.h5").rename(tmp_path / "best")
    refuse(other, tmp_path / "best", "got a file and a TensorFlow checkpoint of one name")
    export.load_checkpoint(other, tmp_path / "best.index")


@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
def test_a_pointer_of_git_lfs_is_said_to_be_one(other, tmp_path, part):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    (tmp_path / "model.h5").write_text(pointer)
    refuse(other, tmp_path / "model.h5", "got a Git LFS pointer instead of the file; run `git lfs pull`")
    (tmp_path / "best.index").write_bytes(b"\0" * 99)
    (tmp_path / "best.data-00000-of-00001").write_bytes(b"\0" * 99)
    (tmp_path / f"best.{part}").write_text(pointer)
    refuse(other, tmp_path / "best", rf"best.{part}` must be .* Git LFS pointer")


def test_weights_in_shards_are_refused(other, tmp_path):
    (tmp_path / "w.weights.json").write_text('{"metadata": {}, "weight_map": {}}')
    (tmp_path / "w_00000.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    for name in ("w.weights.json", "w_00000.weights.h5"):
        refuse(other, tmp_path / name, r"got weights in several files \(shards\).*without max_shard_size")


@pytest.mark.parametrize(
    ("layer", "fault"),
    [
        (FileLayer("dense", "last_dense", {"activation": "linear"}), "last_dense: activation 'linear' instead of 'softmax'"),
        (FileLayer("batch_normalization", "post_bn", {"epsilon": 1e-3}), "post_bn: epsilon 0.001 instead of 1.001e-05"),
        (FileLayer("lambda"), "lambda: no layer of the legacy network, which would compute something else without it"),
        (FileLayer("", "dropout_3"), None),
        (FileLayer("", "dpout_1"), None),  # a second network of one process
        (FileLayer("", "global_average_pooling2d"), None),
    ],
)
def test_what_computes_something_else_is_said(other, layer, fault):
    found = [line for line in list_network_faults([layer], other) if "layers instead of" not in line]
    assert found == ([] if fault is None else [fault])


def test_layers_of_one_class_in_two_models_have_no_order():
    known = [FileLayer("dense", "prev_dense"), FileLayer("dense", "last_dense")]
    with pytest.raises(CheckpointError, match=r"all dense layers in one model, .* got 2 models .* as \.keras"):
        name_groups(["sequential", "sequential/layers/dense", "dense"], None, known)

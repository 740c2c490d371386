"""Write one network in every format of the Keras that is installed here: `python write_files.py FOLDER`.

Run by `matrix.py` in an environment of each release. It needs nothing of the project. Every tensor has its own numbers,
known from its name alone (see `known.py`), so a reader that takes one tensor for another is seen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from known import known_tensor

try:
    import keras

    keras_release = keras.__version__
except ImportError:
    keras_release = tf.keras.__version__
KERAS_3 = keras_release.startswith("3")
K = keras if KERAS_3 else tf.keras
RELEASE = tuple(int(part) for part in tf.__version__.split(".")[:2])
SHAPE = (64, 64, 3)
FEWER = ("mixed", "float16", "bfloat16", "plain-sgd", "logits")  # models that are not written in every format


def make_head(x: Any, activation: str | None = "softmax") -> Any:
    for layer in head_layers(activation):
        x = layer(x)
    return x


def head_layers(activation: str | None = "softmax") -> list[Any]:
    return [
        K.layers.Dense(256, activation="relu", name="prev_dense"),
        K.layers.Dropout(0.5, name="dpout"),
        K.layers.Dense(3, activation=activation, name="last_dense"),
    ]


def make_base(inputs: Any = None) -> Any:
    shape = {"input_shape": SHAPE} if inputs is None else {"input_tensor": inputs}
    return K.applications.ResNet50V2(include_top=False, weights=None, pooling="avg", **shape)


def make_flat(activation: str | None = "softmax") -> Any:
    base = make_base(K.Input(SHAPE))
    return K.Model(base.input, make_head(base.output, activation))


def make_nested() -> Any:
    inputs = K.Input(SHAPE)
    return K.Model(inputs, make_head(make_base()(inputs)))


def make_sequential() -> Any:
    return K.Sequential([K.Input(SHAPE), make_base(), *head_layers()])


def make_head_nested() -> Any:
    base = make_base(K.Input(SHAPE))
    return K.Model(base.input, K.Sequential(head_layers(), name="head")(base.output))


def make_both_nested() -> Any:
    inputs = K.Input(SHAPE)
    return K.Model(inputs, K.Sequential(head_layers(), name="head")(make_base()(inputs)))


def make_rescaled() -> Any:
    inputs = K.Input(SHAPE)
    base = make_base(K.layers.Rescaling(1 / 127.5, offset=-1)(inputs))
    return K.Model(inputs, make_head(base.output))


def make_rescaled_nested() -> Any:
    return K.Sequential([K.Input(SHAPE), K.layers.Rescaling(1 / 127.5, offset=-1), make_base(), *head_layers()])


def make_logits() -> Any:
    return make_flat(activation=None)


def leaf_layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from leaf_layers(layer)
        else:
            yield layer


def fill(model: Any) -> Any:
    for layer in leaf_layers(model):
        if layer.weights and any("/" in w.name or KERAS_3 for w in layer.weights):
            for weight in layer.weights:
                short = weight.name.partition(":")[0].rpartition("/")[2]
                if short != "seed_generator_state":
                    weight.assign(known_tensor(f"{layer.name}/{short}", tuple(weight.shape)))
    return model


def compile_model(model: Any) -> Any:
    model.compile(K.optimizers.Adam(1e-4), "categorical_crossentropy", metrics=["accuracy"])
    try:
        model.optimizer.build(model.trainable_variables)
    except (AttributeError, TypeError):  # before TensorFlow 2.11 slots are made by a step
        model.optimizer._create_all_weights(model.trainable_variables)
    return model


def save_train_checkpoint(model: Any, path: Path) -> None:
    path.mkdir()
    tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(str(path / "ckpt"))


def save_plain(model: Any, path: Path) -> None:
    path.mkdir()
    model.save_weights(str(path / "best_weights"))


def save_savedmodel(model: Any, path: Path) -> None:
    model.save(str(path), save_traces=False)


def writers() -> dict[str, Callable[[Any, Path], None]]:
    """Name of a format -> what writes it."""

    def save(m: Any, p: Path) -> None:
        m.save(str(p))

    def save_weights(m: Any, p: Path) -> None:
        m.save_weights(str(p))

    found = {"model.h5": save, "train-checkpoint": save_train_checkpoint}
    if not KERAS_3:
        found |= {"weights.h5": save_weights, "tf-weights": save_plain, "savedmodel": save_savedmodel}
    if KERAS_3 or RELEASE >= (2, 12):
        found |= {"model.keras": save, "x.weights.h5": save_weights}
    if KERAS_3:
        found |= {"exported": lambda m, p: m.export(str(p))}
        if tuple(map(int, keras_release.split(".")[:2])) >= (3, 10):
            found |= {"sharded.weights.json": lambda m, p: m.save_weights(str(p), max_shard_size=0.03)}
    return found


def main(folder: Path, *only: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    makes = {
        "flat": make_flat, "nested": make_nested, "sequential": make_sequential, "head-nested": make_head_nested,
        "both-nested": make_both_nested, "rescaled": make_rescaled, "rescaled-nested": make_rescaled_nested,
        "logits": make_logits, "mirrored": make_flat, "mixed": make_flat, "float16": make_flat, "bfloat16": make_flat,
        "plain-sgd": make_flat,
    }  # fmt: skip
    if KERAS_3:
        del makes["mirrored"]
    for kind, make in makes.items():
        K.backend.clear_session()
        policy = {"mixed": "mixed_float16", "float16": "float16", "bfloat16": "bfloat16"}.get(kind, "float32")
        (K.mixed_precision.set_dtype_policy if KERAS_3 else K.mixed_precision.set_global_policy)(policy)
        try:
            if kind == "mirrored":
                with strategy.scope():
                    model = compile_model(fill(make()))
            else:
                model = fill(make())
                if kind != "plain-sgd":
                    model = compile_model(model)
                else:
                    model.compile("sgd", "mse")
        except Exception as error:
            print(f"{kind}: not made: {type(error).__name__}: {str(error)[:300]}")
            continue
        for name, write in writers().items():
            if only and f"{kind}-{name}" not in only:
                continue
            if (
                not only
                and kind in ("mixed", "float16", "bfloat16", "plain-sgd", "logits")
                and name not in ("model.h5", "model.keras", "x.weights.h5", "tf-weights", "savedmodel")
            ):
                continue
            try:
                write(model, folder / f"{kind}-{name}")
                print(f"{kind}-{name}: written")
            except Exception as error:
                print(f"{kind}-{name}: not written: {type(error).__name__}: {str(error)[:200]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

"""The legacy's `train_model` with its own callbacks; the epochs that they see are a trace's."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf

from legacy_tf import traintest
from parity.artefact import RecordingWriter, hash_file
from parity.contract import CLASSES
from parity.gates.schedule.contract import GATE, NONE, SCRATCH, TRACES_FILE, Replay, Trace, read_traces
from parity.sides.legacy import LegacySide

LAYER = "conv5_block3_1_bn"  # the smallest part of the network that has both weights and moving statistics


class Trainee:
    """Stands where `train_model` expects the model, and trains by setting all variables to the number of the epoch."""

    def __init__(self, model: Any, trace: Trace) -> None:
        self.model = model
        self.trace = trace
        self.learning_rate: list[float] = []
        self.stop_epoch: int | str = NONE
        self.best_epoch: int | str = NONE

    def fit(self, generator: None, *, callbacks: list[Any], epochs: int, verbose: int, **ignored: Any) -> Any:
        """Call the callbacks as ``Model.fit`` does."""
        checkpoint = next(item for item in callbacks if isinstance(item, tf.keras.callbacks.ModelCheckpoint))
        called = tf.keras.callbacks.CallbackList(
            callbacks, add_history=True, model=self.model, verbose=verbose, epochs=epochs, steps=1
        )
        self.model.stop_training = False
        called.on_train_begin()
        for epoch in range(len(self.trace.val_loss)):
            best = checkpoint.best
            called.on_epoch_begin(epoch)
            self.set_variables(epoch)
            called.on_epoch_end(epoch, self.trace.logs(epoch))
            self.learning_rate.append(float(self.model.optimizer.learning_rate.numpy()))
            self.best_epoch = epoch if checkpoint.best != best else self.best_epoch
            if self.model.stop_training:
                self.stop_epoch = epoch
                break
        called.on_train_end()
        return self.model.history

    def load_weights(self, path: str) -> Any:
        return self.model.load_weights(path)

    def set_variables(self, value: float) -> None:
        for variable in self.model.weights:
            variable.assign(np.full(variable.shape, value, np.float32))

    def loaded_epochs(self) -> tuple[float, ...]:
        return tuple(np.unique(np.concatenate([array.ravel() for array in self.model.get_weights()])).tolist())


def record(side: LegacySide, out: RecordingWriter) -> None:
    path = side.workspace.gate_fixtures(GATE) / TRACES_FILE
    traces = read_traces(path)
    with side.precision("float32") as network, TemporaryDirectory(dir=SCRATCH) as folder:
        models = {init_lr: _compiled(network, init_lr) for init_lr in {trace.init_lr for trace in traces}}
        replays = {
            trace.name: _replay(models[trace.init_lr], trace, Path(folder, trace.name)).to_dict()
            for trace in side.track(traces, GATE)
        }
    out.write_value("traces_sha256", hash_file(path))
    out.write_value("replays", replays)


def _compiled(network: Any, init_lr: float | None) -> tuple[Any, np.ndarray]:
    """Return a copy of a layer of the network as a model of its own, and the learning rate it was compiled with."""
    layer = network.get_layer(LAYER)
    model = tf.keras.models.clone_model(tf.keras.Model(layer.input, layer.output))
    traintest.compile_model(model, len(CLASSES), **({} if init_lr is None else {"init_lr": init_lr}))
    return model, model.optimizer.learning_rate.numpy()


def _replay(compiled: tuple[Any, np.ndarray], trace: Trace, folder: Path) -> Replay:
    model, learning_rate = compiled
    model.optimizer.learning_rate.assign(learning_rate)  # compiling again for each trace would take longer than replaying it
    trainee = Trainee(model, trace)
    try:
        traintest.train_model(trainee, None, None, None, str(folder), **trace.arguments())
        loaded = trainee.loaded_epochs()
    except tf.errors.NotFoundError:  # no epoch had a loss to keep the weights of
        loaded = ()
    return Replay(
        learning_rate=tuple(trainee.learning_rate),
        stop_epoch=trainee.stop_epoch,
        best_epoch=trainee.best_epoch,
        loaded_epochs=loaded,
    )

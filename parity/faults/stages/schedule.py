"""When the learning rate falls and training stops."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import edit, swap

PLATEAU = "schedule:ReduceLROnPlateau.update"
TRAIN = "training:train_model"
BEST_END = "callbacks:BestWeightsCallback.on_train_end"
LOAD = "pl_module.model.load_state_dict(load_file(self.path), strict=True)"
BEST_EPOCH_END = "callbacks:BestWeightsCallback.on_train_epoch_end"

FAULTS = (
    Fault(
        id="plateau_patience_off_by_one",
        stage="schedule",
        sentence="The learning rate falls an epoch later than in Keras, as torch's rule does.",
        gates=("schedule",),
        plants=(edit(PLATEAU, ("self.wait >= self.patience", "self.wait > self.patience")),),
    ),
    Fault(
        id="plateau_threshold_rel",
        stage="schedule",
        sentence="An improvement is relative to the best loss, torch's default, instead of absolute.",
        gates=("schedule",),
        plants=(edit(PLATEAU, ("self.best - self.min_delta", "self.best * (1 - self.min_delta)")),),
    ),
    Fault(
        id="plateau_min_lr",
        stage="schedule",
        tier=Tier.TWO,
        sentence="The learning rate has no lower bound.",
        gates=("schedule",),
        plants=(
            edit(
                PLATEAU,
                (" and learning_rate > float(np.float32(self.min_lr))", ""),
                ("max(learning_rate * self.factor, self.min_lr)", "learning_rate * self.factor"),
            ),
        ),
    ),
    Fault(
        id="plateau_monitor",
        stage="schedule",
        sentence="The learning rate follows the training loss.",
        gates=("schedule", "lockstep"),
        plants=(edit("callbacks:PlateauCallback.on_train_epoch_end", ("pl_module.logs[MONITOR]", 'pl_module.logs["loss"]')),),
    ),
    Fault(
        id="plateau_naive_patience2",
        stage="schedule",
        sentence="A patience of 2 and 10 epochs, taken from another recipe.",
        gates=("config",),
        plants=(
            edit(
                TRAIN,
                ("num_epochs: int = NUM_EPOCHS", "num_epochs: int = 10"),
                ("patience_lr: int = PATIENCE_LR", "patience_lr: int = 2"),
            ),
        ),
    ),
    Fault(
        id="earlystop_off_by_one",
        stage="schedule",
        sentence="Training stops an epoch later than in Keras.",
        gates=("schedule",),
        plants=(
            edit(
                "schedule:EarlyStopping.stops_after",
                ("self.wait >= max(self.patience, 1)", "self.wait > max(self.patience, 1)"),
            ),
        ),
    ),
    Fault(
        id="best_weights_file_overwritten",
        stage="schedule",
        sentence="At the end the file of the best weights is overwritten with the last ones; memory has the best.",
        gates=("schedule",),
        place="saved",
        plants=(
            edit(
                BEST_END,
                (
                    LOAD,
                    "best = load_file(self.path)\n"
                    "    write_safetensors(pl_module.model, self.path, metadata)\n"
                    "    pl_module.model.load_state_dict(best, strict=True)",
                ),
            ),
        ),
    ),
    Fault(
        id="best_weights_never_saved",
        stage="schedule",
        tier=Tier.TWO,
        sentence="No epoch is taken for the best: no weights are kept, and a training ends with advice about its rate.",
        gates=("schedule",),
        plants=(edit(BEST_EPOCH_END, ("self.rule.update(val_loss, trainer.current_epoch)", "False")),),
    ),
    Fault(
        id="best_weights_file_missing",
        stage="schedule",
        tier=Tier.TWO,
        sentence="The best epoch is known and its weights are not written.",
        gates=("schedule",),
        plants=(edit(BEST_EPOCH_END, ("and trainer.is_global_zero", "and not trainer.is_global_zero")),),
    ),
    Fault(
        id="last_weights_kept",
        stage="schedule",
        sentence="The training does not go back to its best epoch: it ends with the last weights.",
        gates=("schedule",),
        plants=(edit(BEST_END, (LOAD, "load_file(self.path)")),),
    ),
    Fault(
        id="stopping_left_out",
        stage="schedule",
        sentence="`train_model` leaves the stopping rule out, which is right as such.",
        gates=("schedule",),
        place="trained",
        plants=(
            edit(
                TRAIN,
                (
                    "*make_callbacks(log_dir, patience=patience, patience_lr=patience_lr, provenance=provenance or {}),",
                    "*make_callbacks(log_dir, patience=patience, patience_lr=patience_lr, provenance=provenance or {})[1:],",
                ),
            ),
        ),
    ),
    Fault(
        id="patience_not_passed",
        stage="schedule",
        sentence="`train_model` gives the patience of the learning rate to the stopping rule.",
        gates=("schedule",),
        place="trained",
        plants=(edit(TRAIN, ("patience=patience, patience_lr", "patience=patience_lr, patience_lr")),),
    ),
    Fault(
        id="optimizer_made_anew",
        stage="schedule",
        sentence="Each epoch begins with a new optimizer: moments and steps are lost.",
        gates=("lockstep",),
        plants=(swap("training:EpochLimit.on_train_epoch_start", "make_optimizer_anew", TRAIN),),
    ),
    Fault(
        id="optimizer_made_anew_at_a_plateau",
        stage="schedule",
        sentence="At the end of an epoch the learning rate is set by making a new optimizer: moments and steps are lost.",
        gates=("lockstep",),
        plants=(
            edit(
                "callbacks:PlateauCallback.on_train_epoch_end",
                (
                    "optimizer.set_learning_rate(self",
                    "trainer.optimizers = [pl_module.configure_optimizers()]\n    trainer.optimizers[0].set_learning_rate(self",
                ),
            ),
        ),
    ),
)

"""When the learning rate falls and training stops."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import edit

PLATEAU = "schedule:ReduceLROnPlateau.update"
TRAIN = "training:train_model"

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
)

"""Which weights a training ends with."""

from parity.faults.fault import Fault
from parity.faults.planting import edit

END = "callbacks:BestWeightsCallback.on_train_end"
LOAD = "pl_module.model.load_state_dict(load_file(self.path), strict=True)"
EPOCH = "callbacks:BestWeightsCallback.on_train_epoch_end"

FAULTS = (
    Fault(
        id="checkpoint_last",
        stage="checkpoint",
        sentence="The weights of the last epoch are kept instead of the best.",
        gates=("schedule",),
        plants=(edit(END, (LOAD, "pass")),),
    ),
    Fault(
        id="checkpoint_no_buffers",
        stage="checkpoint",
        sentence="The best epoch's running statistics are not kept.",
        gates=("schedule", "weights"),
        plants=(
            edit(
                END,
                (
                    LOAD,
                    "kept = {k: v for k, v in load_file(self.path).items() if 'running_' not in k}\n"
                    "    pl_module.model.load_state_dict(kept, strict=False)",
                ),
            ),
        ),
    ),
    Fault(
        id="checkpoint_monitor_metric",
        stage="checkpoint",
        sentence="The best epoch is that of the highest accuracy instead of the lowest validation loss.",
        gates=("schedule",),
        plants=(edit(EPOCH, ("pl_module.logs[MONITOR]", '-pl_module.logs["val_metrics/accuracy"]')),),
    ),
)

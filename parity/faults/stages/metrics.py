"""Definitions of the figures."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import edit

COMPILED = "metrics:make_compiled_metrics"
FUNCTIONS = "metric_functions"

FAULTS = (
    Fault(
        id="auc_exact_vs_200_bins",
        stage="metrics",
        sentence="AUC is the exact area instead of Keras's sum over 200 thresholds.",
        gates=("metrics",),
        plants=(
            edit(
                COMPILED,
                ("CountMetric(functions.count_steps, functions.mean_area_of_steps, (*steps, num_classes))", "RocAuc()"),
            ),
        ),
    ),
    Fault(
        id="auc_ovo_ignored",
        stage="metrics",
        sentence="The test's ROC-AUC is one-vs-one, as it is asked for; with one-hot labels scikit-learn gives one-vs-rest.",
        gates=("metrics",),
        plants=(
            edit(
                "metrics:RocAuc.__init__",
                (
                    "functions.one_vs_rest_area if quirks.one_hot_auc else functions.one_vs_one_area",
                    "functions.one_vs_one_area",
                ),
            ),
        ),
    ),
    Fault(
        id="auc_on_logits",
        stage="metrics",
        tier=Tier.TWO,
        sentence="Metrics are computed from the sigmoid of the logits instead of the softmax.",
        gates=("metrics",),
        plants=(
            edit(
                "training_module:ClassifierTraining._count",
                ("torch.softmax(logits.detach(), dim=1)", "torch.sigmoid(logits.detach())"),
            ),
        ),
    ),
    Fault(
        id="precision_recall_threshold",
        stage="metrics",
        sentence="Precision and recall count the largest probability instead of those above 0.5.",
        gates=("metrics",),
        plants=(
            edit(
                f"{FUNCTIONS}:count_above_half",
                ("probabilities.reshape(-1) > 0.5", "(probabilities >= probabilities.amax(dim=1, keepdim=True)).reshape(-1)"),
            ),
        ),
    ),
    Fault(
        id="pr_at_recall_macro",
        stage="metrics",
        sentence="Precision at recall is averaged over classes instead of pooled.",
        gates=("metrics",),
        plants=(
            edit(
                COMPILED,
                (
                    "CountMetric(functions.count_pooled_steps, at_recall, steps)",
                    "CountMetric(functions.count_steps, lambda counts, of=at_recall: "
                    "torch.stack([of(counts[:, :, k]) for k in range(counts.shape[2])]).mean(), (*steps, num_classes))",
                ),
            ),
        ),
    ),
    Fault(
        id="f1_absent_class",
        stage="metrics",
        sentence="Macro F1 leaves out classes that are neither labels nor predictions.",
        gates=("metrics",),
        plants=(
            edit(
                f"{FUNCTIONS}:macro_f1",
                (
                    "_divide_no_nan(product, total).mean()",
                    "_divide_no_nan(product, total)[outcomes.sum(dim=0) > 0].mean()",
                ),
            ),
        ),
    ),
    Fault(
        id="f1_micro_default",
        stage="metrics",
        sentence="F1 is pooled over classes, torchmetrics' default, instead of averaged.",
        gates=("metrics",),
        plants=(
            edit(
                f"{FUNCTIONS}:macro_f1",
                ("product, total = ", "outcomes = outcomes.sum(dim=1, keepdim=True)\n    product, total = "),
            ),
        ),
    ),
    Fault(
        id="metric_mean_of_batches",
        stage="metrics",
        sentence="Each batch's figure is computed and the figures averaged, instead of adding counts up.",
        gates=("metrics",),
        plants=(
            edit(
                "metrics:CountMetric.update",
                (
                    "self.counts += self.count(probabilities, labels).to(self.counts)",
                    "self.batches = [*getattr(self, 'batches', []), "
                    "self.value(self.count(probabilities, labels).to(self.counts))]",
                ),
            ),
            edit(
                "metrics:CountMetric.compute",
                (
                    "return self.value(self.counts)",
                    "found, self.batches = torch.stack(self.batches).mean(dim=0), []\n    return found",
                ),
            ),
        ),
    ),
    Fault(
        id="mcc_degenerate",
        stage="metrics",
        tier=Tier.TWO,
        sentence="The correlation of constant predictions is not a number instead of 0.",
        gates=("metrics",),
        plants=(edit(f"{FUNCTIONS}:matthews_correlation", ("value.nan_to_num(nan=0.0)", "value")),),
    ),
    Fault(
        id="metrics_not_reset",
        stage="metrics",
        sentence="Metrics are not reset between epochs.",
        gates=("metrics",),
        plants=(edit("training_module:ClassifierTraining.on_validation_epoch_end", ("self.metrics[part].reset()", "pass")),),
    ),
    Fault(
        id="top2_as_top1",
        stage="metrics",
        tier=Tier.THREE,
        sentence="Top-2 accuracy counts the first place only.",
        gates=("metrics",),
        plants=(edit(f"{FUNCTIONS}:count_in_top_2", (".sum(dim=1) < 2", ".sum(dim=1) < 1")),),
    ),
    Fault(
        id="confusion_normalise",
        stage="metrics",
        tier=Tier.TWO,
        sentence="The confusion matrix is normalised by prediction instead of by label.",
        gates=("metrics",),
        plants=(
            edit(f"{FUNCTIONS}:normalise_rows", ("confusion.sum(dim=1, keepdim=True)", "confusion.sum(dim=0, keepdim=True)")),
        ),
    ),
)

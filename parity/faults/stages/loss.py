"""What is minimised, and what is reported of it."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import edit

WEIGHTED = "losses:class_weighted_loss"
IMAGES = "losses:image_losses"
LOSSES = 'return F.cross_entropy(logits, labels.to(logits), reduction="none")'
RETURN = "return (losses * class_weights.to(losses)[labels.argmax(dim=1)]).mean()"
STEP = "training_module:ClassifierTraining.training_step"

FAULTS = (
    Fault(
        id="ce_weight_sum_normalised",
        stage="loss",
        sentence="The weighted loss is divided by the sum of the weights instead of the number of images.",
        gates=("loss",),
        plants=(
            edit(
                WEIGHTED,
                (
                    RETURN,
                    "weights = class_weights.to(losses)[labels.argmax(dim=1)]\n"
                    "    return (losses * weights).sum() / weights.sum()",
                ),
            ),
        ),
    ),
    Fault(
        id="ce_prob_target_is_div_N",
        stage="loss",
        tier=Tier.CONTROL,
        sentence="torch's weighted cross-entropy with one-hot targets: it divides by the number of images, as Keras does.",
        gates=(),
        plants=(
            edit(
                WEIGHTED,
                (
                    "losses = image_losses(logits, labels)\n    " + RETURN,
                    "return F.cross_entropy(logits, labels.to(logits), weight=class_weights.to(logits))",
                ),
            ),
        ),
    ),
    Fault(
        id="val_loss_class_weighted",
        stage="loss",
        sentence="The validation loss is class-weighted like the training loss.",
        gates=("loss", "schedule"),
        plants=(
            edit(
                "training_module:ClassifierTraining.validation_step",
                ("validation_loss(logits, labels)", "class_weighted_loss(logits, labels, self.class_weights)"),
            ),
        ),
    ),
    Fault(
        id="no_class_weight",
        stage="loss",
        sentence="Class weights are computed and not used.",
        gates=("loss",),
        plants=(edit(WEIGHTED, (RETURN, "return losses.mean()")),),
    ),
    Fault(
        id="class_weight_wrong_source",
        stage="loss",
        tier=Tier.TWO,
        sentence="Class weights are one over the number of images of a class, without the share of the whole.",
        gates=("config",),
        plants=(
            edit(
                "data:compute_weights",
                (
                    'weights = compute_class_weight("balanced", classes=present, y=labels)',
                    "weights = [1 / (labels == label).sum() for label in present]",
                ),
            ),
        ),
    ),
    Fault(
        id="double_softmax",
        stage="loss",
        sentence="The network returns probabilities, of which the cross-entropy takes the softmax again.",
        gates=("loss",),
        plants=(
            edit(
                "model:Classifier.forward",
                (
                    "return self.classify(self.hidden(images))",
                    "return torch.softmax(self.classify(self.hidden(images)), dim=1)",
                ),
            ),
        ),
    ),
    Fault(
        id="clip_eps_1e-7",
        stage="loss",
        sentence="Probabilities are clipped to [1e-7, 1 - 1e-7], the textbook's account of Keras.",
        gates=("loss",),
        plants=(
            edit(
                IMAGES,
                (LOSSES, "return -(labels * torch.log(torch.softmax(logits, dim=1).clamp(1e-7, 1 - 1e-7))).sum(dim=1)"),
            ),
        ),
    ),
    Fault(
        id="log_of_softmax_float32",
        stage="loss",
        tier=Tier.TWO,
        sentence="The loss is the logarithm of the softmax, which is minus infinity where a probability underflows.",
        gates=("loss",),
        plants=(edit(IMAGES, (LOSSES, "return -(labels * torch.log(torch.softmax(logits, dim=1))).sum(dim=1)")),),
    ),
    Fault(
        id="loss_reduction_sum",
        stage="loss",
        sentence="The loss of a batch is the sum over its images instead of the mean.",
        gates=("loss", "gradients"),
        plants=(edit(WEIGHTED, (".mean()", ".sum()")),),
    ),
    Fault(
        id="epoch_loss_mean_of_batch_means",
        stage="loss",
        sentence="An epoch's loss is the mean of its batches' means: a short last batch counts as a whole one.",
        gates=("loss",),
        plants=(edit("losses:EpochLoss.update", (" * images", ""), ("self.images += images", "self.images += 1")),),
    ),
    Fault(
        id="train_loss_includes_weights",
        stage="loss",
        tier=Tier.TWO,
        sentence="The reported training loss leaves out the class weights.",
        gates=("metrics",),
        plants=(edit(STEP, ('"trained", logits, labels, loss', '"trained", logits, labels, validation_loss(logits, labels)')),),
    ),
)

"""What the commands pass on, and what they leave."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import edit

RUN = "train_command:run_train"
LOADERS = "train_command:make_training_loaders"
START = "train_command:make_start_model"
OUTCOME = "train_command:write_outcome"
TRAINED_ON = 'training,\n                loaders["train"],\n                loaders["val"],'


def _fault(id: str, sentence: str, where: str, old: str, new: str, *, place: str = "", tier: Tier = Tier.ONE) -> Fault:
    """Return a fault of the commands that one change of a function plants."""
    plants = (edit(where, (old, new)),)
    return Fault(id=id, stage="commands", tier=tier, sentence=sentence, gates=("commands",), place=place, plants=plants)


FAULTS = (
    _fault(
        "class_weights_of_validation", "The class weights are those of the validation images.",
        RUN, 'compute_weights(loaders["train"])', 'compute_weights(loaders["val"])', place="class_weights",
    ),
    _fault(
        "option_learning_rate", "The learning rate that is asked for is not passed on.",
        RUN, "learning_rate=options.learning_rate,", "", place="fit/equal at learning_rate",
    ),
    _fault(
        "option_patience", "The patience that is asked for is not passed on.",
        RUN, "patience=options.patience,", "", place="fit/equal at early_stopping/patience",
    ),
    _fault(
        "option_patience_lr", "The learning rate falls after the patience of the early stopping.",
        RUN, "patience_lr=options.patience_lr,", "patience_lr=options.patience,", place="fit/equal at plateau/patience",
    ),
    _fault(
        "option_epochs", "The number of epochs that is asked for is one too many.",
        RUN, "num_epochs=options.epochs,", "num_epochs=options.epochs + 1,", place="fit/equal at epochs",
    ),
    _fault(
        "option_seed", "A new seed is drawn although one is given.",
        "train_settings:settle_seed", "if options.seed is None:", "if begun is None:", place="settings at seed",
    ),
    _fault(
        "option_batch_size", "The batch size that is asked for is not passed on.",
        LOADERS, "options.batch_size,\n        images", "8,\n        images", place="fit/equal at batches/train",
    ),
    _fault(
        "option_image_scale", "Images of another size than asked for are trained on.",
        LOADERS, "options.image_scale,", "options.image_scale * 1.1,", place="fit/equal at image",
    ),
    _fault(
        "option_images", "All images are taken, however many are asked for.",
        LOADERS, "images=options.images,", "images=None,", place="train/equal",
    ),
    _fault(
        "option_resolution", "Images of the default resolution are taken, whichever is asked for.",
        LOADERS, "options.resolution,", '"20x",',
    ),
    _fault(
        "option_weights_ignored", "The file of start weights is not read.",
        START, 'options.weights != "none"', 'options.weights == "imagenet"', place="start/equal",
    ),
    _fault(
        "head_not_new", "The head begins with numbers of a normal distribution instead of Glorot's.",
        START, "return evaluate", "torch.nn.init.normal_(model.prev_dense.weight, std=0.05)\n    return evaluate",
        place="fresh/port",
    ),
    _fault(
        "trains_on_validation", "The network is trained on the validation images.",
        RUN, TRAINED_ON, TRAINED_ON.replace("train", "val").replace("valing", "training"), place="train/equal",
    ),
    _fault(
        "validates_on_test", "The best epoch is chosen on the test images.",
        RUN, TRAINED_ON, TRAINED_ON.replace('"val"', '"test"'), place="val/equal",
    ),
    _fault(
        "outcome_of_start_weights", "Predictions and figures are those of the network before its training.",
        RUN, "evaluate.prepare_model(model, device)", "make_start_model(options, len(class_names), seed).to(device)",
        place="port/evaluated",
    ),
    _fault(
        "outcome_of_training_images", "The test figures are those of training images.",
        OUTCOME, "make_evaluation_loader(loaders[name], image_scale)",
        'make_evaluation_loader(loaders["train" if name == "test" else name], image_scale)', place="port/answers",
    ),
    _fault(
        "outcome_figures_swapped", "The figures of validation and test have changed places.",
        OUTCOME, "probabilities, found)", 'probabilities, {"val": found["test"], "test": found["val"]})', place="port/figures",
    ),
    _fault(
        "provenance_image_scale", "The file of the best weights says another image size than that of its training.",
        RUN, "repr(options.image_scale)", "repr(0.25)", place="port/ended", tier=Tier.TWO,
    ),
    _fault(
        "settings_not_kept", "The settings that are kept are not those of the training: the class weights are said to be none.",
        RUN, "with recorded_settings(folder, options,",
        'with recorded_settings(folder, argparse.Namespace(**{**vars(options), "class_weights": "none"}),',
        place="port/settings", tier=Tier.TWO,
    ),
    Fault(
        id="best_weights_overwritten",
        stage="commands",
        sentence="The file of the best weights ends with those of the last epoch; in memory are the best.",
        gates=("schedule", "commands"),
        plants=(
            edit(
                "callbacks:BestWeightsCallback.on_train_end",
                (
                    "pl_module.model.load_state_dict(load_file(self.path), strict=True)",
                    "best = load_file(self.path)\n"
                    "    write_safetensors(pl_module.model, self.path, metadata)\n"
                    "    pl_module.model.load_state_dict(best, strict=True)",
                ),
            ),
        ),
    ),
)  # fmt: skip

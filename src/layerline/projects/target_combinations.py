"""What does not go with several targets: refused before any work, each with its dotted path."""

from collections.abc import Iterator

from layerline.config import SEVERAL, Params
from layerline.errors import Problem


def targets_fit(params: Params) -> Iterator[Problem]:
    """Every section that is of one target, where fetch.target names several."""
    names, task = params.fetch.targets, params.fetch.task
    if len(names) == 1:
        if task in SEVERAL:
            message = f"{task} is of several targets, and fetch.target names one; use auto"
            yield Problem("fetch.task", message)
        return
    if task not in ("auto", *SEVERAL):
        message = f"{task} is of one target, and fetch.target names {len(names)}; use auto"
        yield Problem("fetch.task", f"{message}, {' or '.join(SEVERAL)}")
    refused = {**_of_data(params), **_of_training(params), **_of_judgement(params)}
    for where, (is_set, what) in refused.items():
        if is_set:
            message = f"{what}, and fetch.target names several; remove one of the two"
            yield Problem(where, message)


Refused = dict[str, tuple[bool, str]]  # dotted path -> whether it is set, and why that is refused


def _of_data(params: Params) -> Refused:
    from layerline.lookup import read_choices
    from layerline.scaling.preprocessing.encoders import ENCODERS
    from layerline.scaling.splitting import SPLITS
    from layerline.sources import SOURCES

    fetch, scale = params.fetch, params.scale
    source = SOURCES.get(fetch.source)
    split, window, target = SPLITS.get(scale.split.name), scale.window, scale.target
    choices = read_choices(scale.categorical, "one_hot")
    encoders = [choice.name for choice in (choices.default, *choices.columns.values())]
    coded = [name for name in encoders if name in ENCODERS and ENCODERS[name].needs_target]
    return {
        "fetch.source": (
            source is None or not source.has_several,
            f"{fetch.source!r} gives rows with one target",
        ),
        "fetch.weights": (fetch.weights is not None, "row weights are for one target"),
        "scale.window": (
            window is not None and window.has_weights,
            "weights that halve with age are for one target",
        ),
        "scale.split.method": (
            split is not None and not set(SEVERAL) <= set(split.tasks),
            f"{scale.split.name!r} deals rows by the classes of one target",
        ),
        "scale.target": (
            target.name not in ("standard", "none") or bool(target.options),
            "only standard and none, without options, scale several targets: a curve or a clamp "
            "is of one",
        ),
        "scale.categorical": (bool(coded), f"{', '.join(coded)} encodes means of one target"),
        "scale.preprocessor": (
            scale.preprocessor is not None,
            "an earlier model's scales are those of one target",
        ),
    }


def _of_training(params: Params) -> Refused:
    from layerline.training.objectives import LOSSES

    train = params.train
    loss = LOSSES.get(train.loss.name)
    fits = train.loss.name == "auto" or (loss is not None and bool(loss.tasks & set(SEVERAL)))
    return {
        "train.loss": (not fits, f"{train.loss.name!r} is a loss of one target"),
        "train.early_stopping.metric": (
            train.monitored in ("log_loss", "auc"),
            f"{train.monitored} is monitored of the classes of one target (loss and error are of "
            "several)",
        ),
        "train.sampling": (train.sampling == "balanced", "balanced draws by one target's classes"),
        "train.augment": (bool(train.augment), "augmentations are for images with one label"),
        "train.transfer": (train.transfer is not None, "a transfer is to a network of one target"),
        "train.monotone": (bool(train.monotone), "a direction is of one target"),
        "train.members.distil": (
            train.members is not None and train.members.distil,
            "answers are distilled of one target",
        ),
    }


def _of_judgement(params: Params) -> Refused:
    evaluate, gate = params.evaluate, params.register.gate
    return {
        "evaluate.conformal": (evaluate.conformal is not None, "conformal regions are of one"),
        "evaluate.threshold": (evaluate.threshold is not None, "a threshold is of one target"),
        "evaluate.positive": (evaluate.positive is not None, "the positive class is of one target"),
        "evaluate.class_costs": (evaluate.class_costs is not None, "costs are of one target"),
        "evaluate.metrics": (bool(evaluate.metrics), "metrics of your own are of one target"),
        "register.gate.metric": (
            gate.metric in ("rmse", "mean_cost"),
            f"{gate.metric} of several targets is no mean over rows (auto, r2, mae, log_loss and "
            "accuracy are)",
        ),
        "retrain.promote": (
            params.retrain.promote == "shadow",
            "a shadow is judged by the true values of one target",
        ),
        "retrain.rollback": (params.retrain.rollback, "labelled rows are of one target"),
        "retrain.when.live_score_drop": (
            params.retrain.when.live_score_drop is not None,
            "the live score is of one target",
        ),
    }

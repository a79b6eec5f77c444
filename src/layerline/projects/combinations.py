"""What no section of params.yaml can see alone: components that do not go together.

To add a rule: a function from params to problems, a line in RULES. It may use what is written in
params.yaml and the tables, not the data, which nobody has read yet.
"""

from collections.abc import Callable, Iterator

from layerline.config import Params
from layerline.errors import Problem
from layerline.lookup import is_import_path, option_problems
from layerline.projects.target_combinations import targets_fit

Rule = Callable[[Params], Iterator[Problem]]


def combination_problems(params: Params) -> list[Problem]:
    """Every problem that the rules find."""
    return [problem for rule in RULES for problem in rule(params)]


def _loss_fits_task(params: Params) -> Iterator[Problem]:
    from layerline.training.objectives import LOSSES

    name, task = params.train.loss.name, params.fetch.task
    if task != "auto" and name in LOSSES and task not in LOSSES[name].tasks:
        fitting = ", ".join(sorted(loss for loss, line in LOSSES.items() if task in line.tasks))
        message = f"{name!r} does not fit fetch.task: {task}; use auto, or one of {fitting}"
        yield Problem("train.loss", message)


def _classes_can_be_balanced(params: Params) -> Iterator[Problem]:
    if params.train.sampling == "balanced" and params.fetch.task == "regression":
        message = "'balanced' draws each class equally often, and fetch.task is regression"
        yield Problem("train.sampling", f"{message}; use shuffled")


def _split_fits_task(params: Params) -> Iterator[Problem]:
    from layerline.scaling.splitting import SPLITS

    name, task = params.scale.split.name, params.fetch.task
    if task != "auto" and name in SPLITS and task not in SPLITS[name].tasks:
        fitting = ", ".join(sorted(split for split, line in SPLITS.items() if task in line.tasks))
        message = f"{name!r} does not fit fetch.task: {task}; use one of {fitting}"
        yield Problem("scale.split.method", message)


def _full_batch_has_no_batches(params: Params) -> Iterator[Problem]:
    from layerline.training.optimizers import full_batch_problems

    yield from full_batch_problems(params.train)


def _members_can_be_built(params: Params) -> Iterator[Problem]:
    from layerline.networks import network_problems
    from layerline.training.member_settings import draw_members
    from layerline.training.optimizers import OPTIMIZERS

    train, found = params.train, dict[Problem, None]()
    for own in draw_members(train, params.seed) if train.members else ():
        section = own.section
        problems = network_problems(section.network, section.options)
        if line := OPTIMIZERS.get(section.optimizer.name):
            options = section.optimizer.options
            problems += option_problems(line.build, options, "train.optimizer")
        found |= dict.fromkeys(problems)
    for problem in found:
        yield Problem("train.members.space", f"{problem.where}: {problem.message}")


def _stopping_fits_task(params: Params) -> Iterator[Problem]:
    from layerline.training.scores import score_problem

    if problem := score_problem(params.train.monitored, params.fetch.task):
        yield problem


def _folds_know_nothing_of_each_other(params: Params) -> Iterator[Problem]:
    from layerline.training.optimizers import takes_all_rows

    if params.train.folds is None:
        return
    for message in fold_problems(params):
        yield Problem("train.folds", message)
    if takes_all_rows(params.train):
        message = f"{params.train.optimizer.name} takes all rows at once; use adamw"
        yield Problem("train.folds", message)


def fold_problems(params: Params) -> Iterator[str]:
    """What lets a network know the targets of rows that its fold holds out."""
    from layerline.lookup import read_choices
    from layerline.scaling.preprocessing.encoders import ENCODERS

    choices = read_choices(params.scale.categorical, "one_hot")
    for choice in (choices.default, *choices.columns.values()):
        if choice.name in ENCODERS and ENCODERS[choice.name].needs_target:
            yield (
                f"scale.categorical: {choice.name} puts the targets of all train rows into the "
                "features, those of the rows that a fold holds out as well; use one_hot or "
                "embedding, or remove folds"
            )
            return


def _exports_have_no_own_code(params: Params) -> Iterator[Problem]:
    from layerline.lookup import is_import_path, read_choices

    choices = read_choices(params.scale.numeric, "standard")
    names = [choice.name for choice in (choices.default, *choices.columns.values())]
    own = [name for name in names if is_import_path(name)]
    if own and params.register.export:
        message = f"scale.numeric: {own[0]} is code of your own, which no export carries"
        yield Problem("register.export", f"{message}; remove one of the two")


def _weights_reach_what_is_set(params: Params) -> Iterator[Problem]:
    from layerline.training.scores import SCORES

    train, weights, window = params.train, params.fetch.weights, params.scale.window
    by_age = window is not None and window.has_weights
    if weights is None and not by_age:
        return
    if weights in params.fetch.targets:
        yield Problem("fetch.weights", f"{weights!r} is the target; name another column")
    refused = {
        "sampling": (train.sampling == "balanced", "balanced draws rows as if they had none"),
        "augment": (bool(train.augment), "augmentations know none"),
        "transfer": (train.transfer is not None, "a transfer does not pass them on"),
        "early_stopping.metric": (train.monitored in SCORES, f"{train.monitored} has none"),
    }
    where = "scale.window" if weights is None else "fetch.weights"
    for name, (is_set, reason) in refused.items():
        if is_set:
            message = f"rows have weights ({where}), and {reason}; remove one of the two"
            yield Problem(f"train.{name}", message)


def _a_network_can_learn_answers(params: Params) -> Iterator[Problem]:
    train = params.train
    if train.members is None or not train.members.distil:
        return
    reasons = {
        "train.folds": (train.folds is not None, "every row taught the ensemble, none can judge"),
        "train.sampling": (train.sampling == "balanced", "answers are no classes to draw by"),
        "train.augment": (bool(train.augment), "answers are those of unchanged rows"),
        "train.loss": (
            train.loss.name in ("quantile", "poisson") or is_import_path(train.loss.name),
            "it does not take answers as targets",
        ),
        "fetch.weights": (params.fetch.weights is not None, "answers have no weights"),
        "scale.window": (
            params.scale.window is not None and params.scale.window.has_weights,
            "answers have no weights",
        ),
    }
    for where, (is_set, reason) in reasons.items():
        if is_set:
            yield Problem(where, f"{reason}, for train.members.distil; remove one of the two")


def _monotone_is_possible(params: Params) -> Iterator[Problem]:
    from layerline.lookup import read_choices
    from layerline.networks import NETWORKS
    from layerline.networks.signed_weights import sign_problems
    from layerline.training.member_settings import draw_members
    from layerline.training.monotone import MANY_CLASSES
    from layerline.training.optimizers import takes_all_rows

    train, where = params.train, "train.monotone"
    if not train.monotone:
        return
    fitting = [name for name, line in NETWORKS.items() if line.can_be_monotone]
    reasons = [
        (
            train.network not in fitting,
            f"{train.network!r} may rise and fall with any input; use {' or '.join(fitting)}",
        ),
        (train.transfer is not None, "known weights have signs of their own; remove transfer"),
        (takes_all_rows(train), f"{train.optimizer.name} cannot keep signs; use adamw"),
        (params.fetch.task == "multiclass", MANY_CLASSES),
    ]
    yield from (Problem(where, reason) for is_so, reason in reasons if is_so)
    numeric = read_choices(params.scale.numeric, "standard")
    for name in train.monotone:
        if is_import_path(scaler := numeric.of(name).name):
            message = f"scale.numeric: {scaler}, code of your own, may turn its order around"
            yield Problem(f"{where}.{name}", f"{message}; choose another for it")
    found: dict[Problem, None] = {}
    for own in draw_members(train, params.seed) if train.network in fitting else ():
        found |= dict.fromkeys(sign_problems(train.network, own.section.options))
    yield from found


def _cv_plus_has_folds(params: Params) -> Iterator[Problem]:
    regions, where = params.evaluate.regions, "evaluate.conformal.method"
    if regions is None or regions.method == "split":
        return
    if params.train.folds is None:
        message = "cv_plus needs networks of folds; set train.folds, or method: split"
        yield Problem(where, message)
    window = params.scale.window
    if params.fetch.weights is not None or (window is not None and window.has_weights):
        yield Problem(where, "cv_plus knows no row weights; set method: split")


def _costs_are_known(params: Params) -> Iterator[Problem]:
    if params.register.gate.metric == "mean_cost" and params.evaluate.class_costs is None:
        message = (
            "mean_cost needs evaluate.class_costs, what mistakes cost; set it, or use log_loss"
        )
        yield Problem("register.gate.metric", message)


RULES: tuple[Rule, ...] = (
    targets_fit,
    _loss_fits_task,
    _classes_can_be_balanced,
    _split_fits_task,
    _full_batch_has_no_batches,
    _members_can_be_built,
    _stopping_fits_task,
    _folds_know_nothing_of_each_other,
    _weights_reach_what_is_set,
    _costs_are_known,
    _cv_plus_has_folds,
    _a_network_can_learn_answers,
    _monotone_is_possible,
    _exports_have_no_own_code,
)

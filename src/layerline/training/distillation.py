"""One network that learns what an ensemble answers; it is kept where it is nearly as good.

Source: Hinton et al., Distilling the Knowledge in a Neural Network (2015).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from layerline.errors import DivergedError
from layerline.networks.ensemble import Ensemble
from layerline.training.dataset import TrainingData
from layerline.training.epoch_records import Listener
from layerline.training.inference import predict
from layerline.training.loop import Training
from layerline.training.member import Member
from layerline.training.members import Kept, Members

TOLERANCE = 0.01  # of the ensemble's value: by how much the network may be worse


def distill(members: Members, kept: Kept, report: Callable[[str], None]) -> Kept:
    """The network that learnt the ensemble's answers for the train rows, if that is asked for.

    Otherwise, and where it is worse, what was kept.

    It stops, and is judged beside the ensemble, by the true targets of the validation rows. Its
    time is what the ensemble has left of it.
    """
    setup = members.setup
    is_asked = setup.section.members is not None and setup.section.members.distil
    if not is_asked or not isinstance(kept.network, Ensemble):
        return kept
    section = dataclasses.replace(setup.section, members=None)
    member = setup.build_member(setup.seed)
    training = Training([member], _taught(setup.data, kept), section)
    training.clock.load(members.turns.minutes * 60, 0.0)
    try:
        training.run(Listener(report=report))
    except DivergedError as error:
        report(f"note: the network that learns the ensemble's answers is left out: {error}")
        return kept
    return _better(members, kept, member, report)


def _taught(data: TrainingData, kept: Kept) -> TrainingData:
    """The data with the ensemble's answers as the targets of the train rows."""
    answers = predict(kept.network, data.train.x)
    y = answers.flatten() if kept.spec.classes is None else answers.softmax(1)
    return dataclasses.replace(data, train=dataclasses.replace(data.train, y=y))


def _better(members: Members, kept: Kept, member: Member, report: Callable[[str], None]) -> Kept:
    setup = members.setup
    x = setup.data.valid.x
    value, wanted = (
        members.curve.value(predict(network, x)) for network in (member.network, kept.network)
    )
    is_kept = value <= wanted + TOLERANCE * abs(wanted)
    facts: dict[str, Any] = {"value": value, "ensemble": wanted, "is_kept": is_kept}
    about = {**kept.about, "distilled": {**facts, "epoch": member.best.epoch}}
    figures = f"{setup.section.monitored} {value:.4g}, the ensemble's {wanted:.4g}"
    words = "it is kept" if is_kept else "the ensemble is kept"
    report(f"one network learnt the ensemble's answers: {figures}; {words}")
    network, its = (member.network, setup.spec) if is_kept else (kept.network, kept.spec)
    return dataclasses.replace(kept, network=network, spec=its, about=about)

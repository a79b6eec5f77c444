"""When a training stops whose patience is over: at once, or once it has cooled down.

Early stopping alone ends a training at a rate that is still high, where the weights are noisy, and
has to be patient to know that nothing more will come. A training that cools down goes back to its
best weights and lets the rate fall to 0 from there, so a short patience is enough.
"""

from layerline.training.batching import BatchPlan
from layerline.training.early_stopping import StoppingRules, no_better
from layerline.training.member import Member
from layerline.training.schedules import Cooldown
from layerline.training.session import Session


def reason_to_stop(
    session: Session, plan: BatchPlan, rules: StoppingRules, member: Member, minutes: float
) -> str | None:
    """Why a member stops after its last epoch, or None; a cooldown may begin.

    Args:
        session: takes the steps of this member alone, where rules ask for a cooldown.
        plan: how many steps an epoch has.
        rules: when training ends.
        member: has finished an epoch.
        minutes: of the whole training so far.
    """
    best, epoch = member.best, len(member.history)
    if not rules.cooldown_epochs or rules.patience_epochs is None:
        return rules.reason(best, epoch, minutes)
    if reason := rules.without_patience.reason(best, epoch, minutes):
        return reason
    if session.cooldown is not None:
        is_over = session.cooldown.is_over(session.step)
        return f"cooled down for {rules.cooldown_epochs} epochs" if is_over else None
    if no_better(best, epoch, rules.patience_epochs):
        n_steps = plan.n_steps(epoch + rules.cooldown_epochs) - plan.n_steps(epoch)
        session.cool_down(best, Cooldown(session.step, n_steps))
    return None

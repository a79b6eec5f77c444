"""Whether new data are reason enough to train: `retrain.when`, answered in one line."""

import datetime
from collections.abc import Iterator
from typing import NamedTuple

from layerline.config import WhenSection
from layerline.retraining.new_data import NewData
from layerline.retraining.served_champion import Champion
from layerline.text import listing, plural, readable

ALWAYS = WhenSection()


class Decision(NamedTuple):
    """Whether to train, and why."""

    trains: bool
    why: str


def decide(when: WhenSection, data: NewData, champion: Champion) -> Decision:
    """Train when any condition of `when` holds, when it has none, or when only params changed."""
    news = plural(data.n_new, "new row")
    if data.is_same:
        return Decision(True, "the rows are those of the last training, so params or code changed")
    if when == ALWAYS:
        return Decision(True, news)
    answers = list(_answers(when, data, champion))
    reasons = [answer.why for answer in answers if answer.trains]
    if reasons:
        return Decision(True, "; ".join(reasons))
    return Decision(False, "; ".join(answer.why for answer in answers))


def _answers(when: WhenSection, data: NewData, champion: Champion) -> Iterator[Decision]:
    if when.new_rows is not None:
        yield _by_rows(when.new_rows, data)
    if when.drift:
        yield _by_drift(data)
    if when.live_score_drop is not None:
        yield _by_live_score(when.live_score_drop, champion.live_drop)
    if when.champion_age_days is not None:
        yield _by_age(when.champion_age_days, champion.since)


def _by_rows(wanted: float, data: NewData) -> Decision:
    share = isinstance(wanted, float)
    least = wanted * data.n_known if share else wanted
    asked = f"{wanted:.1%} of {data.n_known:,}" if share else f"{wanted:,}"
    return Decision(data.n_new >= least, f"{plural(data.n_new, 'new row')}, {asked} are asked for")


def _by_drift(data: NewData) -> Decision:
    if data.drifted is None:
        return Decision(False, "drift is unknown")
    if not data.drifted:
        return Decision(False, "no drift")
    return Decision(True, f"drift in {listing(data.drifted, 3)}")


def _by_live_score(limit: float, drop: float | None) -> Decision:
    if drop is None:
        return Decision(False, "the live score is unknown")
    asked = f"by {readable(limit)}, the limit"
    if drop > limit:
        why = f"the live score is worse than the test score by {readable(drop)}, above {asked[3:]}"
        return Decision(True, why)
    return Decision(False, f"the live score is not surely worse than the test score {asked}")


def _by_age(days: float, since: datetime.datetime | None) -> Decision:
    if since is None:
        return Decision(False, "the champion's age is unknown")
    age = (datetime.datetime.now(datetime.UTC) - since).total_seconds() / 86400
    return Decision(age >= days, f"the champion is {age:.1f} days old, {days:g} are asked for")

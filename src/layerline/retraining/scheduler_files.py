"""The files that make a scheduler run `layerline retrain`: one template and one line a scheduler.

To add a scheduler: its template in scheduler_templates/, and a line in SCHEDULERS.
"""

import datetime
import functools
import re
import shlex
import sys
import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from layerline.artifacts import write_text
from layerline.errors import ParamsError, Problem
from layerline.text import closest

Every = Literal["hour", "day", "weekday", "week", "month"]
EVERY: tuple[Every, ...] = get_args(Every)


class Scheduler(NamedTuple):
    """Templates by the name of the file that they become, and what to do with the files."""

    files: Mapping[str, str]
    install: str


SCHEDULERS: Mapping[str, Scheduler] = {
    "cron": Scheduler({"{name}.cron": "cron"}, "crontab {folder}/{name}.cron"),
    "systemd": Scheduler(
        {"{name}.service": "service", "{name}.timer": "timer"},
        "cp {folder}/{name}.* ~/.config/systemd/user/ && systemctl --user daemon-reload && "
        "systemctl --user enable --now {name}.timer",
    ),
    "github": Scheduler({"{name}.yml": "github"}, "cp {folder}/{name}.yml .github/workflows/"),
    "kubernetes": Scheduler({"{name}.yaml": "kubernetes"}, "kubectl apply -f {folder}"),
    "airflow": Scheduler({"{identifier}_airflow.py": "airflow"}, "copy it to the DAGs' folder"),
    "prefect": Scheduler(
        {"{identifier}_prefect.py": "prefect"}, "python {folder}/{identifier}_prefect.py"
    ),
    "dagster": Scheduler(
        {"{identifier}_dagster.py": "dagster"}, "dagster dev -f {folder}/{identifier}_dagster.py"
    ),
}


class Times(NamedTuple):
    """When to run; `at` is HH:MM, of which `hour` takes the minutes alone."""

    every: Every = "day"
    at: str = "03:30"
    timezone: str = "UTC"

    @property
    def clock(self) -> datetime.time:
        """The time of the day.

        Raises:
            ParamsError: it is none.
        """
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", self.at):
            message = f"must be a time of the day from 00:00 to 23:59, got {self.at!r}"
            raise ParamsError([Problem("--at", message)], "command line")
        return datetime.time.fromisoformat(self.at)

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The time zone.

        Raises:
            ParamsError: there is none of that name.
        """
        return zoneinfo.ZoneInfo(require_timezone(self.timezone))

    def next_after(self, moment: datetime.datetime) -> datetime.datetime:
        """The first of these times after a moment, in UTC; once where a clock is set back."""
        hours = range(24) if self.every == "hour" else [self.clock.hour]
        day = moment.astimezone(self.zone).date()
        while True:
            is_there = {"weekday": day.weekday() < 5, "week": not day.weekday()}
            is_there["month"] = day.day == 1
            for hour in hours if is_there.get(self.every, True) else ():
                clock = self.clock.replace(hour=hour)
                found = datetime.datetime.combine(day, clock, self.zone)
                if found.astimezone(datetime.UTC) > moment:
                    return found.astimezone(datetime.UTC)
            day += datetime.timedelta(days=1)

    def cron(self) -> str:
        """As cron writes it; weeks begin on Monday."""
        return _cron(self.every, self.clock, 0)

    def utc_cron(self) -> str:
        """The same in UTC, as it is in January.

        Raises:
            ParamsError: the day of the month would be another in each month.
        """
        if self.every == "hour":
            return self.cron()
        local = datetime.datetime.combine(datetime.date(2024, 1, 10), self.clock, self.zone)
        utc = local.astimezone(datetime.UTC)
        days = utc.day - local.day
        if days and self.every == "month":
            message = f"{self.at} in {self.timezone} is another day in UTC; choose another time"
            raise ParamsError([Problem("--at", message)], "command line")
        return _cron(self.every, utc.time(), days)

    def calendar(self) -> str:
        """As systemd writes it."""
        clock = f"*:{self.clock:%M}:00" if self.every == "hour" else f"{self.clock:%H:%M}:00"
        day = {"weekday": "Mon..Fri *-*-*", "week": "Mon *-*-*", "month": "*-*-01"}
        return f"{day.get(self.every, '*-*-*')} {clock} {self.timezone}"


def _cron(every: Every, clock: datetime.time, days: int) -> str:
    hour = "*" if every == "hour" else str(clock.hour)
    first = (1 + days) % 7
    week = {"week": str(first), "weekday": f"{first}-{first + 4}"}.get(every, "*")
    return f"{clock.minute} {hour} {'1' if every == 'month' else '*'} * {week}"


@functools.cache  # the list is read from a thousand files
def require_timezone(name: str) -> str:
    """A time zone's name.

    Raises:
        ParamsError: there is none of that name.
    """
    known = zoneinfo.available_timezones()
    if name not in known:
        near = closest(name, sorted(known))
        hint = f"; did you mean {near!r}?" if near else ""
        message = f"unknown time zone {name!r}{hint} such as Europe/Berlin or UTC"
        raise ParamsError([Problem("--timezone", message)], "command line")
    return name


def write_schedule(
    kind: str, folder: Path, root: Path, project: str, times: Times, image: str
) -> tuple[list[Path], str]:
    """Write a scheduler's files; return them, and how to install them.

    Raises:
        ParamsError: the time or the time zone is invalid.
    """
    require_timezone(times.timezone)
    slug = re.sub(r"[^a-z0-9]+", "-", project.lower()).strip("-")
    names = {"name": f"layerline-{slug}", "identifier": f"layerline_{slug.replace('-', '_')}"}
    values = names | {
        "project": project,
        "root": str(root.resolve()),
        "layerline": str(Path(sys.executable).with_name("layerline")),
        "timezone": times.timezone,
        "at": times.at,
        "image": image,
        "cron": times.cron(),
        "calendar": times.calendar(),
    }
    scheduler, written = SCHEDULERS[kind], []
    if kind == "github":
        values["utc_cron"] = times.utc_cron()
    folder.mkdir(parents=True, exist_ok=True)
    for file, template in scheduler.files.items():
        path = folder / file.format(**names)
        text = _environment().get_template(template).render(**values, file=str(path))
        write_text(path, text)
        written.append(path)
    return written, scheduler.install.format(folder=shlex.quote(str(folder)), **names)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("layerline.retraining", "scheduler_templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "shell": shlex.quote,
        "percent": lambda text: text.replace("%", r"\%"),  # else cron ends the command there
        "specifier": lambda text: text.replace("%", "%%"),
        "unit": lambda text: f'"{text.replace("%", "%%")}"' if " " in text else text,
        "python": repr,
    }
    return environment

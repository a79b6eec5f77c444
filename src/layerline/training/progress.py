"""The progress bar: epoch, loss, error, rate, rows/s and the time left; for terminals."""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from tqdm import tqdm

from layerline.training.epoch_records import EpochRecord, Listener

_LAYOUT = (
    "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total} epochs [{elapsed}<{remaining}{postfix}]"
)


# None: quiet when stderr is not a terminal.
_is_hidden: ContextVar[bool | None] = ContextVar("is_hidden", default=None)


@contextlib.contextmanager
def progress_shown(is_shown: bool) -> Iterator[None]:
    """In the block the bar is shown, or not, wherever stderr leads."""
    before = _is_hidden.set(not is_shown)
    try:
        yield
    finally:
        _is_hidden.reset(before)


@contextlib.contextmanager
def progress(
    epochs: int,
    done: int,
    on_epoch: Callable[[EpochRecord], None],
    report: Callable[[str], None],
    name: str = "train",
) -> Iterator[Listener]:
    """A listener that shows the progress and passes everything on."""
    with tqdm(
        total=epochs,
        initial=done,
        desc=name,
        unit="epoch",
        disable=_is_hidden.get(),
        leave=False,
        bar_format=_LAYOUT,
    ) as bar:

        def show(record: EpochRecord) -> None:
            bar.set_postfix_str(
                f"loss {record.valid_loss:.4g}, error {record.valid_error:.4g}, "
                f"rate {record.learning_rate:.2g}, {record.rows_per_second:,.0f} rows/s"
            )
            move(record.epoch)
            on_epoch(record)

        def move(epochs_done: float) -> None:
            bar.update(epochs_done - bar.n)

        listener = Listener(on_epoch=show, on_share=move, report=report)
        yield listener if not bar.disable else Listener(on_epoch=on_epoch, report=report)

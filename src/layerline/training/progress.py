"""The progress bar: epoch, loss, error, rate, rows/s and the time left, on a terminal only."""

import contextlib
from collections.abc import Callable, Iterator

from tqdm import tqdm

from layerline.training.epoch_records import EpochRecord, Listener

_LAYOUT = (
    "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total} epochs [{elapsed}<{remaining}{postfix}]"
)


@contextlib.contextmanager
def progress(
    epochs: int,
    done: int,
    on_epoch: Callable[[EpochRecord], None],
    report: Callable[[str], None],
    name: str = "train",
) -> Iterator[Listener]:
    """A listener that shows the progress and passes everything on."""
    # disable=None: quiet when stderr is not a terminal.
    with tqdm(
        total=epochs,
        initial=done,
        desc=name,
        unit="epoch",
        disable=None,
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

"""Heavy imports, made cheaper in processes of our own."""

import gc

# Objects made between two collections; Python's own numbers are 700, 10 and 10.
THRESHOLDS = (100_000, 50, 100)


def collect_rarely() -> None:
    """Let the garbage collector run rarely in this process.

    Importing torch, scikit-learn or MLflow makes a million objects that all stay; looking at them
    again and again is a tenth to a third of what such an import costs.
    """
    gc.set_threshold(*THRESHOLDS)

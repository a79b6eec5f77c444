"""A project with code of the user's own in it: one file for each kind of component."""

from pathlib import Path

FILES = {
    "losses": """
import torch
from torch import nn
from torch.nn import functional as F

class Focal(nn.Module):
    def __init__(self, gamma: float = 2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, outputs, targets):
        loss = F.cross_entropy(outputs, targets, reduction="none")
        return (1 - torch.exp(-loss)) ** self.gamma * loss

def squared(outputs, targets, *, times: float = 1.0):
    return times * (outputs[:, 0] - targets) ** 2

def batch(outputs, targets):
    return F.cross_entropy(outputs, targets)

def pairs(outputs, targets):
    return outputs

def cut(outputs, targets):
    return outputs.detach().sum()

def fails(outputs, targets):
    raise ValueError("no loss today")

def alone(outputs):
    return outputs.sum()

number = 3
""",
    "scalers": """
import numpy as np

class Logs:
    def __init__(self, base: float = 2.0):
        self.base = base

    def fit(self, x):
        self.low_ = x.min(axis=0)

    def transform(self, x):
        return np.log(np.maximum(x - self.low_, 0) + 1) / np.log(self.base)

class Forgets(Logs):
    def fit(self, x):
        super().fit(x)
        self.hidden = x.mean(axis=0)

    def transform(self, x):
        return x - getattr(self, "hidden", 0.0)

class Ranks(Logs):
    def transform(self, x):
        return x.argsort(axis=0).argsort(axis=0).astype(float)

class Endless(Logs):
    def transform(self, x):
        with np.errstate(divide="ignore"):
            return np.log(x - self.low_)

class Halves(Logs):
    def transform(self, x):
        return x[:1]

class Objects(Logs):
    def fit(self, x):
        super().fit(x)
        self.kept_ = object()

class Nothing:
    pass
""",
    "sources": """
import numpy as np
import pandas as pd

def orders(*, path: str = "orders.txt", rows: int = 90):
    x = np.arange(rows)
    return pd.DataFrame({"pieces": x % 9, "price": x % 7 / 2, "kind": np.where(x % 3, "a", "b")})

def stripes(*, rows: int = 30):
    images = np.zeros((rows, 4, 5), np.uint8)
    images[::2, 1] = 255
    return images, pd.DataFrame({"kind": np.arange(rows) % 2})

def floats():
    return np.zeros((3, 4, 4)), pd.DataFrame({"kind": [0, 1, 0]})

def words():
    return "no table"

def away():
    raise ConnectionError("the shop is closed")

def broken():
    return pd.DataFrame({"kind": [1, 2]})["price"]
""",
    "rules": """
import pandas as pd

def few_pieces(frame):
    return frame["pieces"] < 8

def with_gaps(frame):
    return (frame["price"] > 1).astype("boolean").mask(frame["price"] < 1)

def total(frame):
    return bool((frame["pieces"] > 0).all())

def numbers(frame):
    return frame["price"]

def fails(frame):
    return frame["no such column"]
""",
    "metrics": """
import numpy as np

def cost(y_true, y_pred):
    return np.mean(np.where(y_true == y_pred, 0.0, np.where(y_true == "b", 5.0, 1.0)))

def largest_error(y_true, y_pred):
    return abs(y_true - y_pred).max()

def hits(y_true, y_pred):
    return np.mean(y_true == y_pred)

def rare(y_true, y_pred):
    if not (y_true == "b").any():
        raise ValueError("no row of b")
    return np.mean((y_true == "b") & (y_pred == "b"))

def all_different(y_true, y_pred):
    assert len(np.unique(y_true)) == len(y_true)
    return 1.0

def undefined(y_true, y_pred):
    return float("nan")

def two(y_true, y_pred):
    return [1.0, 2.0]

def fails(y_true, y_pred):
    return 1 // 0

def accuracy(y_true, y_pred):
    return 1.0
""",
}


def write_own_code(root: Path) -> None:
    """Write the files into the folder `mine` of a project."""
    for name, text in FILES.items():
        path = root / "mine" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

"""Peers of benchmarks/training.py: the textbook's loop, scikit-learn, skorch and Lightning."""

import dataclasses
import importlib.util
import logging
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from training_images import MEAN, SPREAD, Images

from layerline.training.dataset import Rows
from layerline.vision import torchvision_datasets

RATE = 1e-3


def plain_mlp(hidden: tuple[int, ...], d_in: int = 784, d_out: int = 10) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    for one, other in pairwise((d_in, *hidden)):
        layers += [nn.Linear(one, other), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], d_out))


def textbook_conv1x1() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 64, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 28 * 28, 256),
        nn.ReLU(),
        nn.Linear(256, 10),
    )


class _Pictures(Dataset[tuple[Tensor, int]]):
    """As torchvision.datasets.MNIST: an image of PIL and its transform, row by row."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        torchvision_datasets()  # makes the next import work beside a CPU torch
        from PIL import Image
        from torchvision import transforms

        self.x, self.y, self.open = x, y, Image.fromarray
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((MEAN,), (SPREAD,))]
        )

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.open(self.x[index].numpy())), int(self.y[index])


class Tutorial:
    """The loop of every MNIST tutorial."""

    def __init__(self, images: Images, network: nn.Module, batch_size: int) -> None:
        self.images, self.network = images, network
        pictures = _Pictures(images.train_x, images.train_y)
        self.loader = DataLoader(pictures, batch_size=batch_size, shuffle=True)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=RATE)

    def epoch(self) -> None:
        self.network.train()
        for data, target in self.loader:
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.network(data), target)
            loss.backward()
            self.optimizer.step()
        self.network.eval()
        with torch.no_grad():  # as ours, which validates each epoch
            for data, target in DataLoader(
                _Pictures(self.images.test_x, self.images.test_y), batch_size=1000
            ):
                F.cross_entropy(self.network(data), target)

    def accuracy(self) -> float:
        x, y = self.images.scaled("test")
        with torch.no_grad():
            return float((self.network.eval()(x).argmax(1) == y).double().mean())


@dataclasses.dataclass(frozen=True)
class Case:
    """A fit of a peer, and what ours needs to do the same."""

    name: str
    bar: str
    train: Rows
    valid: Rows
    hidden: tuple[int, ...]
    batch_size: int
    epochs: int
    fit: Callable[[], object]
    d_out: int = 10
    task: str = "multiclass"
    precision: str = "auto"


def digits() -> tuple[Rows, Rows]:
    """scikit-learn's digits, standardised; the last 200 are for validation."""
    x, y = load_digits(return_X_y=True)
    x = ((x - x.mean(0)) / (x.std(0) + 1e-6)).astype(np.float32)
    whole = Rows(torch.from_numpy(x), torch.from_numpy(y.astype(np.int64)))
    return Rows(whole.x, whole.y), Rows(whole.x[-200:], whole.y[-200:])


def cases(images: Images) -> Iterator[Case]:
    """Every comparison; skorch and Lightning where they are installed."""
    small = digits()
    pixels = [Rows(x.flatten(1), y) for x, y in (images.scaled("train"), images.scaled("test"))]
    big = (pixels[0], Rows(pixels[1].x[:500], pixels[1].y[:500]))
    yield _sklearn("scikit-learn, 1,797 × 64, 64-100-10, batch 64", "≥ 1", small, (100,), 64, 10)
    count = f"{len(big[0]):,} × 784"
    yield _sklearn(
        f"scikit-learn, {count}, 784-500-300-10, batch 256", "≥ 2", big, (500, 300), 256, 2
    )
    yield _sklearn(f"scikit-learn, {count}, 784-100-10, batch 200", "≥ 2", big, (100,), 200, 3)
    yield _regression(10_000)
    for library, fit in (("skorch", _skorch), ("lightning", _lightning)):
        if importlib.util.find_spec(library) is None:
            print(f'| {library} is not here: pip install -e ".[bench]" | | | | ≥ 1.5 |')
            continue
        for hidden, batch_size in (((500, 300), 256), ((500, 300), 64)):
            name = f"{library}, {count}, 784-500-300-10, batch {batch_size}"
            run = fit(big, hidden, batch_size, 2)
            yield Case(name, "≥ 1.5", *big, hidden, batch_size, 2, run, precision="float32")


def _sklearn(
    name: str, bar: str, rows: tuple[Rows, Rows], hidden: tuple[int, ...], batch: int, epochs: int
) -> Case:
    x, y = rows[0].x.numpy(), rows[0].y.numpy()
    return Case(
        name,
        bar,
        *rows,
        hidden,
        batch,
        epochs,
        _fit_sklearn(MLPClassifier, x, y, hidden, batch, epochs),
    )


def _regression(n_rows: int) -> Case:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n_rows, 30, generator=generator)
    y = (x[:, :5].sum(1) + x[:, 5] * x[:, 6]).tanh()
    train, valid = Rows(x, y), Rows(x[:500], y[:500])
    fit = _fit_sklearn(MLPRegressor, x.numpy(), y.numpy(), (256, 128), 200, 3)
    name = f"scikit-learn's regressor, {n_rows:,} × 30, 30-256-128-1, batch 200"
    return Case(name, "≥ 2", train, valid, (256, 128), 200, 3, fit, 1, "regression")


def _fit_sklearn(
    kind: type, x: object, y: object, hidden: tuple[int, ...], batch: int, epochs: int
) -> Callable[[], object]:
    def fit() -> object:
        model = kind(
            hidden_layer_sizes=hidden,
            batch_size=batch,
            max_iter=epochs,
            alpha=0.0,
            tol=0.0,
            n_iter_no_change=10**6,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(x, y)

    return fit


def _skorch(
    rows: tuple[Rows, Rows], hidden: tuple[int, ...], batch: int, epochs: int
) -> Callable[[], object]:
    from skorch import NeuralNetClassifier
    from skorch.helper import predefined_split

    valid = TensorDataset(rows[1].x, rows[1].y)

    def fit() -> object:
        model = NeuralNetClassifier(
            plain_mlp(hidden),
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            lr=RATE,
            batch_size=batch,
            max_epochs=epochs,
            train_split=predefined_split(valid),
            iterator_train__shuffle=True,
            verbose=0,
        )
        return model.fit(rows[0].x, rows[0].y)

    return fit


def _lightning(
    rows: tuple[Rows, Rows], hidden: tuple[int, ...], batch: int, epochs: int
) -> Callable[[], object]:
    torchvision_datasets()  # lightning's torchmetrics imports torchvision
    import lightning

    for name in ("lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")

    class Module(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = plain_mlp(hidden)

        def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
            return F.cross_entropy(self.network(batch[0]), batch[1])

        def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
            self.log("valid_loss", F.cross_entropy(self.network(batch[0]), batch[1]))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=RATE)

    def fit() -> object:
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        train, valid = (TensorDataset(part.x, part.y) for part in rows)
        loaders = DataLoader(train, batch, shuffle=True), DataLoader(valid, 500)
        trainer.fit(Module(), *loaders)
        return trainer

    return fit

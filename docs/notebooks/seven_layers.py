import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium")


@app.cell
def imports():
    import marimo as mo
    import numpy as np
    import torch
    from scipy.special import erf, expit

    from layerline.explorer.find_model import open_exhibit
    from layerline.explorer.network_layers import members_of
    from layerline.networks.ensemble import Ensemble
    from layerline.networks.trace import trace

    return Ensemble, erf, expit, members_of, mo, np, open_exhibit, torch, trace


@app.cell
def model(Ensemble, members_of, mo, open_exhibit):
    SOURCE = "textbook"  # where `layerline explore` found the model; None: models/
    exhibit = open_exhibit(SOURCE)
    whole = exhibit.model.network
    is_ensemble = isinstance(whole, Ensemble)
    network = whole.members[0] if is_ensemble else whole  # the member that is walked through
    layers = members_of(whole)[0]
    mo.md(f"# {exhibit.title}: {len(layers)} layers, one after the other")
    return exhibit, layers, network


@app.cell
def pictures(mo, np):
    def show(title, values):
        """A heading, and a square for each value: blue above zero, orange below."""
        highest = np.abs(values).max() or 1
        squares = "".join(
            f'<span title="{unit}: {value:.4g}" style="display: inline-block; width: 18px; '
            f"height: 18px; margin: 1px; border: 1px solid #8886; background: "
            f'rgba({"16, 82, 168" if value > 0 else "190, 88, 0"}, {abs(value) / highest:.2f})">'
            "</span>"
            for unit, value in enumerate(values[0])
        )
        n_zero = int((values == 0).sum())
        facts = f"{values.size} values, {values.min():.4g} to {values.max():.4g}; {n_zero} are 0."
        return mo.vstack([mo.md(f"## {title}"), mo.Html(f"<div>{squares}</div>"), mo.md(facts)])

    return (show,)


@app.cell
def choose_row(exhibit, mo):
    row = mo.ui.slider(0, len(exhibit.sample.rows) - 1, value=0, label="row")
    row
    return (row,)


@app.cell
def features(exhibit, np, row, show):
    x_0 = exhibit.features([row.value]).astype(np.float64)  # (1, F): scaled, as the network reads it
    show("Input", x_0)
    return (x_0,)


@app.cell
def layer_1(layers, np, show, x_0):
    def _forward(layer, x):
        z = x @ layer["weight"].T.astype(float)
        a = np.maximum(z, 0)
        return a

    x_1 = _forward(layers[0], x_0)
    show("Layer 1: 64 → 48, relu", x_1)
    return (x_1,)


@app.cell
def layer_2(layers, np, show, x_1):
    def _forward(layer, x):
        z = x @ layer["weight"].T.astype(float)
        a = np.maximum(z, 0)
        return a

    x_2 = _forward(layers[1], x_1)
    show("Layer 2: 48 → 40, relu", x_2)
    return (x_2,)


@app.cell
def layer_3(layers, np, show, x_2):
    def _forward(layer, x):
        z = x @ layer["weight"].T.astype(float)
        a = np.maximum(z, 0)
        return a

    x_3 = _forward(layers[2], x_2)
    show("Layer 3: 40 → 32, relu", x_3)
    return (x_3,)


@app.cell
def layer_4(layers, np, show, x_3):
    def _forward(layer, x):
        z = x @ layer["weight"].T.astype(float)
        a = np.maximum(z, 0)
        return a

    x_4 = _forward(layers[3], x_3)
    show("Layer 4: 32 → 24, relu", x_4)
    return (x_4,)


@app.cell
def layer_5(layers, np, show, x_4):
    def _forward(layer, x):
        z = x @ layer["weight"].T.astype(float)
        a = np.maximum(z, 0)
        return a

    x_5 = _forward(layers[4], x_4)
    show("Layer 5: 24 → 20, relu", x_5)
    return (x_5,)


@app.cell
def layer_6(layers, np, show, x_5):
    def _forward(layer, x):
        z = x @ layer["weight"].T.astype(float)
        a = np.maximum(z, 0)
        return a

    x_6 = _forward(layers[5], x_5)
    show("Layer 6: 20 → 16, relu", x_6)
    return (x_6,)


@app.cell
def layer_7(layers, show, x_6):
    def _forward(layer, x):
        z = x @ layer["weight"].T.astype(float)
        a = z
        return a

    x_7 = _forward(layers[6], x_6)
    show("Output: 16 → 10, linear", x_7)
    return (x_7,)


@app.cell
def compare(mo, network, np, torch, trace, x_0, x_7):
    traced = trace(network, torch.from_numpy(x_0).float())
    outputs = traced[-1].activation.numpy()
    np.testing.assert_allclose(x_7, outputs, rtol=1e-4, atol=1e-5)
    silent = {layer.name: int(layer.silent.sum()) for layer in traced if not layer.is_output}
    mo.md(f"NumPy and torch agree on the outputs. Silent units by layer: {silent}")
    return (outputs,)


@app.cell
def backward(exhibit, mo, network, np, row, torch, x_0):
    import copy

    def _loss(model, x, target):
        out = model.eval()(x)
        return torch.nn.functional.cross_entropy(out, target)

    rate = 0.01
    stepped = copy.deepcopy(network)
    x, target = torch.from_numpy(x_0).float(), exhibit.targets([row.value])
    before = _loss(stepped, x, target)
    before.backward()
    sizes = {name: float(p.grad.norm()) for name, p in stepped.named_parameters()}
    with torch.no_grad():
        for parameter in stepped.parameters():
            parameter -= rate * parameter.grad
        after = _loss(stepped, x, target)
    assert np.isfinite(list(sizes.values())).all()
    mo.md(f"Loss {before.item():.4g}, after one step at rate {rate}: {after.item():.4g}")
    return after, before, sizes


if __name__ == "__main__":
    app.run()

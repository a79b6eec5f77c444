"""A table in a notebook: train, look at the figures, predict, save.

`marimo edit docs/notebooks/first_model.py`, or run it as a script.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium")


@app.cell
def imports():
    import tempfile

    import marimo as mo
    from sklearn.datasets import load_wine

    import layerline

    return layerline, load_wine, mo, tempfile


@app.cell
def table(load_wine):
    wine = load_wine(as_frame=True)
    wines = wine.data.assign(cultivar=wine.target.map(dict(enumerate(("one", "two", "three")))))
    wines
    return (wines,)


@app.cell
def choose_width(mo):
    width = mo.ui.slider(8, 128, value=32, label="width of the hidden layer")
    width
    return (width,)


@app.cell
def train(layerline, width, wines):
    # One network; without `members=None` it is an ensemble of eight.
    model = layerline.fit(
        wines,
        target="cultivar",
        members=None,
        epochs=40,
        **{"options.hidden": [width.value]},
    )
    return (model,)


@app.cell
def figures(mo, model):
    accuracy = model.metrics["test"]["accuracy"]
    mo.md(f"The best of {len(model.history)} epochs is right for {accuracy:.1%} of the test rows.")
    return (accuracy,)


@app.cell
def curves(model):
    model.history
    return


@app.cell
def predict(model, wines):
    predicted = model.predict_frame(wines.drop(columns="cultivar").head())
    predicted
    return (predicted,)


@app.cell
def save(layerline, model, tempfile, wines):
    with tempfile.TemporaryDirectory() as folder:
        again = layerline.load(model.save(f"{folder}/wines"))
        is_same = (again.predict(wines) == model.predict(wines)).all()
    assert is_same
    return (is_same,)


if __name__ == "__main__":
    app.run()

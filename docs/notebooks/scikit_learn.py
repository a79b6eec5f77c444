"""Layerline's estimators among scikit-learn's: cross-validation, and a search over options.

`marimo edit docs/notebooks/scikit_learn.py`, or run it as a script.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium")


@app.cell
def imports():
    import marimo as mo
    import pandas as pd
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score

    from layerline import LayerlineClassifier

    return GridSearchCV, LayerlineClassifier, LogisticRegression, cross_val_score, load_iris, mo, pd


@app.cell
def data(load_iris):
    x, y = load_iris(return_X_y=True, as_frame=True)
    x
    return x, y


@app.cell
def compare(LayerlineClassifier, LogisticRegression, cross_val_score, pd, x, y):
    estimators = {
        "logistic regression": LogisticRegression(max_iter=500),
        "Layerline": LayerlineClassifier(hidden=(16,), epochs=8),
    }
    scores = pd.DataFrame(
        {name: cross_val_score(one, x, y, cv=2) for name, one in estimators.items()}
    )
    scores
    return (scores,)


@app.cell
def search(GridSearchCV, LayerlineClassifier, x, y):
    widths = {"hidden": [(8,), (32,)]}
    found = GridSearchCV(LayerlineClassifier(epochs=4), widths, cv=2).fit(x, y)
    return (found,)


@app.cell
def result(found, mo):
    mo.md(f"Best of the search: {found.best_params_}, accuracy {found.best_score_:.1%}.")
    return


if __name__ == "__main__":
    app.run()

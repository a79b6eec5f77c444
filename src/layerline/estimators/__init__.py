"""Layerline from Python: `layerline.fit`, `load`, `run`, and scikit-learn's estimators.

fitted_model.py    a model as a predictor, saved
user_table.py      frames and arrays as tables
changed_params.py  params changed by keyword arguments
frame_training.py  fit: the pipeline, in a frame
model_source.py    load: folders and registered models
project_run.py     run: `dvc repro` from Python
dealt_rows.py      estimators' rows by split, weighed
scikit_learn.py    LayerlineClassifier and LayerlineRegressor

Nothing here is imported with `layerline` itself: its names are looked up when they are used.
"""

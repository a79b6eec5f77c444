"""Evaluation: metrics, intervals, slices, calibration, plots and the model card.

evaluate.py                the evaluate stage's work
predictions.py             truth and predictions of rows
row_predictions.py         a network's predictions of rows
target_predictions.py      predictions of several targets
prediction_table.py        predictions as tables, reports/predictions.parquet
metrics.py                 the metrics of a split
target_metrics.py          metrics of several targets
own_metric.py              functions in the user's project
region_metrics.py          coverage and size of regions
observations.py            rows that count as one observation
resampling.py              bootstrap resamples of rows
bootstrap.py               confidence intervals, alone and paired
decision.py                from logits to a class
class_costs.py             what mistakes cost, by pair
conformal.py               intervals and sets of known coverage
conformal_folds.py         regions around each fold's answers
conformal_groups.py        groups with margins of their own
held_out.py                answers that decisions are fitted on
fit_decision.py            the decision, fitted on validation rows
temperature.py             temperature scaling, where it helps
thresholds.py              the best threshold of a binary task
baselines.py               simpler models for comparison
baseline_models.py         scikit-learn's, and what they predict
baseline_comparison.py     is the network worth it?
slices.py                  rows by level or range
slice_metrics.py           metrics of each slice
slice_coverage.py          what regions cover by slice
class_metrics.py           precision and recall per class
monotone_sweeps.py         do predictions rise as asked
permutation_importance.py  what each column contributes
worst_predictions.py       rows predicted worst
history.py                 reports/history.csv read back
training_diagnosis.py      how the training went
forgetting_report.py       transfer: what the source's rows lost
curves.py                  the numbers behind the plots
plots.py                   plots as PNG
evaluation_results.py      everything that evaluate found
looks.py                   how often test rows were used
report_writer.py           the files in reports/
model_card.py              the model card
model_card_sections.py     its tables and lists

To add a metric: see metrics.py; a baseline: see baseline_models.py.
"""

"""From raw columns to the network's arrays: fitted on train rows, frozen to numbers, applied.

preprocessor       all frozen parts together
fit_preprocessor   fits them with scikit-learn
numbers            numeric columns, frozen and fitted
dates              date columns, frozen and fitted
categories         categorical columns, frozen
encoders           categorical columns, fitted
imputers           what fills numeric gaps
scalers/           what scales numeric columns
target_transforms  regression targets and back
normal_quantiles   the normal distribution's quantiles
choices            which builder a column gets
reuse              an earlier preprocessor on new data
unfittable         what cannot be fitted, refused
"""

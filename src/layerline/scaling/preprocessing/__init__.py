"""From raw columns to the network's arrays.

Frozen, applied with numpy:
preprocessor  all of it       numbers, categories, dates, targets  its blocks
transforms    what scales numbers, column by column    normal      the normal distribution

Fitted with scikit-learn:
fitting       all of it, on train rows        refusing    what cannot be fitted
scalers, imputing, encoders                   how columns are treated, by name
"""

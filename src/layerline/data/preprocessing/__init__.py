"""From raw columns to the network's arrays.

preprocessor.py  the frozen form, applied with numpy     fitting.py  fitted with scikit-learn
scalers.py       how numeric columns are scaled, by name
"""

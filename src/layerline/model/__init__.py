"""The model: network, preprocessor and spec together, what a user predicts with."""

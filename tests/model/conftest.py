"""Checkouts and a store, as tests/registered.py makes them."""

from registered import clean_environment, fresh, made, python, store

__all__ = ["clean_environment", "fresh", "made", "python", "store"]

"""A checkout's scaled table and a source, as tests/transfers.py makes them."""

from transfers import lab, source

__all__ = ["lab", "source"]

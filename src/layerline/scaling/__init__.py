"""Scaling: rows split, and columns made into the network's arrays."""

"""Kernels: hand-written speed for what PyTorch runs slowly on a CPU; no module above is needed."""

"""Kernels: hand-written speed for what PyTorch runs slowly, called as torch itself would be.

LAYERLINE_KERNELS=torch turns all of them off, and every result is then the same to rounding.
benchmarks/kernels.py prints what each of them brings.

switch          which kernels are on
linear          linear layers on oneDNN
dropout         masks drawn four at once
batch_norm      batch norm inside the chain
ranks           a training's processes, and batches
shared_norm     batch norm over all ranks
products        a link's product and gradients
chain           linear layers without autograd
row_type        rows kept in bfloat16
cross_entropy   cross entropy and its gradient
optimizer_step  the bare step of an optimizer
bin_search      the bin of each value
bin_tables      piecewise-linear embeddings by tables
waves           cosines and sines of embeddings
pixels          fast forms of first layers
pixel_tables    ReLUs of pixels by tables
pixel_groups    ReLUs of pixels in groups
cuda_graphs     whole steps recorded on CUDA

To add one: a file here, its name in switch.KERNELS, a case in benchmarks/kernels.py, and a test
that compares it with plain torch.
"""

"""Triton kernels for GPUs, each next to the torch code (`reference`) that it must equal.

They take images in channels_last memory, in fp16, bf16 or float32, and sum in float32. Each is a custom operator of
torch, so fake tensors and torch.compile know the shapes of its results. The modules of kernels need Triton: import them
only after `choose_kernels` has found that kernels run.
"""

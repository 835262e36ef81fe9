"""Triton kernels for predictions on GPUs, each beside the plain torch code that it must equal.

They take images in channels_last memory, in fp16, bf16 or float32, and sum in float32. Each is an operator of torch's,
so that fake tensors and torch.compile know the shape of what it gives. These modules need Triton: they are imported
where `engine.inference.kernel_layers` has found that there is one.
"""

"""Data, truths and known mistakes of the exercises, by topic.

A truth is PyTorch with autograd, or written out element by element: never the way a solution is written. A mistake is
NumPy, as a student would write it. Data must be able to fail: random gains, biases and gradients, unequal lengths,
sizes that all differ where a mistake would otherwise stay hidden, and equal where it would only raise an error.
"""

"""The GPT of XTTS v2: codes and latents of many sentences from one KV cache, drawn step by step.

Begin with ``scheduler`` (in-flight batching), then ``stepper`` (the network) and ``sampling``.
"""

"""SadTalker (Zhang et al., 2023, arXiv:2211.12194): work of its Triton models, without torch.

Begin with ``rendering`` (a clip's frames), then ``motion`` (its key points) and ``portrait`` (the crop).
"""

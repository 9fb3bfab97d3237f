"""The network, with the released checkpoint's names and shapes.

Method: X. Wang, Y. Li, H. Zhang, Y. Shan, "Towards Real-World Blind Face Restoration with Generative Facial
Prior", 2021 (arXiv:2101.04061); the decoder's is that of T. Karras et al., "Analyzing and Improving the Image
Quality of StyleGAN", 2020 (arXiv:1912.04958). Layout: GFPGANv1Clean as released with v1.4.

Begin with ``restorer``; ``decoder`` and ``modulation`` are StyleGAN2's.
"""

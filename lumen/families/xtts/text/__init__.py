"""Text of 17 languages becomes the pieces that the GPT speaks, with the reference's tokenizer and limits.

Begin with ``tokenizer``; ``splitting`` cuts the text, ``lengths`` bounds the speech.
"""

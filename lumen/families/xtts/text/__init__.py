"""Text of 17 languages -> the pieces that the GPT speaks, with the reference's tokenizer and limits."""

"""Text for the ear: what a writer wrote becomes sentences that a voice can speak.

Begin with `stream.spoken_sentences`, which goes through the steps: hidden spans, blocks and sentences,
markdown, spoken form. `language` and `speakable` check a text against what a voice can read.
"""

"""The GPT of XTTS v2: many sentences' codes and latents from one KV cache, drawn step by step."""

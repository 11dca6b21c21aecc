"""New tokens a second of transformers, the peer of generation.rs.

    python generation.py MODEL PROMPTS ANSWERS PROMPT_TOKENS NEW THREADS
"""

import sys
import time

import torch
from transformers import AutoModelForCausalLM

path = sys.argv[1]
n_prompts, n_answers, n_tokens, new, threads = map(int, sys.argv[2:])
torch.set_num_threads(threads)
model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
prompts = torch.tensor(
    [[(i * 7919 + prompt * 104729) % 400 + 3 for i in range(n_tokens)] for prompt in range(n_prompts)]
)
for _ in range(2):
    begin = time.perf_counter()
    with torch.no_grad():
        out = model.generate(
            prompts, attention_mask=torch.ones_like(prompts), do_sample=True, top_k=0, num_return_sequences=n_answers,
            max_new_tokens=new, min_new_tokens=new,
        )
    rate = out.shape[0] * new / (time.perf_counter() - begin)
print(rate)

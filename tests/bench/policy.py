"""Seconds of an RLOO step of TRL, and the peak memory of its process: the peer of policy.rs.

    python policy.py MODEL PROMPTS ANSWERS NEW THREADS f32|bf16
"""

import logging
import resource
import sys
import tempfile
import time

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import RLOOConfig, RLOOTrainer

path = sys.argv[1]
n_prompts, n_answers, new, threads = map(int, sys.argv[2:6])
precision = sys.argv[6]
torch.set_num_threads(threads)
logging.disable(logging.WARNING)
tokenizer = AutoTokenizer.from_pretrained(path)
model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
steps = 3


class Clock(TrainerCallback):
    times = []

    def on_step_begin(self, args, state, control, **kwargs):
        self.begin = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        self.times.append(time.perf_counter() - self.begin)


def words(prompt):
    return " ".join(f"word{(i * 7919 + prompt * 104729) % 97}" for i in range(8))


data = Dataset.from_dict({"prompt": [words(i) for i in range(n_prompts * steps)]})
with tempfile.TemporaryDirectory() as out:
    trainer = RLOOTrainer(
        model=model,
        reward_funcs=lambda completions, **_: [float(len(text) % 7) for text in completions],
        args=RLOOConfig(
            output_dir=out, per_device_train_batch_size=n_prompts * n_answers, num_generations=n_answers,
            max_completion_length=new, generation_kwargs={"min_new_tokens": new}, max_steps=steps, use_cpu=True,
            gradient_checkpointing=False, report_to=[], save_strategy="no", disable_tqdm=True, beta=0.05,
            bf16=precision == "bf16",
        ),
        train_dataset=data,
        processing_class=tokenizer,
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
        callbacks=[Clock()],
    )
    trainer.train()
print(min(Clock.times[1:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)

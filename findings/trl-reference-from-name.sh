#!/usr/bin/env bash
# What one would guess: fine-tune a model with one trainer, hand the same
# object to the next one, and its reference is that fine-tuned model. (The
# docs of DPO say "the model state before DPO training starts", and its error
# message "we'll initialize it to a copy of `model` for you".)
#
# What happens: where no reference is given, DPO loads one again from the name
# that the model was once loaded by. It is the model before the fine-tuning.
# RLOO and GRPO, which take no reference, do the same: their divergence is
# large before the first step, and its penalty pulls the policy back to what
# it was before. Nothing is said of it.
#
# Versions: torch 2.15.0, transformers 5.24.0, trl 1.16.0, datasets 5.2.0.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 HF_HOME="$work/home"

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet \
    torch==2.15.0 transformers==5.24.0 trl==1.16.0 datasets==5.2.0

cat >"$work/see.py" <<'PY'
import sys

import datasets
import torch
import transformers
import trl
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

work = sys.argv[1]
for package in (torch, transformers, trl, datasets):
    print(package.__name__, package.__version__)

words = {"<pad>": 0, "<eos>": 1, "good": 2, "bad": 3, "day": 4, "night": 5}
backend = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
backend.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>")
torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=6, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
    num_attention_heads=2, num_key_value_heads=2, pad_token_id=0, eos_token_id=1,
)
LlamaForCausalLM(config).save_pretrained(work + "/base")
common = {"use_cpu": True, "bf16": False, "report_to": [], "save_strategy": "no"}

# One script: load, fine-tune, then go on with the same model object.
model = AutoModelForCausalLM.from_pretrained(work + "/base")
trl.SFTTrainer(
    model=model,
    args=trl.SFTConfig(work + "/sft", max_steps=30, learning_rate=0.05, **common),
    processing_class=tokenizer,
    train_dataset=datasets.Dataset.from_dict({"text": ["good day"] * 8}),
).train()

prompts = datasets.Dataset.from_dict({"prompt": ["good", "bad"]})
pairs = datasets.Dataset.from_dict({"prompt": ["good"], "chosen": [" day"], "rejected": [" night"]})


def no_reward(completions, **_):
    return [0.0] * len(completions)


def sampler(trainer, config, **settings):
    args = config(
        work + "/run", per_device_train_batch_size=4, num_generations=2, max_completion_length=4,
        **settings, **common,
    )
    return trainer(
        model=model, reward_funcs=no_reward, args=args, train_dataset=prompts, processing_class=tokenizer
    )


trainers = [
    trl.DPOTrainer(
        model=model, args=trl.DPOConfig(work + "/run", **common), train_dataset=pairs,
        processing_class=tokenizer,
    ),
    sampler(trl.RLOOTrainer, trl.RLOOConfig),
    sampler(trl.GRPOTrainer, trl.GRPOConfig, beta=0.04),
]
base = AutoModelForCausalLM.from_pretrained(work + "/base")
ids = torch.tensor([[2, 4, 1]])


def gap(one, other):
    with torch.no_grad():
        return (one(ids).logits - other(ids).logits).abs().max().item()


for trainer in trainers:
    name, reference = type(trainer).__name__, trainer.ref_model
    to_policy, to_base = gap(reference.to("cpu"), model), gap(reference, base)
    print(f"{name}: reference is {to_policy:.3f} from the policy, {to_base:.3f} from the file")
    assert to_base == 0.0 < 0.1 < to_policy

rows = [row for row in prompts for _ in range(2)]
for trainer in trainers[1:]:
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    batch = trainer._generate_and_score_completions(rows)
    trainer._compute_loss(trainer.model, batch)
    kl = trainer._metrics["train"]["kl"][-1]
    print(f"{type(trainer).__name__}: kl before the first step is {kl:.3f} nats a token")
    assert kl > 0.1
PY
"$work/venv/bin/python" "$work/see.py" "$work"

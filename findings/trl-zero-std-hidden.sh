#!/usr/bin/env bash
# What one would guess: `frac_reward_zero_std` is the share of prompts whose
# answers all got the same reward, so that it warns where nothing can be
# learned. GRPO by default does it so.
#
# What happens: with `scale_rewards="batch"` GRPO takes the standard deviation
# of the batch for it. It says 0 although every answer of every prompt has the
# same reward as its siblings and all advantages are 0. RLOO takes it after
# the penalty on the divergence, which differs between any two answers: with
# its default `beta` it says 0 from the first update on, and the advantages
# that are left are the penalty alone.
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
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

work = sys.argv[1]
for package in (torch, transformers, trl, datasets):
    print(package.__name__, package.__version__)

words = {"<pad>": 0, "<eos>": 1, "good": 2, "bad": 3, "day": 4, "night": 5}
backend = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
backend.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>")
config = LlamaConfig(
    vocab_size=6, hidden_size=16, intermediate_size=16, num_hidden_layers=1, initializer_range=0.3,
    num_attention_heads=2, num_key_value_heads=2, pad_token_id=0, eos_token_id=1,
)
torch.manual_seed(0)
LlamaForCausalLM(config).save_pretrained(work + "/policy")
torch.manual_seed(1)
other = LlamaForCausalLM(config)
prompts = ["good", "bad", "day", "night"]


def by_prompt(prompts, **_):
    """Answers to one prompt all get the same reward: nothing can be learned."""
    return [float(prompt == "good") for prompt in prompts]


def see(trainer, config, **settings):
    trainer = trainer(
        model=LlamaForCausalLM.from_pretrained(work + "/policy"),
        reward_funcs=by_prompt,
        args=config(
            work + "/run", per_device_train_batch_size=8, num_generations=2, max_completion_length=6,
            use_cpu=True, bf16=False, report_to=[], save_strategy="no", **settings,
        ),
        train_dataset=datasets.Dataset.from_dict({"prompt": prompts}),
        processing_class=tokenizer,
    )
    if trainer.ref_model is not None:
        # A policy some steps later, for which another reference stands.
        trainer.ref_model.load_state_dict(other.state_dict())
    trainer.model.train()
    torch.manual_seed(2)
    batch = trainer._generate_and_score_completions(
        [{"prompt": prompt} for prompt in prompts for _ in range(2)]
    )
    share = trainer._metrics["train"]["frac_reward_zero_std"][-1]
    print(type(trainer).__name__, settings or "as it is by default")
    print("  frac_reward_zero_std:", share)
    print("  advantages:", [round(it, 3) for it in batch["advantages"].tolist()])
    return share, batch["advantages"].abs().max().item()


assert see(trl.GRPOTrainer, trl.GRPOConfig) == (1.0, 0.0)
assert see(trl.GRPOTrainer, trl.GRPOConfig, scale_rewards="none") == (1.0, 0.0)
assert see(trl.GRPOTrainer, trl.GRPOConfig, scale_rewards="batch") == (0.0, 0.0)
assert see(trl.RLOOTrainer, trl.RLOOConfig, beta=0.0) == (1.0, 0.0)
share, largest = see(trl.RLOOTrainer, trl.RLOOConfig)
assert share == 0.0 and largest > 0.0
PY
"$work/venv/bin/python" "$work/see.py" "$work"

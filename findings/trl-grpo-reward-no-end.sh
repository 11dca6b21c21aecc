#!/usr/bin/env bash
# What one would guess: a reward model that `RewardTrainer` trained is asked,
# as `reward_funcs` of `GRPOTrainer`, about the text that it was trained on:
# prompt, answer, and the end token that an ended answer has.
#
# What happens: where prompts are plain strings, `RewardTrainer` adds the end
# token to every text and the reward is read there. `GRPOTrainer` decodes the
# answer without special tokens and tokenizes prompt + answer again without
# any, so the reward is read at the last word. An answer that ended and one
# that was cut at the same word get the same reward, and no text is one that
# the reward model has seen the end of. (Conversational prompts go through the
# chat template, which writes the end.)
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
from transformers import (
    LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast,
)

work = sys.argv[1]
for package in (torch, transformers, trl, datasets):
    print(package.__name__, package.__version__)

words = {"<pad>": 0, "<eos>": 1, "good": 2, "bad": 3, "day": 4, "night": 5}
backend = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
backend.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>")
sizes = dict(
    vocab_size=6, hidden_size=16, intermediate_size=16, num_hidden_layers=1, initializer_range=0.3,
    num_attention_heads=2, num_key_value_heads=2, pad_token_id=0, eos_token_id=1,
)
torch.manual_seed(0)
policy = LlamaForCausalLM(LlamaConfig(**sizes))
torch.manual_seed(1)
reward = LlamaForSequenceClassification(LlamaConfig(num_labels=1, **sizes))

# What the reward model is trained on.
pairs = datasets.Dataset.from_dict({"prompt": ["good"], "chosen": [" day"], "rejected": [" night"]})
trainer = trl.RewardTrainer(
    model=reward, processing_class=tokenizer, train_dataset=pairs,
    args=trl.RewardConfig(work + "/reward", use_cpu=True, bf16=False, report_to=[]),
)
row = trainer.train_dataset[0]
trained = row.get("chosen_ids", row.get("chosen_input_ids"))
print("RewardTrainer reads:", trained)

# What it is asked as a reward.
read = []
forward = LlamaForSequenceClassification.forward


def watched(self, input_ids=None, attention_mask=None, **rest):
    for ids, mask in zip(input_ids, attention_mask):
        read.append([int(id) for id, there in zip(ids, mask) if there])
    return forward(self, input_ids=input_ids, attention_mask=attention_mask, **rest)


LlamaForSequenceClassification.forward = watched
answers = []


def remember(completion_ids, **_):
    """No reward at all: it keeps the tokens of the answers."""
    answers.extend(completion_ids)
    return [0.0] * len(completion_ids)


trainer = trl.GRPOTrainer(
    model=policy, reward_funcs=[reward, remember],
    reward_processing_classes=[tokenizer, None], processing_class=tokenizer,
    args=trl.GRPOConfig(
        work + "/run", per_device_train_batch_size=16, num_generations=2, max_completion_length=12,
        use_cpu=True, bf16=False, report_to=[], save_strategy="no",
    ),
    train_dataset=datasets.Dataset.from_dict({"prompt": ["good", "bad", "day", "night"] * 2}),
)
trainer.model.train()
torch.manual_seed(2)
trainer._generate_and_score_completions(
    [{"prompt": prompt} for prompt in ["good", "bad", "day", "night"] * 2 for _ in range(2)]
)
n_ended = sum(ids[-1] == 1 for ids in answers)
n_read = sum(ids[-1] == 1 for ids in read)
print(len(answers), "answers;", n_ended, "end with <eos>; the reward model reads it in", n_read)
print("first answer that ends:", next(ids for ids in answers if ids[-1] == 1))
assert trained[-1] == 1
assert n_ended > 0 and n_read == 0
PY
"$work/venv/bin/python" "$work/see.py" "$work"

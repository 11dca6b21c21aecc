#!/usr/bin/env bash
# What one would guess: a reward model of the decoder kind gives the reward at
# the end token, which the trainer takes care to put after each answer.
#
# What happens: where the tokenizer has no padding token, the trainer makes
# the end token the padding token, and writes that into the model it saves.
# The reward is read at the last token that is no padding, which is now the
# token BEFORE the end token: a text scores the same with the end token,
# without it, and with two of them. With another padding token set, the same
# weights tell these texts apart.
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
from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedTokenizerFast

work = sys.argv[1]
for package in (torch, transformers, trl, datasets):
    print(package.__name__, package.__version__)

words = {"<unk>": 0, "<s>": 1, "</s>": 2, "good": 3, "bad": 4, "day": 5}
backend = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
backend.pre_tokenizer = pre_tokenizers.Whitespace()
backend.add_special_tokens(["<unk>", "<s>", "</s>"])
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
)
torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=6, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
    num_attention_heads=2, num_key_value_heads=2, num_labels=1, eos_token_id=2,
)
pairs = {"chosen": ["good day", "good"], "rejected": ["bad day", "bad"]}
trainer = trl.RewardTrainer(
    model=LlamaForSequenceClassification(config),
    args=trl.RewardConfig(work + "/run", max_steps=1, use_cpu=True, bf16=False, report_to=[]),
    processing_class=tokenizer,
    train_dataset=datasets.Dataset.from_dict(pairs),
)
trained_on = trainer.train_dataset[0]["chosen_ids"]
trainer.train()
trainer.save_model(work + "/model")
model = LlamaForSequenceClassification.from_pretrained(work + "/model").eval()


def scores():
    texts = ([3, 5], [3, 5, 2], [3, 5, 2, 2])
    with torch.no_grad():
        return [model(input_ids=torch.tensor([ids])).logits.item() for ids in texts]


saved_pad, as_saved = model.config.pad_token_id, scores()
model.config.pad_token_id = 0
other_pad = scores()
print("tokens of an answer in training:", trained_on)
print("end token 2, padding token of the saved model:", saved_pad)
print("scores with no, one and two end tokens, as saved:", as_saved)
print("the same with padding token 0:", other_pad)

assert trained_on == [3, 5, 2] and saved_pad == 2
assert max(as_saved) - min(as_saved) < 1e-6
assert abs(other_pad[0] - as_saved[0]) < 1e-6 < 1e-4 < abs(other_pad[1] - as_saved[1])
PY
"$work/venv/bin/python" "$work/see.py" "$work"

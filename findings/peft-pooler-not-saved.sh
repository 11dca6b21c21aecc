#!/usr/bin/env bash
# What one would guess: a classification adapter holds all that was made new
# for its task, so that base and adapter together give the trained scores.
#
# What happens: the head of a BERT classifier is two layers, a pooler and a
# classifier. A base that was trained on masked words has neither, so both are
# drawn at random. The adapter saves the classifier and not the pooler; at each
# load the pooler is drawn anew and the saved classifier reads a layer it has
# never seen. The load's report names both layers as missing, though the
# classifier then comes from the adapter.
#
# Versions: torch 2.15.0, transformers 5.24.0, peft 0.21.2.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 HF_HOME="$work/home"

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet \
    torch==2.15.0 transformers==5.24.0 peft==0.21.2

cat >"$work/see.py" <<'PY'
import sys

import peft
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, BertConfig, BertForMaskedLM

work = sys.argv[1]
print("torch", torch.__version__)
print("transformers", transformers.__version__)
print("peft", peft.__version__)
transformers.logging.set_verbosity_error()

torch.manual_seed(0)
config = BertConfig(
    vocab_size=32,
    hidden_size=16,
    intermediate_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    initializer_range=0.5,
)
BertForMaskedLM(config).save_pretrained(work + "/base")
ids = torch.arange(1, 9)[None]


def base():
    path = work + "/base"
    return AutoModelForSequenceClassification.from_pretrained(path, num_labels=1)


def score(model):
    with torch.no_grad():
        return model.eval()(input_ids=ids).logits.item()


# Random adapter weights stand for trained ones.
settings = peft.LoraConfig(task_type="SEQ_CLS", r=2, init_lora_weights=False)
trained = peft.get_peft_model(base(), settings)
trained.save_pretrained(work + "/adapter")
names = list(load_file(work + "/adapter/adapter_model.safetensors"))
loads = [score(peft.PeftModel.from_pretrained(base(), work + "/adapter")) for _ in range(3)]

print("saved outside the adapter layers:", [name for name in names if "lora" not in name])
print("score when saved:", score(trained))
print("score at each load:", loads)

assert any("classifier" in name for name in names)
assert not any("pooler" in name for name in names)
everything = [score(trained), *loads]
assert all(abs(a - b) > 1e-3 for i, a in enumerate(everything) for b in everything[:i])
PY
"$work/venv/bin/python" "$work/see.py" "$work"

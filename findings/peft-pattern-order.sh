#!/usr/bin/env bash
# What one would guess: an adapter that is saved and loaded again gives the
# outputs it had when it was saved.
#
# What happens: the first key of `alpha_pattern` that matches a module decides
# its scale, so the order of the keys counts. The adapter's configuration is
# written with its keys sorted, and after loading another key comes first.
# Here the short suffix stands first and rules every layer; in the file the
# longer name stands first and rules its layer, whose scale becomes sixteen
# times as large. Nothing is said when saving or loading.
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
import json
import sys

import peft
import torch
import transformers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

work = sys.argv[1]
print("torch", torch.__version__)
print("transformers", transformers.__version__)
print("peft", peft.__version__)

torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=32,
    hidden_size=32,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=2,
)
LlamaForCausalLM(config).save_pretrained(work + "/base")

PATTERN = {"q_proj": 2, "layers.1.self_attn.q_proj": 32}


def base():
    return AutoModelForCausalLM.from_pretrained(work + "/base").eval()


def scales(model):
    layers = [m for m in model.modules() if isinstance(m, peft.tuners.lora.Linear)]
    return [layer.scaling["default"] for layer in layers]


# Random adapter weights stand for trained ones.
before = peft.get_peft_model(
    base(),
    peft.LoraConfig(
        r=4, target_modules=["q_proj"], alpha_pattern=PATTERN, init_lora_weights=False
    ),
).eval()
before.save_pretrained(work + "/adapter")
after = peft.PeftModel.from_pretrained(base(), work + "/adapter").eval()

with open(work + "/adapter/adapter_config.json") as file:
    saved = list(json.load(file)["alpha_pattern"])
ids = torch.arange(1, 9)[None]
with torch.no_grad():
    gap = (before(input_ids=ids).logits - after(input_ids=ids).logits).abs().max().item()

print("keys as given:", list(PATTERN))
print("keys as saved:", saved)
print("scales of the two layers when saved:", scales(before))
print("scales of the two layers when loaded:", scales(after))
print("largest difference of the outputs:", gap)

assert saved == sorted(PATTERN) != list(PATTERN)
assert scales(before) == [0.5, 0.5]
assert scales(after) == [0.5, 8.0]
assert gap > 1e-3
PY
"$work/venv/bin/python" "$work/see.py" "$work"

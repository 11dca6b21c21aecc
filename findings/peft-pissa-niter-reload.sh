#!/usr/bin/env bash
# What one would guess: loading one saved adapter twice over one base model
# gives the same outputs twice.
#
# What happens: an adapter that was started with `pissa_niter_4` is not made
# to stand alone by a plain save. At each load the start is worked out anew
# from the base's weights, with a randomized factorization, and taken away
# from the base; the saved weights are then put on top. The random part is
# drawn anew each time, so two loads differ from the trained model and from
# one another, without a warning. With the exact start, `pissa`, the same
# steps give back the trained model.
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
import warnings

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
ids = torch.arange(1, 9)[None]


def base():
    return AutoModelForCausalLM.from_pretrained(work + "/base").eval()


def gaps(start):
    """Trained model against a load, and that load against a second one."""
    model = peft.get_peft_model(
        base(),
        peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=start),
    )
    step = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    for _ in range(5):
        step.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        step.step()
    model.eval().save_pretrained(work + "/" + start)
    with warnings.catch_warnings(record=True) as seen, torch.no_grad():
        warnings.simplefilter("always")
        loads = [peft.PeftModel.from_pretrained(base(), work + "/" + start) for _ in range(2)]
        first, second = (load.eval()(input_ids=ids).logits for load in loads)
        trained = model(input_ids=ids).logits
    assert not any("pissa" in str(one.message).lower() for one in seen)
    return (trained - first).abs().max().item(), (first - second).abs().max().item()


exact, randomized = gaps("pissa"), gaps("pissa_niter_4")
print("pissa: trained against loaded %g, load against load %g" % exact)
print("pissa_niter_4: trained against loaded %g, load against load %g" % randomized)

assert max(exact) < 1e-5
assert min(randomized) > 1e-3
PY
"$work/venv/bin/python" "$work/see.py" "$work"

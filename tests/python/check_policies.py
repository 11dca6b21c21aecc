#!/usr/bin/env python3
"""Compares exported policies in transformers and PEFT with what `ser` said of them.

    check_policies.py --step make|check --cases DIR --stories DIR

`make` saves small base models of several families below DIR/bases, some with an output head of their own,
one with a `generation_config.json` and one with a chat template. `check` reads DIR/cases.json: for each
policy the tokens of some prompts, its greedy answers of up to 64 tokens, and the log-probability and the
entropy at each of their tokens. Ends with 0 when prompts and answers are the same tokens and every largest
difference is within 1e-4, with 77 (and the reason) when a Python package is missing, with 1 otherwise.
"""

import argparse
import importlib
import json
import os
import pathlib
import sys

PACKAGES = ["torch", "transformers", "peft"]
SKIPPED = 77
TOLERANCE = 1e-4
N_TOKENS = 64
CHATML = ("{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
          "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def make(cases, stories):
    import torch
    from transformers import (AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig,
                              MistralConfig, Qwen2Config, Qwen3Config)

    shape = dict(vocab_size=512, hidden_size=64, intermediate_size=96, num_hidden_layers=3,
                 num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
                 bos_token_id=1, eos_token_id=2, initializer_range=0.15)
    configs = {
        "llama-untied": LlamaConfig(**shape, tie_word_embeddings=False),
        "mistral-window": MistralConfig(**shape, tie_word_embeddings=False, sliding_window=16),
        "qwen2-tied": Qwen2Config(**shape, tie_word_embeddings=True),
        "qwen3-untied": Qwen3Config(**shape, head_dim=16, tie_word_embeddings=False),
    }
    for seed, (name, config) in enumerate(configs.items()):
        torch.manual_seed(seed)
        out = cases / "bases" / name
        model = AutoModelForCausalLM.from_config(config)
        model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=[2, 7], do_sample=True,
                                                   temperature=0.7, top_p=0.9)
        model.save_pretrained(out)
        tokenizer = AutoTokenizer.from_pretrained(stories)
        if name.startswith("qwen2"):
            tokenizer.chat_template = CHATML
        tokenizer.save_pretrained(out)
        if name.startswith("llama"):
            (out / "generation_config.json").unlink()
    return 0


def greedy(model, prompt):
    import torch

    inputs = torch.tensor([prompt])
    found = model.generate(inputs, attention_mask=torch.ones_like(inputs), do_sample=False,
                           max_new_tokens=N_TOKENS, temperature=None, top_p=None, top_k=None)
    return found[0, len(prompt):].tolist()


def said(model, prompt, answer):
    """Log-probability of each token of the answer, and the entropy before it."""
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1:-1].double()
    logs = torch.log_softmax(logits, dim=-1)
    at = logs.gather(1, torch.tensor(answer).unsqueeze(1))[:, 0]
    return at.tolist(), (-(logs.exp() * logs).sum(-1)).tolist()


def compare(name, model, tokenizer, case, failures):
    model.eval()
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    if sorted(ends) != sorted(case["ends"]):
        failures.append(f"{name}: ends {ends}, not {case['ends']}")
    largest, moved, n_tokens = 0.0, 0.0, 0
    for it in case["answers"]:
        if it["is_chat"]:
            messages = [{"role": "user", "content": it["asked"]}]
            prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True,
                                                   tokenize=True, return_dict=False)
        else:
            prompt = tokenizer(it["asked"])["input_ids"]
        if prompt != it["prompt"]:
            failures.append(f"{name}: {it['asked']!r} is {prompt}, not {it['prompt']}")
            continue
        answer = greedy(model, prompt)
        if answer != it["answer"]:
            failures.append(f"{name}: {it['asked']!r} is answered by {answer}, not {it['answer']}")
        logs, entropies = said(model, prompt, it["answer"])
        for ours, theirs in [(it["log_probs"], logs), (it["entropies"], entropies)]:
            largest = max([largest, *(abs(a - b) for a, b in zip(ours, theirs, strict=True))])
        moved = max([moved, *(abs(a - b) for a, b in zip(it["log_probs"], it["before"], strict=True))])
        n_tokens += len(answer)
    print(f"{name:38} {n_tokens:4} tokens  largest difference {largest:.1e}  moved by {moved:.2f}", flush=True)
    if largest > TOLERANCE:
        failures.append(f"{name}: a difference of {largest}")
    if moved < 0.05:
        failures.append(f"{name}: training has moved nothing")


def check(cases):
    import torch
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    failures = []
    for case in json.loads((cases / "cases.json").read_text()):
        directory = case["model"]
        model, info = AutoModelForCausalLM.from_pretrained(directory, output_loading_info=True)
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if info[kind]:
                failures.append(f"{directory}: {kind} {sorted(info[kind])}")
        if model.dtype != torch.float32:
            failures.append(f"{directory}: {model.dtype}")
        tokenizer = AutoTokenizer.from_pretrained(directory)
        if tokenizer.pad_token is None or tokenizer.padding_side != "left":
            failures.append(f"{directory}: pads with {tokenizer.pad_token} on the {tokenizer.padding_side}")
        compare(f"{case['name']}: transformers", model, tokenizer, case, failures)
        if case["adapter"] is not None:
            model = AutoPeftModelForCausalLM.from_pretrained(case["adapter"], dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(case["adapter"])
            # PEFT takes the base's settings; those of the adapter are the same where the base has some.
            model.generation_config.eos_token_id = json.loads(
                (pathlib.Path(case["adapter"]) / "generation_config.json").read_text())["eos_token_id"]
            compare(f"{case['name']}: PEFT", model, tokenizer, case, failures)
    for failure in failures:
        print(f"failed: {failure}")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", choices=["make", "check"], required=True)
    for name in ("cases", "stories"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    arguments, _ = parser.parse_known_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    missing = []
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing.append(f"{name} ({error})")
    if missing:
        print(f"skipped: {sys.executable} lacks {', '.join(missing)}")
        return SKIPPED
    if arguments.step == "make":
        versions = [f"{name} {importlib.import_module(name).__version__}" for name in PACKAGES]
        print(f"Python {sys.version.split()[0]}, {', '.join(versions)}", flush=True)
        return make(arguments.cases, arguments.stories)
    return check(arguments.cases)


if __name__ == "__main__":
    sys.exit(main())

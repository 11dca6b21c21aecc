#!/usr/bin/env python3
"""Compares the rewards of `ser` with those of transformers and PEFT, in both directions.

    check_exports.py --ser PROGRAM --models DIR --pairs FILE.jsonl.gz --work DIR

Trains small runs, exports each, loads the exports with transformers, PEFT and TRL, and scores 200
pairs in both programs; then saves models with transformers and PEFT and scores them with `ser`.
Where there is a chat template, transformers reads what its `apply_chat_template` writes.
Ends with 0 when every largest difference is within 1e-4 and TRL takes a step on exported labels,
with 77 (and the reason) when a Python package or a model is missing, with 1 otherwise.
"""

import argparse
import gzip
import importlib
import json
import os
import pathlib
import re
import subprocess
import sys

PACKAGES = ["torch", "transformers", "peft", "trl", "datasets"]
SKIPPED = 77
TOLERANCE = 1e-4
N_PAIRS = 200
BATCH = 16
MARK = re.compile("\n\n(Human|Assistant):")
CHATML = ("{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
          "{% endfor %}")
DECODER_RUN = ["data.limit=400", "train.epochs=1", "rounds.max=1"]
ENCODER_RUN = ["data.limit=96", "train.epochs=1", "rounds.max=1",
               "model.max_tokens=128", "train.learning_rate=1e-3"]


def missing_packages():
    found = []
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            found.append(f"{name} ({error})")
    return found


class Ser:
    def __init__(self, program, home):
        self.program, self.home = program, home

    def __call__(self, *arguments, stdin=None):
        command = [self.program, "--home", str(self.home), *map(str, arguments)]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\nended with {done.returncode}: {done.stderr}")
        return done.stdout

    def train(self, name, settings):
        sets = [part for setting in settings for part in ("--set", setting)]
        self("run", "--plain", "--arm", "naive", "--name", name, *sets)

    def rewards(self, model, texts):
        lines = "".join(json.dumps(dict(zip(("prompt", "response"), text))) + "\n" for text in texts)
        out = self("score", model, stdin=lines)
        return [json.loads(line)["reward"] for line in out.splitlines()]


def read_texts(path):
    """Both answers of the first pairs, as (prompt, response)."""
    texts = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            pair = json.loads(line)
            texts += [(pair["prompt"], pair["chosen"]), (pair["prompt"], pair["rejected"])]
            if len(texts) == 2 * N_PAIRS:
                return texts
    sys.exit(f"{path} has fewer than {N_PAIRS} pairs")


def conversation(prompt, response):
    """The messages of a dialogue."""
    messages = []
    parts = MARK.split(prompt + response)
    for who, said in zip(parts[1::2], parts[2::2]):
        role = "user" if who == "Human" else "assistant"
        messages.append({"role": role, "content": said.strip()})
    return messages


def python_rewards(model, tokenizer, texts):
    """The rewards of transformers, in padded batches."""
    import torch

    model.eval()
    is_encoder = tokenizer.cls_token is not None
    rewards = []
    for start in range(0, len(texts), BATCH):
        batch = texts[start:start + BATCH]
        if tokenizer.chat_template is not None:
            whole = [tokenizer.apply_chat_template(conversation(*text), tokenize=False)
                     for text in batch]
            inputs = tokenizer(whole, padding=True, add_special_tokens=False, return_tensors="pt")
        elif is_encoder:
            prompts, responses = map(list, zip(*batch))
            inputs = tokenizer(prompts, responses, padding=True, truncation="only_first",
                               return_tensors="pt")
        else:
            whole = [prompt + response + tokenizer.eos_token for prompt, response in batch]
            inputs = tokenizer(whole, padding=True, return_tensors="pt")
        with torch.no_grad():
            logits = model(**inputs).logits
        if logits.shape[-1] != 1:
            sys.exit(f"the model has {logits.shape[-1]} outputs, not one")
        rewards += logits[:, 0].tolist()
    return rewards


class Report:
    def __init__(self):
        self.failures = []

    def compare(self, what, ours, theirs):
        difference = max(abs(a - b) for a, b in zip(ours, theirs))
        spread = max(theirs) - min(theirs)
        is_fine = difference <= TOLERANCE and spread > 100 * difference
        print(f"{what:58} n {len(ours)}  largest difference {difference:.1e}"
              f"  spread {spread:.3f}  {'ok' if is_fine else 'FAILED'}", flush=True)
        if not is_fine:
            self.failures.append(what)


def load_export(directory):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, info = AutoModelForSequenceClassification.from_pretrained(
        directory, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[kind]:
            sys.exit(f"{directory}: {kind} {sorted(info[kind])}")
    if model.config.num_labels != 1:
        sys.exit(f"{directory}: {model.config.num_labels} labels")
    if model.config.pad_token_id is None:
        sys.exit(f"{directory}: no pad token")
    return model, AutoTokenizer.from_pretrained(directory)


def make_deberta(models, work):
    """A small DeBERTa of random weights, with relative positions in buckets as v3 has them."""
    import torch
    from transformers import AutoTokenizer, DebertaV2Config, DebertaV2Model

    torch.manual_seed(3)
    tokenizer = AutoTokenizer.from_pretrained(models / "all-MiniLM-L6-v2")
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    config = DebertaV2Config(
        vocab_size=len(tokenizer), hidden_size=96, num_hidden_layers=4, num_attention_heads=3,
        intermediate_size=192, relative_attention=True, position_buckets=32, max_relative_positions=-1,
        norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type="p2c|c2p",
        position_biased_input=False, type_vocab_size=0, initializer_range=0.08)
    out = work / "deberta-base"
    DebertaV2Model(config).save_pretrained(out)
    tokenizer.save_pretrained(out)
    return out


def check_runs(ser, models, texts, work, report):
    """Runs of `ser`, read by transformers and PEFT."""
    from peft import AutoPeftModelForSequenceClassification
    from transformers import AutoTokenizer

    deberta = f"model.backbone={make_deberta(models, work)}"
    stories = f"model.backbone={models / 'stories260K' / 'hf'}"
    minilm = f"model.backbone={models / 'all-MiniLM-L6-v2'}"
    cases = [
        ("embedded-full", DECODER_RUN),
        ("embedded-lora", [*DECODER_RUN, "model.tuning=lora"]),
        ("stories-full", [*DECODER_RUN, stories, "model.max_tokens=512"]),
        ("stories-lora", [*DECODER_RUN, stories, "model.max_tokens=512", "model.tuning=lora",
                          'model.lora.targets=["query", "output", "gate", "down"]']),
        ("stories-chatml", [*DECODER_RUN, stories, "model.max_tokens=512",
                            "model.chat_template=chatml"]),
        ("embedded-hh", [*DECODER_RUN, "model.chat_template=hh"]),
        ("minilm-full", [*ENCODER_RUN, minilm]),
        ("minilm-lora", [*ENCODER_RUN, minilm, "model.tuning=lora",
                         'model.lora.targets=["query", "value", "down"]']),
        ("minilm-top-layers", [*ENCODER_RUN, minilm, "model.tuning=top_layers"]),
        ("deberta-full", [*ENCODER_RUN, deberta]),
        ("deberta-lora", [*ENCODER_RUN, deberta, "model.tuning=lora"]),
        ("deberta-top-layers", [*ENCODER_RUN, deberta, "model.tuning=top_layers"]),
    ]
    for name, settings in cases:
        ser.train(name, settings)
        ours = ser.rewards(name, texts)
        out = work / f"{name}-hf"
        ser("export", name, "--format", "hf", "-o", out)
        model, tokenizer = load_export(out)
        expects_template = name.startswith("embedded") or any("chat_template" in it for it in settings)
        if (tokenizer.chat_template is not None) != expects_template:
            sys.exit(f"{out}: the chat template is {tokenizer.chat_template!r}")
        theirs = python_rewards(model, tokenizer, texts)
        report.compare(f"{name}: transformers", ours, theirs)
        report.compare(f"{name}: `ser score` of the export", ser.rewards(out, texts), theirs)
        check_card(out, name, report)
        if name.endswith("lora"):
            out = work / f"{name}-peft"
            ser("export", name, "--format", "peft", "-o", out)
            model = AutoPeftModelForSequenceClassification.from_pretrained(out, num_labels=1)
            tokenizer = AutoTokenizer.from_pretrained(out)
            model.base_model.model.config.pad_token_id = tokenizer.pad_token_id
            theirs = python_rewards(model, tokenizer, texts)
            report.compare(f"{name}: PEFT", ours, theirs)
            report.compare(f"{name}: `ser score` of the adapter", ser.rewards(out, texts), theirs)
            check_card(out, f"{name}, adapter", report)


def check_card(directory, name, report):
    """The code of the model card, run as it stands, against the rewards that the card says."""
    card = (directory / "README.md").read_text(encoding="utf-8")
    blocks = re.findall("```python\n(.*?)```", card, re.DOTALL)
    if len(blocks) != 2:
        sys.exit(f"{directory}: {len(blocks)} blocks of code in the card")
    found = {}
    before = os.getcwd()
    os.chdir(directory)
    try:
        for block in blocks:
            exec(block, found)
    finally:
        os.chdir(before)
    pairs = found["pairs"]
    sides = [(pair, side) for pair in pairs for side in ("chosen", "rejected")]
    theirs = [found["reward"](pair["prompt"], pair[side]) for pair, side in sides]
    said = [reward for pair in pairs for reward in pair["rewards"]]
    if len(pairs) != 3:
        sys.exit(f"{directory}: the card shows {len(pairs)} pairs")
    difference = max(abs(a - b) for a, b in zip(said, theirs))
    print(f"{name + ': the card':58} n {len(said)}  largest difference {difference:.1e}", flush=True)
    if difference > TOLERANCE:
        report.failures.append(f"{name}: the card")
    for text, place in [(card, "README.md"),
                        ((directory / "ser_export.json").read_text(), "ser_export.json")]:
        if str(directory.parent) in text:
            sys.exit(f"{directory}/{place} names a path of this machine")


def check_foreign(ser, models, texts, work, report):
    """Models saved by transformers and PEFT, read by `ser`."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    bases = {"minilm": models / "all-MiniLM-L6-v2", "stories": models / "stories260K" / "hf",
             "deberta": work / "deberta-base"}
    targets = {"minilm": ["query", "value"], "stories": "all-linear",
               "deberta": ["query_proj", "value_proj"]}
    for name, base in bases.items():
        torch.manual_seed(1)
        tokenizer = AutoTokenizer.from_pretrained(base)
        if tokenizer.cls_token is None:
            tokenizer.pad_token = tokenizer.unk_token
            tokenizer.model_input_names = ["input_ids", "attention_mask"]
        load = {"num_labels": 1, "pad_token_id": tokenizer.pad_token_id}
        model = AutoModelForSequenceClassification.from_pretrained(base, **load)
        head = model.score if hasattr(model, "score") else model.classifier
        torch.nn.init.normal_(head.weight, std=0.3)
        out = work / f"{name}-transformers"
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
        theirs = python_rewards(model, tokenizer, texts)
        report.compare(f"{name} saved by transformers: ser", ser.rewards(out, texts), theirs)
        if tokenizer.cls_token is None:
            tokenizer.chat_template = CHATML
            out = work / f"{name}-chatml"
            model.save_pretrained(out)
            tokenizer.save_pretrained(out)
            theirs = python_rewards(model, tokenizer, texts)
            report.compare(f"{name} saved with its template: ser", ser.rewards(out, texts), theirs)
            tokenizer.chat_template = None

        model = AutoModelForSequenceClassification.from_pretrained(base, **load)
        settings = LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=16, lora_dropout=0.1,
                              target_modules=targets[name],
                              # PEFT keeps the classifier by itself, and no pooler that is new.
                              modules_to_save=["classifier", "pooler"] if name == "deberta" else None)
        model = get_peft_model(model, settings)
        with torch.no_grad():
            for key, value in model.named_parameters():
                if "lora_B" in key:
                    value.normal_(std=0.05)
                elif "modules_to_save" in key and key.endswith("weight"):
                    value.normal_(std=0.3)
        out = work / f"{name}-peft-saved"
        model.save_pretrained(out)
        theirs = python_rewards(model, tokenizer, texts)
        report.compare(f"{name} adapter saved by PEFT: ser", ser.rewards(out, texts), theirs)


def check_trl(ser, work, report):
    """TRL trains a step on exported pseudo-labels, from an exported model."""
    from datasets import load_dataset
    from trl import RewardConfig, RewardTrainer

    labels = work / "labels.jsonl"
    ser("export", "embedded-full", "--format", "jsonl", "--what", "labels", "-o", labels)
    rows = load_dataset("json", data_files=str(labels), split="train", cache_dir=str(work / "cache"))
    for column in ("prompt", "chosen", "rejected", "run", "round", "confidence", "verdict"):
        if column not in rows.column_names:
            sys.exit(f"{labels} has no `{column}`: {rows.column_names}")
    model, tokenizer = load_export(work / "embedded-full-hf")
    before = model.score.weight.detach().clone()
    settings = RewardConfig(output_dir=str(work / "trl"), max_steps=1, use_cpu=True,
                            per_device_train_batch_size=8, report_to="none", save_strategy="no",
                            learning_rate=1e-3, max_length=256, disable_tqdm=True, bf16=False)
    trainer = RewardTrainer(model=model, args=settings, processing_class=tokenizer,
                            train_dataset=rows.select_columns(["prompt", "chosen", "rejected"]))
    loss = trainer.train().training_loss
    moved = (trainer.model.score.weight.detach() - before).abs().max().item()
    print(f"TRL: a step on {len(rows)} exported labels, loss {loss:.4f}, head moved by {moved:.1e}")
    if not (moved > 0 and 0 < loss < 100):
        report.failures.append("TRL")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("ser", "models", "pairs", "work"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    missing = missing_packages()
    if missing:
        print(f"skipped: {sys.executable} lacks {', '.join(missing)}")
        return SKIPPED
    if not (arguments.models / "all-MiniLM-L6-v2").is_dir():
        print(f"skipped: {arguments.models} has no models")
        return SKIPPED
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    versions = [f"{name} {importlib.import_module(name).__version__}" for name in PACKAGES]
    print(f"Python {sys.version.split()[0]}, {', '.join(versions)}", flush=True)
    ser = Ser(str(arguments.ser), arguments.work / "home")
    texts, report = read_texts(arguments.pairs), Report()
    check_runs(ser, arguments.models, texts, arguments.work, report)
    check_foreign(ser, arguments.models, texts, arguments.work, report)
    check_trl(ser, arguments.work, report)
    if report.failures:
        print(f"failed: {', '.join(report.failures)}")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Runs a GRPO step of TRL with a reward model of `ser`, as an export and as a server.

    check_grpo.py --ser PROGRAM --pairs FILE.jsonl.gz --work DIR

Trains a small run, exports its reward model, serves it too, and lets TRL train a tiny random policy
for one step with both as `reward_funcs`. Ends with 0 when every reward that TRL logged is within 1e-4
of what `ser score` says of the same conversation and the policy has moved, with 77 (and the reason)
when a Python package is missing, with 1 otherwise.
"""

import argparse
import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.request

PACKAGES = ["torch", "transformers", "trl", "datasets", "pandas"]
SKIPPED = 77
TOLERANCE = 1e-4
N_GENERATIONS = 4
RUN = ["--plain", "--arm", "seed-only", "--name", "judge"]
SETTINGS = ["data.limit=96", "data.test=split", "train.epochs=1"]
QUESTIONS = ["Name a fruit.", "Is it far?\n\nThat is all.", "How many balloons are there?", "  Why? "]


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
        self.start = [program, "--home", str(home)]

    def __call__(self, *arguments, stdin=None):
        command = [*self.start, *map(str, arguments)]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\nended with {done.returncode}: {done.stderr}")
        return done.stdout

    def rewards(self, model, conversations):
        lines = "".join(json.dumps({"messages": messages}) + "\n" for messages in conversations)
        out = self("score", model, stdin=lines)
        return [json.loads(line)["reward"] for line in out.splitlines()]


class Server:
    """`ser serve` for as long as the block lasts, as a reward function of TRL."""

    __name__ = "served"

    def __init__(self, ser, model):
        self.command = [*ser.start, "serve", model, "--listen", "127.0.0.1:0"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        found = re.search(r"http://\S+/get_reward", line)
        if found is None:
            sys.exit(f"{' '.join(self.command)}\nsays {line!r}")
        self.url = found.group()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        if self.process.wait(60) != 0:
            sys.exit(f"the server ended with {self.process.returncode}")

    def __call__(self, prompts, completions, **_):
        body = json.dumps({"prompts": prompts, "responses": completions}).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url, body), timeout=120) as answer:
            return json.load(answer)["rewards"]


def make_policy(directory, out):
    """A language model of random weights with the tokenizer of the export."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(directory)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=256,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id)
    LlamaForCausalLM(config).save_pretrained(out)
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(out)
    return out


def train(policy, reward_functions, work):
    """One step; returns its log and the table of its completions."""
    import pandas
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    prompts = [[{"role": "user", "content": question}] for question in QUESTIONS]
    settings = GRPOConfig(
        output_dir=str(work / "grpo"), max_steps=1, logging_steps=1, use_cpu=True, bf16=False,
        per_device_train_batch_size=len(prompts) * N_GENERATIONS, num_generations=N_GENERATIONS,
        max_completion_length=24, learning_rate=1e-2, beta=0.0, report_to="none",
        save_strategy="no", disable_tqdm=True, log_completions=True, num_completions_to_print=0)
    trainer = GRPOTrainer(model=str(policy), reward_funcs=reward_functions, args=settings,
                          train_dataset=Dataset.from_dict({"prompt": prompts}))
    before = [value.detach().clone() for value in trainer.model.parameters()]
    trainer.train()
    after = trainer.model.parameters()
    moved = max((new - old).abs().max().item() for new, old in zip(after, before))
    log = next(entry for entry in trainer.state.log_history if "reward" in entry)
    table = pandas.read_parquet(work / "grpo" / "completions" / "completions_00001.parquet")
    return log, table, moved


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("ser", "pairs", "work"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    missing = missing_packages()
    if missing:
        print(f"skipped: {sys.executable} lacks {', '.join(missing)}")
        return SKIPPED
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    versions = [f"{name} {importlib.import_module(name).__version__}" for name in PACKAGES]
    print(f"Python {sys.version.split()[0]}, {', '.join(versions)}", flush=True)

    import numpy

    work, ser = arguments.work, Ser(str(arguments.ser), arguments.work / "home")
    ser("run", *RUN, *(part for setting in SETTINGS for part in ("--set", setting)))
    export = work / "exported"
    ser("export", "judge", "--format", "hf", "-o", export)
    policy = make_policy(export, work / "policy")
    with Server(ser, "judge") as server:
        log, table, moved = train(policy, [str(export), server], work)

    turns = [list(prompt) + list(answer) for prompt, answer in zip(table["prompt"], table["completion"])]
    ours = ser.rewards("judge", [[dict(turn) for turn in messages] for messages in turns])
    failures = [] if moved > 0 else ["the policy did not move"]
    for name, tolerance in (("exported", TOLERANCE), ("served", 0.0)):
        theirs = [float(reward) for reward in table[name]]
        # TRL keeps rewards in float32, which those of `ser` are too.
        difference = max(abs(float(numpy.float32(a)) - b) for a, b in zip(ours, theirs))
        of_mean = abs(log[f"rewards/{name}/mean"] - sum(ours) / len(ours))
        spread = max(theirs) - min(theirs)
        print(f"{name:9} n {len(theirs)}  largest difference {difference:.1e}, of the mean"
              f" {of_mean:.1e}  spread {spread:.3f}", flush=True)
        is_fine = difference <= tolerance and of_mean <= TOLERANCE and spread > 100 * TOLERANCE
        if not is_fine or len(theirs) != len(QUESTIONS) * N_GENERATIONS:
            failures.append(name)
    print(f"a step of GRPO: reward {log['reward']:.4f}, loss {log['loss']:.1e}, moved by {moved:.1e}")
    if failures:
        print(f"failed: {', '.join(failures)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

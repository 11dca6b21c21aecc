#!/usr/bin/env python3
"""Tiny checkpoints of many layouts as backbones of runs, and their exports back in transformers.

    check_peers.py --ser PROGRAM --fixtures tests/fixtures/peers --work DIR

Each checkpoint of the table of `tests/peers` that can be trained becomes the backbone of a run of one round. The run is
scored by `ser`, exported, and scored by transformers; then once more with the padding token that TRL's RewardTrainer
fills in where a tokenizer has none. Ends with 0 when every difference is within 1e-4, with 77 (and the reason) when a
Python package is missing, with 1 otherwise.
"""

import argparse
import importlib
import json
import os
import pathlib
import subprocess
import sys

SKIPPED = 77
TOLERANCE = 1e-4
PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "pyarrow")
# Groups of rewards.json: a stored head or none, a template or none, every family, adapters.
GROUPS = (
    "plain texts", "conversations", "padding is the end, plain", "padding is the end, templated",
    "padding is an ordinary token", "padding null",
    "no padding token at all", "one special token and no padding", "one special token that pads", "qwen2", "qwen3", "mistral", "bert", "roberta", "distilbert", "deberta",
    "a beginning of the post-processor", "class GPT2Tokenizer", "model_input_names without token types", "control",
    "own-tokenizer", "alpha-pattern", "grown-embedding", "base-with-a-head",
)


def pairs():
    """Pairs of messages in which the chosen answer is the longer one."""
    things = ("an egg", "a map", "the bulbs", "a tyre", "tea", "a cat", "the ferry", "a clock", "the table", "a fox")
    for i in range(80):
        question = f"What do I do with {things[i % 10]} on day {i}?"
        yield {"prompt": [{"role": "user", "content": question}],
               "chosen": [{"role": "assistant", "content": f"Take {things[i % 10]} and wait for {i} minutes."}],
               "rejected": [{"role": "assistant", "content": f"No {i}."}]}


class Ser:
    def __init__(self, program, work):
        self.program, self.work = program, work

    def __call__(self, *arguments):
        command = [str(self.program), "--home", str(self.work / "home"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.work)
        if done.returncode != 0:
            raise RuntimeError(f"`ser {arguments[0]}` ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def rewards(self, model, lines):
        path = self.work / "lines.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        keys = ("reward", "reward_chosen", "reward_rejected")
        found = []
        for line in self("score", model, path).splitlines():
            result = json.loads(line)
            found += result.get("rewards") or [result[key] for key in keys if key in result]
        return found


def readings(group):
    """Inputs whose reading needs no word of the table, with that reading."""
    is_encoder = group["name"] in ("bert", "roberta", "distilbert", "deberta", "model_input_names without token types")
    for case in group["cases"]:
        line = case["input"]
        if case["expect"] != "equal":
            continue
        if is_encoder and "response" in line:
            yield line, {"pair": [line["prompt"], line["response"]]}
        elif "text" in line and not is_encoder:
            yield line, {"text": line["text"]}
        elif "messages" in line:
            yield line, {"messages": line["messages"]}


def check(ser, table, group, work, modules):
    """The largest differences: of the export, and of the export with a padding token filled in."""
    name = "".join(c if c.isalnum() else "-" for c in group["name"])
    for part, files in group["parts"].items():
        modules.models.assemble(table["models"], files, work / name / part)
    model = work / name / group["score"]
    if "adapter_config" in group["parts"][group["score"]]:
        config = json.loads((model / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = str(work / name / "base")
        (model / "adapter_config.json").write_text(json.dumps(config))
    ser("run", "--plain", "--arm", "seed-only", "--name", name, "--set", f"data.source={work / 'pairs.jsonl'}", "--set",
        f"model.backbone={model}", "--set", "rounds.max=0", "--set", "model.max_tokens=90", "--set", "train.epochs=1",
        "--set", "train.batch_pairs=8")
    lines, given = zip(*readings(group))
    ours = ser.rewards(name, lines)
    out = work / name / "exported"
    ser("export", name, "--format", "hf", "-o", out)
    peer = modules.rewards.Peer(out)
    theirs = [peer.reward(one) for one in given]
    filled = theirs
    if peer.is_decoder:
        tokenizer = peer.tokenizer
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        peer.model.config.pad_token_id = tokenizer.pad_token_id
        filled = [peer.reward(one) for one in given]
    return len(ours), max(abs(a - b) for a, b in zip(ours, theirs)), max(abs(a - b) for a, b in zip(ours, filled))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("ser", "fixtures", "work"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--pairs", type=pathlib.Path)
    arguments = parser.parse_args()
    for package in PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError as error:
            print(f"skipped: {sys.executable} lacks {package} ({error})")
            return SKIPPED
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(arguments.fixtures))
    modules = argparse.Namespace(models=importlib.import_module("models"), rewards=importlib.import_module("rewards"))
    table = json.loads((arguments.fixtures / "rewards.json").read_text())
    work = arguments.work.resolve()
    (work / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs()))
    ser, failed = Ser(arguments.ser.resolve(), work), []
    for group in (group for group in table["groups"] if group["name"] in GROUPS):
        try:
            n, exported, filled = check(ser, table, group, work, modules)
            said = f"n {n:2}  export {exported:.1e}  with TRL's padding {filled:.1e}"
            is_fine = max(exported, filled) <= TOLERANCE
        except Exception as error:
            said, is_fine = str(error).splitlines()[0][:300], False
        print(f"{group['name']:45} {said}  {'ok' if is_fine else 'FAILED'}", flush=True)
        failed += [] if is_fine else [group["name"]]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

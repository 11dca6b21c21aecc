#!/usr/bin/env python3
"""Loads the rollouts of a policy run as Parquet with `datasets` and compares them with `ser rollouts --json`.

    check_rollouts.py --ser PROGRAM --work DIR

Ends with 0 when both have the same rows, with 77 (and the reason) when a package is missing, with 1 otherwise.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

SKIPPED = 77
SETTINGS = ["data.limit=300", "policy.objective=rloo", "policy.reward=oracle", "policy.gold=oracle",
            "policy.steps=3", "policy.prompts_per_step=3", "policy.max_new_tokens=12",
            "policy.evaluate_every=2", "policy.evaluate_prompts=6", "policy.best_of=2",
            "policy.sft.batch_answers=12"]
COLUMNS = {
    "run": "string", "step": "int64", "evaluation": "int64", "pair": "int64", "answer": "int64",
    "prompt": "string", "response": "string", "reward": "float64", "gold": "float64",
    "advantage": "float64", "divergence": "float64", "n_tokens": "int64", "ended": "bool", "vetoed": "bool",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("ser", "work"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    arguments, _ = parser.parse_known_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import datasets
    except ImportError as error:
        print(f"skipped: {sys.executable} lacks datasets ({error})")
        return SKIPPED
    home = arguments.work / "home"

    def ser(*words):
        made = subprocess.run([arguments.ser, "--home", home, *words], check=True, capture_output=True, text=True)
        return made.stdout

    sets = [word for setting in SETTINGS for word in ("--set", setting)]
    ser("run", "--plain", "--name", "policy", *sets)
    out = arguments.work / "rollouts.parquet"
    ser("export", "policy", "--format", "parquet", "--what", "rollouts", "-o", out)
    found = datasets.load_dataset("parquet", data_files=str(out), split="train",
                                  cache_dir=str(arguments.work / "cache"))
    kinds = {name: feature.dtype for name, feature in found.features.items()}
    failures = [] if kinds == COLUMNS else [f"columns {kinds}, not {COLUMNS}"]
    lines = ser("rollouts", "policy", "--all", "--json").splitlines()
    for step in (0, 2, 3):
        lines += ser("rollouts", "policy", "--evaluation", str(step), "--json").splitlines()
    told = [json.loads(line) for line in lines]
    if len(told) != len(found):
        failures.append(f"{len(found)} rows, not {len(told)}")
    for row, line in zip(found, told):
        same = {name: line.get(name) for name in COLUMNS if name != "run"}
        if {name: row[name] for name in same} != same:
            failures.append(f"{row} is not {line}")
    print(f"datasets {datasets.__version__}: {len(found)} rollouts, columns {list(kinds)}")
    for failure in failures:
        print(f"failed: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

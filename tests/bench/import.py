"""The same import by Python `datasets`: JSON lines into an Arrow table on disk, then what TRL does
first with HH-RLHF, splitting each pair of dialogues into prompt, chosen and rejected.

Usage: import.py FILE CACHE_DIR. Prints one JSON line: rows, load_s, extract_s, and the versions.
"""

import json
import os
import sys
import time

path, cache = sys.argv[1:]
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = cache

import datasets  # noqa: E402

datasets.disable_progress_bars()


def extract_prompt(example):
    """`trl.data_utils.extract_prompt` for texts."""
    chosen, rejected = example["chosen"], example["rejected"]
    idx = 0
    for idx in range(min(len(chosen), len(rejected))):
        if chosen[idx] != rejected[idx]:
            if chosen[idx - 1] == " ":
                idx -= 1
            break
    return {"prompt": chosen[:idx], "chosen": chosen[idx:], "rejected": rejected[idx:]}


begin = time.perf_counter()
table = datasets.load_dataset("json", data_files=path, split="train", cache_dir=cache)
load_s = time.perf_counter() - begin
begin = time.perf_counter()
table = table.map(extract_prompt)
extract_s = time.perf_counter() - begin
print(
    json.dumps(
        {
            "rows": len(table),
            "load_s": load_s,
            "extract_s": extract_s,
            "datasets": datasets.__version__,
            "python": sys.version.split()[0],
        }
    )
)

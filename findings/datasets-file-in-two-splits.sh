#!/usr/bin/env bash
# What one would guess: each file of a folder goes into one split, so that the
# training and the test rows of one load have nothing in common.
#
# What happens: each split takes every file whose name holds one of its words,
# and a file may have words of several splits. `train-eval.jsonl`, as one
# might call the part of the training rows that is kept for evaluation, is read
# into the test split and into the training split as well. `dev-test.jsonl`
# is both validation and test. Nothing is said of it.
#
# Versions: datasets 5.2.0, pyarrow 26.0.1, fsspec 2026.9.0.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 HF_HOME="$work/home"

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet \
    datasets==5.2.0 pyarrow==26.0.1 fsspec==2026.9.0

cat >"$work/see.py" <<'PY'
import json
import pathlib
import sys
from importlib.metadata import version

import datasets

folder = pathlib.Path(sys.argv[1]) / "pairs"
for package in ("datasets", "pyarrow", "fsspec"):
    print(package, version(package))
datasets.disable_progress_bars()

folder.mkdir()
for number, name in enumerate(("train-main", "train-eval", "dev-test")):
    (folder / (name + ".jsonl")).write_text(json.dumps({"row": number}) + "\n")

loaded = datasets.load_dataset(str(folder))
rows = {str(split): sorted(loaded[split]["row"]) for split in loaded}
print("rows: train-main 0, train-eval 1, dev-test 2")
for split, numbers in rows.items():
    print("rows of the split", split, numbers)
shared = set(rows["train"]) & set(rows["test"])
print("rows in both train and test:", shared)

assert rows == {"train": [0, 1], "validation": [2], "test": [1, 2]}
assert shared == {1}
PY
"$work/venv/bin/python" "$work/see.py" "$work"

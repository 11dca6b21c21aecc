#!/usr/bin/env bash
# What one would guess: a folder with `train.jsonl` and a subfolder `test`
# loads as two splits, as it does with `train.jsonl` and `test.jsonl`.
#
# What happens: names of folders are looked at before names of files, and the
# first way that finds anything is used alone. With a subfolder `test` the
# file `train.jsonl` beside it is left out, and there is no training split.
# Below such a folder the file's own name no longer counts: the rows of
# `my-test-run/train.jsonl` come out as the test split. Nothing is said of it.
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

work = pathlib.Path(sys.argv[1])
for package in ("datasets", "pyarrow", "fsspec"):
    print(package, version(package))
datasets.disable_progress_bars()


def splits(case, *files):
    """Each split's rows; a row holds the name of the file it stood in."""
    for name in files:
        path = work / case / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"file": name}) + "\n")
    loaded = datasets.load_dataset(str(work / case))
    found = {str(split): rows["file"][:] for split, rows in loaded.items()}
    print(list(files), "gives", found)
    return found


assert splits("flat", "train.jsonl", "test.jsonl") == {
    "train": ["train.jsonl"],
    "test": ["test.jsonl"],
}
assert splits("mixed", "train.jsonl", "test/rows.jsonl") == {
    "test": ["test/rows.jsonl"],
}
assert splits("run", "my-test-run/train.jsonl") == {
    "test": ["my-test-run/train.jsonl"],
}
PY
"$work/venv/bin/python" "$work/see.py" "$work"

#!/usr/bin/env bash
# What one would guess: `add_eos_token` asks for the end token after each text,
# no matter whether `tokenizer_config.json` or the caller gives it, and the
# begin token that `tokenizer.json` puts in front stays.
#
# What happens: beside a `tokenizer.json` the flags of `tokenizer_config.json`
# are dropped unread, so that neither true nor false changes the tokens. As an
# argument the flag works, but the rule of `tokenizer.json` is then replaced by
# one made from the arguments alone: the end token comes and the begin token
# goes. Asking for both tokens gives both.
#
# Versions: transformers 5.24.0, tokenizers 0.23.3.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 HF_HOME="$work/home"

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet transformers==5.24.0 tokenizers==0.23.3

cat >"$work/see.py" <<'PY'
import json
import pathlib
import sys
from importlib.metadata import version

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoTokenizer

folder = pathlib.Path(sys.argv[1]) / "tokenizer"
for package in ("transformers", "tokenizers"):
    print(package, version(package))

folder.mkdir()
words = {"<unk>": 0, "<s>": 1, "</s>": 2, "good": 3, "day": 4}
backend = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
backend.pre_tokenizer = pre_tokenizers.Whitespace()
backend.add_special_tokens(["<unk>", "<s>", "</s>"])
backend.post_processor = processors.TemplateProcessing(
    single="<s> $A", special_tokens=[("<s>", 1)]
)
backend.save(str(folder / "tokenizer.json"))


def tokens(flags=None, **arguments):
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", **named, **(flags or {})}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = AutoTokenizer.from_pretrained(str(folder), **arguments)
    return tokenizer.convert_ids_to_tokens(tokenizer("good day").input_ids)


neither = tokens()
on, off = (tokens({"add_bos_token": flag, "add_eos_token": flag}) for flag in (True, False))
argument = tokens(add_eos_token=True)
arguments = tokens(add_bos_token=True, add_eos_token=True)
print("no flag:", neither)
print("both flags true in the file:", on)
print("both flags false in the file:", off)
print("add_eos_token=True as argument:", argument)
print("both flags true as arguments:", arguments)

assert neither == on == off == ["<s>", "good", "day"]
assert argument == ["good", "day", "</s>"]
assert arguments == ["<s>", "good", "day", "</s>"]
PY
"$work/venv/bin/python" "$work/see.py" "$work"

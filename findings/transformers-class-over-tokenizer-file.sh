#!/usr/bin/env bash
# What one would guess: `tokenizer.json` says in full how a text becomes
# tokens, so loading it through transformers gives what the tokenizers library
# gives for the same file.
#
# What happens: where `tokenizer_config.json` names the class of a model
# family, only the vocabulary and the merges of `tokenizer.json` are used. The
# steps before them, here lower case and a split into words, are replaced by
# those that the class brings along. With `model_type` qwen2 in `config.json`
# this happens even where the plain class is named. Nothing is said of it.
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

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer

work = pathlib.Path(sys.argv[1])
for package in ("transformers", "tokenizers"):
    print(package, version(package))

pieces = ["<unk>", "<s>", "</s>", *"godayGD", "go", "od", "good", "da", "day"]
merges = [("g", "o"), ("o", "d"), ("go", "od"), ("d", "a"), ("da", "y")]
words = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
backend = Tokenizer(models.BPE(words, merges, unk_token="<unk>"))
backend.normalizer = normalizers.Lowercase()
backend.pre_tokenizer = pre_tokenizers.Whitespace()
backend.add_special_tokens(["<unk>", "<s>", "</s>"])
TEXT = "Good Day"


def tokens(kind, family=None):
    folder = work / (kind + "-" + str(family))
    folder.mkdir()
    backend.save(str(folder / "tokenizer.json"))
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    settings = {"tokenizer_class": kind, **named}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    if family:
        (folder / "config.json").write_text(json.dumps({"model_type": family}))
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    return tokenizer.convert_ids_to_tokens(tokenizer(TEXT).input_ids)


file = backend.encode(TEXT).tokens
plain = tokens("PreTrainedTokenizerFast")
llama = tokens("LlamaTokenizerFast")
qwen = tokens("PreTrainedTokenizerFast", "qwen2")
print("the file by the tokenizers library:", file)
print("class PreTrainedTokenizerFast:", plain)
print("class LlamaTokenizerFast:", llama)
print("class PreTrainedTokenizerFast, model type qwen2:", qwen)

assert file == plain == ["good", "day"]
assert llama == qwen == ["G", "o", "od", "D", "a", "y"]
PY
"$work/venv/bin/python" "$work/see.py" "$work"

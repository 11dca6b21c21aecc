#!/usr/bin/env bash
# What one would guess: `chat_template.jinja` is the template of a tokenizer,
# and the folder `additional_chat_templates` adds others that are asked for by
# name.
#
# What happens: a file `default.jinja` in that folder silently takes the place
# of `chat_template.jinja`. A file of another name leaves that template in
# use. The template in `tokenizer_config.json` is used in neither case.
#
# Versions: transformers 5.24.0, tokenizers 0.23.3, jinja2 3.1.6.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 HF_HOME="$work/home"

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet \
    transformers==5.24.0 tokenizers==0.23.3 jinja2==3.1.6

cat >"$work/see.py" <<'PY'
import json
import pathlib
import sys
from importlib.metadata import version

from tokenizers import Tokenizer, models
from transformers import AutoTokenizer

work = pathlib.Path(sys.argv[1])
for package in ("transformers", "tokenizers", "jinja2"):
    print(package, version(package))


def rendered(name, **extra):
    """What a chat becomes where the folder of extra templates holds `extra`."""
    folder = work / name
    (folder / "additional_chat_templates").mkdir(parents=True)
    words = models.WordLevel({"<unk>": 0, "hello": 1}, unk_token="<unk>")
    Tokenizer(words).save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
        "chat_template": "from tokenizer_config.json",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text("from chat_template.jinja")
    for key, text in extra.items():
        (folder / "additional_chat_templates" / (key + ".jinja")).write_text(text)
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    chat = [{"role": "user", "content": "hello"}]
    return tokenizer.apply_chat_template(chat, tokenize=False)


alone = rendered("alone")
named = rendered("named", tools="from tools.jinja")
default = rendered("default", default="from default.jinja")
print("no extra template:", alone)
print("an extra template called tools:", named)
print("an extra template called default:", default)

assert alone == named == "from chat_template.jinja"
assert default == "from default.jinja"
PY
"$work/venv/bin/python" "$work/see.py" "$work"

#!/usr/bin/env bash
# What one would guess: a chat template sees a message's own keys. A row that
# gives its reasoning under `reasoning` shows nothing in a template that reads
# `thinking`, and a template that prints every key prints the reasoning once.
#
# What happens: reasoning given under any of `reasoning_content`, `thinking`
# and `reasoning` is put under `reasoning_content` and `thinking` as well. A
# template that prints each key prints it twice, or three times where it came
# as `reasoning`. A name that the message has keeps its own text, and the
# names it lacks are filled: from `reasoning_content`, else from `thinking`.
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
from importlib.metadata import version

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

for package in ("transformers", "tokenizers", "jinja2"):
    print(package, version(package))

words = models.WordLevel({"<unk>": 0}, unk_token="<unk>")
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(words), unk_token="<unk>")
tokenizer.chat_template = "{{ messages[0] | tojson }}"


def seen(**reasoning):
    """The message as the template gets it, less the keys that every row has."""
    chat = [{"role": "assistant", "content": "Four.", **reasoning}]
    message = json.loads(tokenizer.apply_chat_template(chat, tokenize=False))
    assert message.pop("role") == "assistant" and message.pop("content") == "Four."
    print("given", reasoning, "seen", message)
    return message


assert seen() == {}
assert seen(reasoning_content="2 + 2") == {
    "reasoning_content": "2 + 2",
    "thinking": "2 + 2",
}
assert seen(reasoning="2 + 2") == {
    "reasoning": "2 + 2",
    "reasoning_content": "2 + 2",
    "thinking": "2 + 2",
}
assert seen(reasoning="short", thinking="long") == {
    "reasoning": "short",
    "reasoning_content": "long",
    "thinking": "long",
}
assert seen(reasoning="short", reasoning_content="long") == {
    "reasoning": "short",
    "reasoning_content": "long",
    "thinking": "long",
}
assert seen(thinking="short", reasoning_content="long") == {
    "reasoning_content": "long",
    "thinking": "short",
}
PY
"$work/venv/bin/python" "$work/see.py"

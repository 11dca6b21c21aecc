#!/usr/bin/env bash
# What one would guess: a message with `"content": null`, as is usual beside
# tool calls, reaches the chat template as it is, so that a template can ask
# whether the content is none.
#
# What happens: keys whose value is null are taken out of each message before
# the template sees it. `content is none` is then false and `content is not
# none` true, for a key that is not there is undefined, which is not none. A
# template with such a guard writes the block it meant to leave out, empty.
# The same template run by jinja2 alone leaves it out. Null values deeper down,
# such as in the arguments of a tool call, stay.
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
from importlib.metadata import version

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

for package in ("transformers", "tokenizers", "jinja2"):
    print(package, version(package))

TEMPLATE = (
    "{% for m in messages %}"
    "{% if m.content is not none %}<text>{{ m.content }}</text>{% endif %}"
    "{% for c in m.tool_calls %}{{ c.function.arguments.place is none }}{% endfor %}"
    "{% endfor %}"
)
call = {"type": "function", "function": {"name": "rain", "arguments": {"place": None}}}
chat = [{"role": "assistant", "content": None, "tool_calls": [call]}]

words = models.WordLevel({"<unk>": 0}, unk_token="<unk>")
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(words), unk_token="<unk>")
tokenizer.chat_template = TEMPLATE
through = tokenizer.apply_chat_template(chat, tokenize=False)
plain = ImmutableSandboxedEnvironment().from_string(TEMPLATE).render(messages=chat)
tokenizer.chat_template = "{{ messages[0].keys() | list }}"
keys = tokenizer.apply_chat_template(chat, tokenize=False)

print("through the tokenizer:", through)
print("by jinja2 alone:", plain)
print("keys that the template sees:", keys)

assert through == "<text></text>True"
assert plain == "True"
assert keys == "['role', 'tool_calls']"
PY
"$work/venv/bin/python" "$work/see.py"

#!/usr/bin/env python3
"""Checkpoints as transformers, TRL and PEFT save them, read by `ser`, and its exports read by them.

    check_layouts.py --ser PROGRAM --work DIR [NAME...]

For each layout, rewards of a tiny random model: in the peer; by `ser score`; of a run whose backbone it
is (its learning rate moves nothing); and of that run's export in transformers, one text at a time, in
batches padded on either side, as RewardBench opens it (the end token where there is no padding) and as
TRL's RewardTrainer prepares texts. Prints the largest difference of each.
Ends with 0 when all are within 1e-4, with 77 when a package is missing, with 1 otherwise.
"""

import argparse
import importlib
import json
import os
import pathlib
import subprocess
import sys

PACKAGES = ["torch", "transformers", "peft", "trl", "datasets"]
SKIPPED = 77
TOLERANCE = 1e-4
FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "engine"
ENDED = "{% for m in messages %}{{ '[' + m.role + '] ' + m.content }}{{ eos_token }}{% endfor %}"
TEXTS = [
    ("Where is the library?", "On Mill Street, next to the café."), ("Where is the library?", "I don't know."),
    ("Add 123456 and 7.", "It's 123463."), ("He said \"no\", twice.", "They'll see: we've won; it's DONE."),
    ("Hi", "no"),
]
SHAPE = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_labels=1,
             max_position_embeddings=256)
COLUMNS = ("ser score", "as a backbone", "export", "padded left", "padded right", "RewardBench", "TRL")


def fill(model):
    """Spread weights, so that every token matters."""
    import torch

    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=draw)
            is_scale = "norm" in name.lower() and name.endswith("weight")
            value.copy_(1 + 0.3 * noise if is_scale else noise * (0.5 if "embed" in name else 0.25))
    return model.eval()


class Layout:
    """A directory to score, and how its peer makes rewards."""

    def __init__(self, work, name):
        self.name, self.dir = name, work / name
        self.is_chat, self.is_pair = False, False

    def lines(self):
        if self.is_chat:
            return [(f"\n\nHuman: {prompt}\n\nAssistant:", f" {answer}") for prompt, answer in TEXTS]
        return TEXTS

    def inputs(self, tokenizer, texts, **options):
        """As its authors feed it; options for batches."""
        if self.is_pair:
            prompts, answers = map(list, zip(*texts))
            return tokenizer(prompts, answers, return_tensors="pt", **options)
        if self.is_chat:
            chats = [[{"role": "user", "content": p}, {"role": "assistant", "content": a}] for p, a in texts]
            whole = [tokenizer.apply_chat_template(chat, tokenize=False) for chat in chats]
            return tokenizer(whole, add_special_tokens=False, return_tensors="pt", **options)
        return tokenizer([p + a + tokenizer.eos_token for p, a in texts], return_tensors="pt", **options)

    def rewards(self, model, tokenizer, **options):
        """One by one; with `padding`, all together."""
        import torch

        model.eval()
        parts = [TEXTS] if options else [[text] for text in TEXTS]
        with torch.no_grad():
            return [value for part in parts
                    for value in model(**self.inputs(tokenizer, part, **options)).logits[:, 0].tolist()]


def tokenizer_of(name, **tokens):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(FIXTURES / "tokens" / name)
    for key, value in tokens.items():
        setattr(tokenizer, key, value)
    return tokenizer


def decoder(kind, tokens, **keys):
    import transformers

    config = getattr(transformers, f"{kind}Config")
    end = {"llama3": 1, "qwen": 2}[tokens]
    return config(**{**SHAPE, "num_key_value_heads": 2, "vocab_size": 332, "head_dim": 8, "bos_token_id": 0,
                     "eos_token_id": end, "pad_token_id": None, **keys})


def classifier(config):
    from transformers import AutoModelForSequenceClassification

    return fill(AutoModelForSequenceClassification.from_config(config))


def saved(layout, model, tokenizer, **options):
    """By `save_pretrained`, and opened again by the peer."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model.save_pretrained(layout.dir, **options)
    tokenizer.save_pretrained(layout.dir)
    model = AutoModelForSequenceClassification.from_pretrained(layout.dir, dtype=torch.float32)
    return layout.rewards(model, AutoTokenizer.from_pretrained(layout.dir))


def llama(layout):
    layout.is_chat = True
    tokenizer = tokenizer_of("llama3", chat_template=ENDED, pad_token="<|begin_of_text|>")
    return saved(layout, classifier(decoder("Llama", "llama3", pad_token_id=0)), tokenizer)


def mistral_sharded(layout):
    model = classifier(decoder("Mistral", "llama3", sliding_window=5, pad_token_id=222))
    return saved(layout, model, tokenizer_of("llama3"), max_shard_size="30KB")


def qwen2_bfloat16(layout):
    import torch

    model = classifier(decoder("Qwen2", "qwen", pad_token_id=0)).to(torch.bfloat16)
    return saved(layout, model, tokenizer_of("qwen"))


def qwen3_no_padding(layout):
    layout.is_chat = True
    tokenizer = tokenizer_of("qwen", chat_template=ENDED, pad_token=None)
    return saved(layout, classifier(decoder("Qwen3", "qwen")), tokenizer)


def encoder(config, tokenizer, **keys):
    def make(layout):
        import transformers

        layout.is_pair = True
        shape = dict(SHAPE, vocab_size=332)
        if config == "DistilBert":
            shape = dict(dim=32, hidden_dim=48, n_layers=2, n_heads=4, num_labels=1, vocab_size=332)
        model = classifier(getattr(transformers, f"{config}Config")(**shape, **keys))
        cls, name = tokenizer
        made = getattr(transformers, cls).from_pretrained(FIXTURES / "tokens" / name)
        return saved(layout, model, made)

    return make


def trl(kind, tokens, template, peft=False):
    """RewardTrainer as it comes: no padding token, so it fills in the end token."""

    def make(layout):
        from datasets import Dataset
        from peft import AutoPeftModelForSequenceClassification, LoraConfig
        from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
        from trl import RewardConfig, RewardTrainer

        layout.is_chat = template is not None
        base = layout.dir.parent / f"{layout.name}-base"
        fill(AutoModelForCausalLM.from_config(decoder(kind, tokens))).save_pretrained(base)
        tokenizer_of(tokens, pad_token=None, chat_template=template).save_pretrained(base)
        rows = [{"prompt": p, "chosen": a, "rejected": "no idea"} for p, a in TEXTS]
        if layout.is_chat:
            say = lambda role, text: [{"role": role, "content": text}]
            rows = [{"prompt": say("user", p), "chosen": say("assistant", a),
                     "rejected": say("assistant", "no idea")} for p, a in TEXTS]
        options = RewardConfig(output_dir=str(layout.dir), max_steps=2, use_cpu=True, bf16=False, report_to="none",
                               learning_rate=1e-2, disable_tqdm=True, save_strategy="no")
        lora = LoraConfig(task_type="SEQ_CLS", r=4, modules_to_save=["score"]) if peft else None
        trainer = RewardTrainer(model=str(base), args=options, train_dataset=Dataset.from_list(rows), peft_config=lora)
        trainer.train()
        trainer.save_model()
        tokenizer = AutoTokenizer.from_pretrained(layout.dir)
        if peft:
            model = AutoPeftModelForSequenceClassification.from_pretrained(layout.dir, num_labels=1)
            # As in training; the base model's configuration names none.
            model.config.pad_token_id = tokenizer.pad_token_id
        else:
            model = AutoModelForSequenceClassification.from_pretrained(layout.dir)
        return layout.rewards(model, tokenizer)

    return make


def adapted(layout):
    """A base model, and a classifier with low-rank updates over it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    base = layout.dir.parent / f"{layout.name}-base"
    tokenizer = tokenizer_of("llama3", pad_token="<|begin_of_text|>")
    fill(AutoModelForCausalLM.from_config(decoder("Llama", "llama3", pad_token_id=0))).save_pretrained(base)
    tokenizer.save_pretrained(base)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    settings = LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"])
    model = get_peft_model(model, settings)
    draw = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for value in filter(lambda value: value.requires_grad, model.parameters()):
            value.add_(0.2 * torch.randn(value.shape, generator=draw))
    return model, tokenizer


def peft_adapter(layout):
    from peft import AutoPeftModelForSequenceClassification

    model, tokenizer = adapted(layout)
    model.save_pretrained(layout.dir)
    tokenizer.save_pretrained(layout.dir)
    return layout.rewards(AutoPeftModelForSequenceClassification.from_pretrained(layout.dir, num_labels=1), tokenizer)


def peft_merged(layout):
    model, tokenizer = adapted(layout)
    return saved(layout, model.merge_and_unload(), tokenizer)


def without_padding(layout):
    """A vocabulary with nothing but its end token to spare, as GPT-2's; the head is to be made by a run."""
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    keys = json.loads((FIXTURES / "tokens" / "llama3" / "tokenizer.json").read_text())
    keys["added_tokens"] = [token for token in keys["added_tokens"] if token["content"] == "<|end_of_text|>"]
    keys["post_processor"] = None
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(keys)),
                                        eos_token="<|end_of_text|>")
    fill(AutoModelForCausalLM.from_config(decoder("Llama", "llama3", vocab_size=330))).save_pretrained(layout.dir)
    tokenizer.save_pretrained(layout.dir)


LAYOUTS = {
    "llama": llama,
    "mistral-sharded": mistral_sharded,
    "qwen2-bfloat16": qwen2_bfloat16,
    "qwen3-no-padding": qwen3_no_padding,
    "bert": encoder("Bert", ("BertTokenizer", "distilbert")),
    "bert-plain-tokenizer": encoder("Bert", ("PreTrainedTokenizerFast", "distilbert")),
    "roberta": encoder("Roberta", ("RobertaTokenizer", "roberta"), pad_token_id=1, type_vocab_size=1),
    "xlm-roberta": encoder("XLMRoberta", ("PreTrainedTokenizerFast", "roberta"), pad_token_id=1, type_vocab_size=1),
    "distilbert": encoder("DistilBert", ("DistilBertTokenizer", "distilbert")),
    "deberta-v2": encoder("DebertaV2", ("DebertaV2Tokenizer", "deberta"), type_vocab_size=2, relative_attention=True,
                          pos_att_type="p2c|c2p", share_att_key=True, position_buckets=8, norm_rel_ebd="layer_norm",
                          max_relative_positions=-1, position_biased_input=False),
    "trl-plain": trl("Llama", "llama3", None),
    "trl-template": trl("Qwen3", "qwen", ENDED),
    "trl-adapter": trl("Llama", "llama3", None, peft=True),
    "peft-adapter": peft_adapter,
    "peft-merged": peft_merged,
    "no-padding-new-head": without_padding,
}


class Ser:
    def __init__(self, program, home):
        self.program, self.home = program, home

    def __call__(self, *arguments, stdin=None):
        command = [self.program, "--home", str(self.home), *map(str, arguments)]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def rewards(self, model, texts):
        lines = "".join(json.dumps({"prompt": p, "response": r}) + "\n" for p, r in texts)
        return [json.loads(line)["reward"] for line in self("score", model, stdin=lines).splitlines()]

    def run_on(self, layout):
        """A run whose steps move no weight."""
        name = f"on-{layout.name}"
        # A head that is made anew has to move away from zero.
        rate = "1e-2" if layout.name.endswith("new-head") else "1e-30"
        tuning = "full" if layout.name.endswith("new-head") else "head"
        settings = [f"model.backbone={layout.dir}", "model.max_tokens=128", "data.limit=48", "train.epochs=1",
                    f"train.learning_rate={rate}", "train.weight_decay=0", "rounds.max=1", f"model.tuning={tuning}"]
        sets = [part for setting in settings for part in ("--set", setting)]
        self("run", "--plain", "--arm", "naive", "--name", name, *sets)
        return name


def trl_rewards(layout, directory):
    """What RewardTrainer computes of the export before its first step."""
    import torch
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    rows = [{"prompt": p, "chosen": a, "rejected": a} for p, a in TEXTS]
    if layout.is_chat:
        say = lambda role, text: [{"role": role, "content": text}]
        rows = [{"prompt": say("user", p), "chosen": say("assistant", a), "rejected": say("assistant", a)}
                for p, a in TEXTS]
    options = RewardConfig(output_dir=str(directory) + "-trl", use_cpu=True, bf16=False, report_to="none")
    trainer = RewardTrainer(model=str(directory), args=options, train_dataset=Dataset.from_list(rows))
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(len(rows))])
    with torch.no_grad():
        logits = trainer.model.eval()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return logits[:len(rows), 0].tolist()


def check(ser, layout):
    """The largest difference of each column from the peer's rewards; None where it makes no sense."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    expected = LAYOUTS[layout.name](layout)
    run = ser.run_on(layout)
    ours = ser.rewards(run, layout.lines())
    found = [ser.rewards(layout.dir, layout.lines()) if expected else None, ours if expected else None]
    # A head made by the run has no peer but its own export.
    expected = expected or ours
    directory = layout.dir.parent / f"{layout.name}-export"
    ser("export", run, "--format", "hf", "-o", directory)
    opened = lambda: AutoModelForSequenceClassification.from_pretrained(directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    found.append(layout.rewards(opened(), tokenizer))
    is_decoder = not layout.is_pair
    for side in ("left", "right"):
        # Positions of BERT's family count padding on the left.
        fits = tokenizer.pad_token is not None and opened().config.pad_token_id == tokenizer.pad_token_id
        tokenizer.padding_side = side
        found.append(layout.rewards(opened(), tokenizer, padding=True)
                     if fits and (is_decoder or side == "right") else None)
    model, tokenizer = opened(), AutoTokenizer.from_pretrained(directory)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token_id = tokenizer.eos_token_id
        model.config.pad_token_id = tokenizer.eos_token_id
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    found.append(layout.rewards(model, tokenizer, padding=True))
    found.append(trl_rewards(layout, directory) if is_decoder else None)
    difference = lambda other: max(abs(a - b) for a, b in zip(expected, other, strict=True))
    return [None if other is None else difference(other) for other in found], max(expected) - min(expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ser", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"skipped: no {name} ({error})")
            return SKIPPED
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    importlib.import_module("transformers").logging.set_verbosity_error()
    print(", ".join(f"{name} {importlib.import_module(name).__version__}" for name in PACKAGES))
    arguments.work.mkdir(parents=True, exist_ok=True)
    ser, failed = Ser(arguments.ser, arguments.work / "home"), []
    print(f"{'layout':22}" + "".join(f"{column:>14}" for column in COLUMNS) + f"{'spread':>9}", flush=True)
    for name in arguments.names or LAYOUTS:
        try:
            differences, spread = check(ser, Layout(arguments.work, name))
        except Exception as error:  # The others still count.
            print(f"{name:22} {type(error).__name__}: {error}", flush=True)
            failed.append(name)
            continue
        cells = ["-" if it is None else f"{it:.1e}" for it in differences]
        print(f"{name:22}" + "".join(f"{cell:>14}" for cell in cells) + f"{spread:9.3f}", flush=True)
        if any(it is not None and not it <= TOLERANCE for it in differences):
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

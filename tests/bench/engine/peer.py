"""The other side of `cargo bench --bench engine`: the same work with PyTorch and TRL.

Run: python3 peer.py MODE MODEL_DIR PAIRS.json [--threads N] [--batch N] [--max-pairs N] [--epochs N]

MODE
  trl-default   trl.RewardTrainer as it comes: bf16, gradient checkpointing
  trl-f32, trl-bf16
                trl.RewardTrainer tuned: no checkpointing, batches grouped by length
  step-f32, step-bf16
                a plain training step (forward, loss, backward, clip, AdamW) on one padded batch
  score-f32, score-bf16
                rewards of all pairs, sorted by length, padded batches, no gradients
  top2-f32, top2-bf16
                as trl-*, all but the last two blocks and the head frozen
  lora-f32, lora-bf16
                as trl-*, with PEFT LoRA (rank 8, queries and values)

MODEL_DIR is a Hugging Face directory; PAIRS.json is [[ids of one side, ids of the other], ...].
Prints one line of JSON: seconds, pairs, pairs_per_s, peak_mib (of the process), base_mib (after the
imports and the model), versions.
"""

import argparse
import json
import os
import sys
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("mode")
parser.add_argument("model")
parser.add_argument("pairs")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--batch", type=int, default=8)
parser.add_argument("--max-pairs", type=int, default=0)
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--epochs", type=int, default=1)
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoModelForSequenceClassification  # noqa: E402

torch.set_num_threads(args.threads)
transformers.logging.set_verbosity_error()
kind, _, precision = args.mode.partition("-")


def peak_mib():
    # Not `ru_maxrss`, which starts at the size of the parent.
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def load_model():
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_pretrained(
        args.model, num_labels=1, dtype=torch.float32
    )
    if model.config.pad_token_id is None:
        model.config.pad_token_id = 0
    return model


def pad(sides):
    longest = max(len(side) for side in sides)
    ids = torch.zeros(len(sides), longest, dtype=torch.long)
    mask = torch.zeros(len(sides), longest, dtype=torch.long)
    for row, side in enumerate(sides):
        ids[row, : len(side)] = torch.tensor(side)
        mask[row, : len(side)] = 1
    return ids, mask


def autocast():
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")


def run_trl(model, pairs):
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast, TrainerCallback
    from trl import RewardConfig, RewardTrainer

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(args.model, "tokenizer.json"))
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)
    if tokenizer.eos_token is None:
        tokenizer.eos_token = tokenizer.pad_token
    data = Dataset.from_dict({
        "chosen_ids": [a for a, _ in pairs],
        "rejected_ids": [b for _, b in pairs],
        "length": [max(len(a), len(b)) for a, b in pairs],
    })
    is_default = args.mode == "trl-default"
    options = {} if is_default else {
        "bf16": precision == "bf16",
        "gradient_checkpointing": False,
        "train_sampling_strategy": "group_by_length",
        "length_column_name": "length",
        # Else the column of lengths is gone before the batches are grouped.
        "remove_unused_columns": False,
    }
    marks = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_, **__):
            marks.append(time.perf_counter())

    peft = None
    if kind == "lora":
        from peft import LoraConfig
        names = (["q_proj", "v_proj"] if hasattr(model, "model") else ["query", "value"])
        if hasattr(model, "deberta"):
            names = ["query_proj", "value_proj"]
        peft = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=names, task_type="SEQ_CLS")
    if kind == "top2":
        for parameter in model.base_model.parameters():
            parameter.requires_grad = False
        blocks = model.base_model.layers if hasattr(model.base_model, "layers") else model.base_model.encoder.layer
        for block in blocks[-2:]:
            for parameter in block.parameters():
                parameter.requires_grad = True
    with tempfile.TemporaryDirectory() as out:
        config = RewardConfig(
            output_dir=out, use_cpu=True, num_train_epochs=args.epochs, report_to="none", save_strategy="no",
            per_device_train_batch_size=args.batch, logging_strategy="no", disable_tqdm=True, **options,
        )
        trainer = RewardTrainer(
            model=model, args=config, train_dataset=data, processing_class=tokenizer,
            callbacks=[Clock()], peft_config=peft,
        )
        trainer.train()
    # The first step pays for allocations; it is left out on both sides.
    n_pairs = len(pairs) * args.epochs - args.batch
    return marks[-1] - marks[0], n_pairs


def run_step(model, pairs):
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    batch = pairs[: args.batch]
    ids, mask = pad([a for a, _ in batch] + [b for _, b in batch])
    times = []
    for _ in range(args.repeat + 1):
        start = time.perf_counter()
        with autocast():
            rewards = model(input_ids=ids, attention_mask=mask).logits.squeeze(-1).float()
        chosen, rejected = rewards.chunk(2)
        loss = -torch.nn.functional.logsigmoid(chosen - rejected).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - start)
    return min(times[1:]), len(batch)


def run_score(model, pairs):
    model.eval()
    sides = sorted((side for pair in pairs for side in pair), key=len)
    with torch.no_grad(), autocast():
        for timed in (False, True):
            chosen = sides if timed else sides[:: max(1, len(sides) // 32)]
            start = time.perf_counter()
            for at in range(0, len(chosen), 2 * args.batch):
                ids, mask = pad(chosen[at : at + 2 * args.batch])
                model(input_ids=ids, attention_mask=mask)
            seconds = time.perf_counter() - start
    return seconds, len(pairs)


def main():
    with open(args.pairs, encoding="utf-8") as file:
        pairs = json.load(file)
    if args.max_pairs:
        pairs = pairs[: args.max_pairs]
    model = load_model()
    base = peak_mib()
    run = {"step": run_step, "score": run_score}.get(kind, run_trl)
    seconds, n_pairs = run(model, pairs)
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    if run is run_trl:
        import trl
        versions["trl"] = trl.__version__
    print(json.dumps({
        "seconds": seconds, "pairs": n_pairs, "pairs_per_s": n_pairs / seconds,
        "peak_mib": peak_mib(), "base_mib": base, "versions": versions,
    }))


if __name__ == "__main__":
    sys.exit(main())

"""Writes down when the phases of finished runs began, for the test of the forecast.

    python3 tests/python/clock.py HOME/ser.db ... > src/domain/forecast/recorded.json

Takes every run that finished in one attempt and took at least 15 seconds. A run that was recorded
before the folds of cross-fitting had phases of their own told of them by the size of each step.
"""

import json
import sqlite3
import sys

LEAST_MS = 15_000
PARTS = ("seed_set", "validation", "unlabeled_pool", "test")


def phases(events, n_folds):
    """Rows [round, phase, part, started_ms, n_total], and [round, at_ms, n_selected] rows."""
    rows, selected, fold, n_seen = [], [], -1, 0
    for at_ms, event in events:
        if event["event"] == "selection_made":
            selected.append([event["round"], at_ms, event["summary"]["n_selected"]])
        if event["event"] != "step_started":
            continue
        phase, n_total, part = event["step"], event["n_total"], event.get("part", 0)
        if phase == "cross_fit" and "n_parts" not in event:
            # A training, then the pool, the validation pairs and the fold itself.
            n_seen += 1
            if n_seen % 4 == 1:
                fold += 1
                n_total //= n_folds
            elif n_seen % 4 == 2:
                phase = "judge_fold"
            else:
                rows[-1][4] += n_total
                continue
            part = fold
        rows.append([event["round"], phase, part, at_ms, n_total])
    return rows, selected


def with_view(rows, spec, sizes, end_of_folds):
    """Adds the second view, which had no event, after the last fold."""
    if spec["selection"].get("second_view") not in ("likelihood", "both"):
        return rows
    if any(row[1] == "second_view" for row in rows):
        return rows
    judged = [row for row in rows if row[1] == "judge_fold"]
    if not judged or end_of_folds is None:
        return rows
    at = rows.index(judged[-1]) + 1
    n = sizes["n_unlabeled_pool"] + sizes["n_validation"] + sizes["n_seed_set"]
    # The folds' clock ended before the view was asked.
    return rows[:at] + [[0, "second_view", 0, end_of_folds, n]] + rows[at:]


def difference(spec, base):
    changed = {}
    for key, value in spec.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            inner = difference(value, base[key])
            if inner:
                changed[key] = inner
        elif base.get(key) != value:
            changed[key] = value
    return changed


def runs(path):
    connection = sqlite3.connect(path)
    finished = connection.execute(
        "SELECT runs.key, spec, sizes FROM runs JOIN run_specs ON run_specs.run = runs.key"
        " JOIN run_states ON run_states.run = runs.key WHERE status = 'finished'"
    )
    for key, spec, sizes in finished.fetchall():
        spec, sizes = json.loads(spec), json.loads(sizes)
        events = [
            (at_ms, json.loads(body))
            for at_ms, body in connection.execute(
                "SELECT at_ms, body FROM events WHERE run = ? ORDER BY seq", (key,)
            )
        ]
        kinds = [event["event"] for _, event in events]
        if kinds.count("run_started") != 1 or "paused" in kinds or "round_reused" in kinds:
            continue
        start, end = events[0][0], events[-1][0]
        if end - start < LEAST_MS:
            continue
        folds = spec["selection"].get("calibration_folds", 0)
        rows, selected = phases(events, max(folds, 1))
        elapsed = [event["elapsed_ms"] for _, event in events if event["event"] == "cross_fitted"]
        fold_start = [row[3] for row in rows if row[1] == "cross_fit"]
        end_of_folds = fold_start[0] + elapsed[0] if elapsed and fold_start else None
        rows = with_view(rows, spec, sizes, end_of_folds)
        spec["model"]["backbone"] = spec["model"]["backbone"].rsplit("/", 1)[-1]
        yield {
            "spec": spec,
            "sizes": [sizes[f"n_{part}"] for part in PARTS],
            "phases": [[r, p, part, at - start, n] for r, p, part, at, n in rows],
            "selected": [[r, at - start, n] for r, at, n in selected],
            "end_ms": end - start,
        }


found = [run for path in sys.argv[1:] for run in runs(path)]
base = found[0]["spec"]
for run in found[1:]:
    run["spec"] = difference(run["spec"], base)
print("[\n" + ",\n".join(json.dumps(run, separators=(",", ":")) for run in found) + "\n]")

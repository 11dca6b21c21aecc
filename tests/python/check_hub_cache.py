#!/usr/bin/env python3
"""`ser` and huggingface_hub read what the other has put into the shared cache.

    check_hub_cache.py --ser PROGRAM --model DIR --pairs FILE.jsonl.gz --work DIR

A server of this script's own plays the Hub, with the model `a/m` and the data set `a/p`. Each program
fetches both into an empty cache; then the other opens them there without a network, and asks for no
content again with one. Ends with 0 when every file is the same, with 77 (and the reason) when
huggingface_hub or the model is missing, with 1 otherwise.
"""

import argparse
import gzip
import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

SKIPPED = 77
COMMIT = "00112233445566778899aabbccddeeff00112233"
# What the Hub keeps outside git, and names by another digest.
LARGE_BYTES = 10_000


class Repository:
    def __init__(self, api, prefix, files):
        self.api, self.prefix, self.files = api, prefix, files

    def etag(self, name):
        content = self.files[name]
        if len(content) > LARGE_BYTES:
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def sibling(self, name):
        size = len(self.files[name])
        sibling = {"rfilename": name, "size": size, "blobId": self.etag(name)}
        if size > LARGE_BYTES:
            sibling["lfs"] = {"sha256": self.etag(name), "size": size, "pointerSize": 134}
        return sibling

    def tree(self):
        """The listing that huggingface_hub asks for besides."""
        entries = []
        for name in sorted(self.files):
            size, etag = len(self.files[name]), self.etag(name)
            entry = {"type": "file", "path": name, "size": size, "oid": etag}
            if size > LARGE_BYTES:
                entry["lfs"] = {"oid": etag, "size": size, "pointerSize": 134}
            entries.append(entry)
        return entries

    def info(self):
        name = self.api.removeprefix("models/").removeprefix("datasets/")
        siblings = [self.sibling(name) for name in sorted(self.files)]
        return {"_id": "0", "id": name, "sha": COMMIT, "private": False, "siblings": siblings}


class Hub(http.server.ThreadingHTTPServer):
    """Counts how often content is sent."""

    def __init__(self, repositories):
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories, self.n_sent = repositories, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(http.server.BaseHTTPRequestHandler):
    def send(self, status, headers, body=b""):
        self.send_response(status)
        for key, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(key, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        for repository in self.server.repositories:
            documents = {"/revision/main": repository.info, "": repository.info,
                         f"/tree/{COMMIT}": repository.tree}
            for tail, document in documents.items():
                if path == f"/api/{repository.api}{tail}":
                    return self.send(200, {"Content-Type": "application/json"},
                                     json.dumps(document()).encode())
            for revision in (COMMIT, "main"):
                name = path.removeprefix(f"/{repository.prefix}/resolve/{revision}/")
                if name in repository.files:
                    content, etag = repository.files[name], repository.etag(name)
                    self.server.n_sent += self.command == "GET"
                    return self.send(200, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT,
                                           "X-Linked-Etag": f'"{etag}"',
                                           "X-Linked-Size": len(content)}, content)
        return self.send(404, {})

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def run(program, home, endpoint, is_offline, *arguments):
    """Runs `ser` or Python with a cache of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1",
                    "HF_HUB_OFFLINE": "1" if is_offline else "0"}
    done = subprocess.run([program, *map(str, arguments)], env=environment, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{program} {' '.join(map(str, arguments))}\nended with {done.returncode}: {done.stderr}")
    return done.stdout


SNAPSHOTS = """
import huggingface_hub, json
names = [("a/m", "model"), ("a/p", "dataset")]
print(json.dumps([huggingface_hub.snapshot_download(name, repo_type=kind) for name, kind in names]))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("ser", "model", "pairs", "work"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    try:
        import huggingface_hub
    except ImportError as error:
        print(f"skipped: {sys.executable} lacks huggingface_hub ({error})")
        return SKIPPED
    if not arguments.model.is_dir():
        print(f"skipped: there is no {arguments.model}")
        return SKIPPED
    names = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    model = {name: (arguments.model / name).read_bytes() for name in names}
    lines = gzip.decompress(arguments.pairs.read_bytes()).splitlines(keepends=True)
    pairs = {"data/train.jsonl": b"".join(lines[:300])}
    hub = Hub([Repository("models/a/m", "a/m", model), Repository("datasets/a/p", "datasets/a/p", pairs)])
    expected = [model, pairs]
    ser = [str(arguments.ser), "--home", str(arguments.work / "home")]

    def ask_ser(cache, is_offline):
        about = json.loads(run(ser[0], cache, hub.endpoint, is_offline, *ser[1:],
                               "model", "check", "hf:a/m", "--json"))
        report = json.loads(run(ser[0], cache, hub.endpoint, is_offline, *ser[1:],
                                "data", "check", "hf:a/p", "--json", "--max-share", "1"))
        return about["n_parameters"], report["n_pairs"]

    def ask_python(cache, is_offline):
        folders = json.loads(run(sys.executable, cache, hub.endpoint, is_offline, "-c", SNAPSHOTS))
        for folder, files in zip(map(pathlib.Path, folders), expected):
            found = {str(path.relative_to(folder)): path.read_bytes()
                     for path in folder.rglob("*") if path.is_file()}
            if found != files:
                sys.exit(f"{folder} holds {sorted(found)}, and should hold {sorted(files)}")

    n_files = sum(map(len, expected))
    for first, then, what in [(ask_ser, ask_python, "ser fetches, huggingface_hub reads"),
                              (ask_python, ask_ser, "huggingface_hub fetches, ser reads")]:
        cache = arguments.work / first.__name__
        hub.n_sent = 0
        first(cache, False)
        fetched = hub.n_sent
        found = then(cache, True)
        then(cache, False)
        if not (fetched == hub.n_sent == n_files):
            sys.exit(f"{what}: {fetched} files of {n_files} were sent, then {hub.n_sent - fetched} more")
        print(f"{what}: {n_files} files, none sent twice, {found or 'the same bytes'}")
    print(f"huggingface_hub {huggingface_hub.__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

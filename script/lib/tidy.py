"""Runs clang-tidy over src/, on all cores, skipping what was clean before with the same content. A dozen sources are
read as one (a unity build), which takes a fraction of the time: most of it goes into the headers they share.

usage: tidy.py CLANG_TIDY BUILD_FOLDER      (BUILD_FOLDER holds compile_commands.json)
A key covers a file's own text and that of all project headers it includes, its compile command, .clang-tidy and
the tool. Prints the findings, then `passed failed` as its last line.
"""
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

tidy, build_folder = sys.argv[1], pathlib.Path(sys.argv[2])
source_folder = pathlib.Path("src").resolve()
clean_folder = build_folder / "clean"
clean_folder.mkdir(parents=True, exist_ok=True)
version = subprocess.run([tidy, "--version"], capture_output=True, check=True).stdout
rules = pathlib.Path(".clang-tidy").read_bytes()


@functools.cache
def text_and_includes(path):
    text = path.read_bytes()
    names = re.findall(rb'^\s*#\s*include\s*"([^"]+)"', text, re.MULTILINE)
    candidates = [folder / os.fsdecode(name) for name in names for folder in (path.parent, source_folder)]
    return text, [candidate.resolve() for candidate in candidates if candidate.is_file()]


def closure(path):
    seen, todo = set(), [path]
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo.extend(text_and_includes(path)[1])
    return sorted(seen)


def key_of(entry):
    digest = hashlib.sha256(version + rules + entry["command"].encode())
    for path in closure(pathlib.Path(entry["file"])):
        digest.update(hashlib.sha256(text_and_includes(path)[0]).digest())
    return digest.hexdigest()


def check(entry):
    stamp = clean_folder / key_of(entry)
    if stamp.exists():
        return True, ""
    run = subprocess.run([tidy, "--quiet", "-p", str(build_folder), entry["file"]], capture_output=True, text=True,
                         stdin=subprocess.DEVNULL)
    if run.returncode == 0:
        stamp.touch()
        return True, ""
    noise = re.compile(r"^\d+ warnings? (generated|treated)|^Suppressed|^Use -header-filter", re.MULTILINE)
    errors = "\n".join(line for line in run.stderr.splitlines() if not noise.match(line))
    return False, run.stdout + errors + "\n"


entries = [entry for entry in json.loads((build_folder / "compile_commands.json").read_text())
           if source_folder in pathlib.Path(entry["file"]).parents or "Unity" in pathlib.Path(entry["file"]).parts]
passed = failed = 0
with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    for good, findings in pool.map(check, entries):
        passed, failed = passed + good, failed + (not good)
        print(findings, end="", flush=True)
print(passed, failed)

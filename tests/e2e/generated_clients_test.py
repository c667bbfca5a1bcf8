"""Clients that generators make of the API's own description: they are built, and used against the real server.

Each of the programs in tests/clients does the same with one client (creates, reads, lists, sends a batch, reads errors,
history and feed, fails, deletes) and prints what the typed answers had. Two are quick; the others take --long.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import harness
import pytest

programs = harness.root / "tests/clients"
components = pathlib.Path(os.environ.get("PEBBLES_CLIENTS") or harness.root / "build/components/clients")
modules = components / "npm/node_modules"
largest = 2**53 - 1
only_long = pytest.mark.skipif(not harness.long_rounds, reason="only with script/test --long")
pytestmark = pytest.mark.timeout(600 if harness.long_rounds else 120)

expected = {
    "result": "created", "replayed": "true", "done": largest, "total": None, "completedAt": None, "created": True,
    "sameId": True, "succeeded": 1, "counted": [200, "created", largest],
    "problem": [400, f"Invalid parameters: counts would pass {largest}"], "listed": ["a.csv", "b.csv"], "line": largest,
    "code": "E-17", "channel": "rest", "position": None, "feed": [1, "a.csv", True], "files": 2,
    "missing": ["Problem", 404, "Progress not found for this file"], "health": True,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = harness.Server(tmp_path_factory.mktemp("generated")).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def description(server, tmp_path_factory):
    """The description as a server sends it, in a file."""
    path = tmp_path_factory.mktemp("description") / "openapi.json"
    with server.client() as client:
        path.write_text(client.get("/openapi.json").text)
    return path


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, **options)
    assert done.returncode == 0, f"{command[:3]}: {done.stdout[-5000:]}{done.stderr[-5000:]}"
    return done


def generate(description, language, folder, *options):
    """With openapi-generator, in as little of Java's time as can be."""
    assert components.exists(), f"there is no {components}: script/test gets it"
    run("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{components}/generator/*",
        "org.openapitools.codegen.OpenAPIGenerator", "generate", "-i", description, "-g", language, "-o", folder,
        *options)


def use(server, krn, *command, env=None, **options):
    """Runs a program with a client, and compares what it has seen."""
    done = run(*command, server.url, harness.mint(), krn, env={**os.environ, **(env or {}), "NO_PROXY": "127.0.0.1"},
               timeout=60, **options)
    assert json.loads(done.stdout) == expected


def test_openapi_generator_python(server, description, krn, tmp_path):
    generate(description, "python", tmp_path, "--additional-properties", "packageName=pebbles_client")
    run(sys.executable, "-m", "compileall", "-q", tmp_path / "pebbles_client")
    use(server, krn, sys.executable, programs / "openapi_generator_python.py", env={"PYTHONPATH": str(tmp_path)})


def test_openapi_python_client(server, description, krn, tmp_path):
    (tmp_path / "options.yaml").write_text("post_hooks: []\n")
    done = run(sys.executable, "-m", "openapi_python_client", "generate", "--path", description, "--meta", "none",
               "--output-path", tmp_path / "pebbles_client", "--config", tmp_path / "options.yaml")
    # It leaves out what it does not understand: of NDJSON a form of the batch, and nothing else.
    assert re.findall("WARNING parsing .*|Unsupported .*", done.stderr) == [
        "WARNING parsing POST /clients/{clientKrn}/progress/batch within progress.",
        "Unsupported content type application/x-ndjson"]
    run(sys.executable, "-m", "compileall", "-q", tmp_path / "pebbles_client")
    use(server, krn, sys.executable, programs / "openapi_python_client.py", env={"PYTHONPATH": str(tmp_path)})


@only_long
def test_openapi_generator_java(server, description, krn, tmp_path):
    generate(description, "java", tmp_path, "--additional-properties", "useSingleRequestParameter=true")
    jars = f"{components}/java/*"
    sources = (tmp_path / "src/main/java").rglob("*.java")
    run("javac", "-nowarn", "-encoding", "UTF-8", "-d", tmp_path / "classes", "-cp", jars, *sources,
        programs / "java/Main.java")
    use(server, krn, "java", "-cp", f"{tmp_path}/classes:{jars}", "Main")


@only_long
def test_openapi_generator_go(server, description, krn, tmp_path):
    generate(description, "go", tmp_path, "--git-host", "example.com", "--git-user-id", "pebbles", "--git-repo-id",
             "client", "--package-name", "pebbles")
    shutil.copytree(programs / "go", tmp_path / "app")
    offline = {"GOMODCACHE": f"{components}/go/modules", "GOCACHE": f"{components}/go/built", "GOPROXY": "off",
               "GOFLAGS": "-mod=mod -modcacherw", "GOTOOLCHAIN": "local", "GOSUMDB": "off"}
    run("go", "vet", ".", "./app", cwd=tmp_path, env={**os.environ, **offline})
    run("go", "build", "-o", tmp_path / "run", "./app", cwd=tmp_path, env={**os.environ, **offline})
    use(server, krn, tmp_path / "run")


def compile_typescript(folder, program):
    """With strict types; the program's own folder holds what was generated."""
    shutil.copy(programs / "typescript" / program, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(modules)
    run("node", modules / "typescript/bin/tsc", "--strict", "--noUncheckedIndexedAccess", "--target", "es2022",
        "--module", "nodenext", "--skipLibCheck", "--types", "node", "--outDir", "built", program, cwd=folder)
    return folder / "built" / program.replace(".ts", ".js")


@only_long
def test_openapi_generator_typescript(server, description, krn, tmp_path):
    generate(description, "typescript-fetch", tmp_path / "client", "--additional-properties", "importFileExtension=.js")
    use(server, krn, "node", compile_typescript(tmp_path, "fetch.ts"))


@only_long
def test_openapi_typescript(server, description, krn, tmp_path):
    run("node", modules / "openapi-typescript/bin/cli.js", description, "-o", tmp_path / "schema.d.ts")
    use(server, krn, "node", compile_typescript(tmp_path, "openapi_fetch.ts"))

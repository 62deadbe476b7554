"""redis-rs' own tests, against servers of ours.

They are in the crate in the registry, which the workspace depends on anyway: its sources are copied
to `target/client-suites/redis-rs` and built there with their own lock file. Each test starts a
`redis-server` of its own; for them that is the script redis-server beside this file, which starts
Millstream.

Two crates of theirs are never published with what the tests want of them, or not at all: the
servers come from `redis-test` in the registry, and what `#[async_test]` stands for is written out.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess

from harness import tooling
from suites.redis_rs_left_out import LEFT_OUT

HERE = tooling.CLIENTS / "suites"
HOME = tooling.TARGET / "client-suites" / "redis-rs"
REDIS_TEST = "=1.0.4"
FEATURES = "tokio-comp,connection-manager,token-based-authentication"
# test_async is not among them: some of its tests wait without end for messages that are never
# published here. Of the 68 others 44 pass in RESP3, and 24 use hashes, lists, sets and scripts.
FILES = ["test_streams", "test_basic", "test_acl"]
UNUSED = ["criterion", "partial-io", "quickcheck", "rustls"]
LIMIT_S = 600

WORKSPACE = """\
[workspace]
resolver = "2"
members = ["redis"]

# What starts the servers is to use the same client.
[patch.crates-io]
redis = { path = "redis" }
"""

ASYNC_TEST = re.compile(
    r"#\[async_test\]\n(?P<marks>(?:\s*#\[[^\n]*\]\n)*)(?P<indent>\s*)"
    r"async fn (?P<name>\w+)\((?P<parameters>[^{]*?)\)\s*\{"
)
VERDICT = re.compile(r"^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED|ignored)", re.M)
SAID = re.compile(
    r"^---- (\S+) stdout ----\n(.*?)(?=^---- |^successes:|^failures:|\Z)", re.M | re.S
)
DOES_NOT_FIT = "Skipping the test because the running server does not support"


def crate():
    """The manifest of the client that the workspace depends on, as cargo unpacked it."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    done = subprocess.run(command, cwd=tooling.WORKSPACE, capture_output=True, text=True)
    if done.returncode:
        raise tooling.Missing(f"cargo metadata: {done.stderr.strip()[-300:]}")
    packages = json.loads(done.stdout)["packages"]
    found = next(package for package in packages if package["name"] == "redis")
    return pathlib.Path(found["manifest_path"])


def written_out(found):
    """A test on one runtime for each kind of connection that the function takes."""
    name, marks = found["name"], found["marks"]
    context, calls = "", {"tokio": f"{name}()"}
    if found["parameters"].strip():
        context = "let ctx = TestContext::new();"
        calls = {
            "multiplexed": f"{name}(ctx.async_connection().await.unwrap())",
            "manager": f"{name}(ctx.client.get_connection_manager().await.unwrap())",
        }
    tests = [
        f"{marks}#[test]\nfn {name}_{kind}() {{ {context} crate::support::block_on_all("
        f"async move {{ {call}.await }}, crate::support::RuntimeType::Tokio) }}\n"
        for kind, call in calls.items()
    ]
    return "".join(tests) + found[0].removeprefix("#[async_test]\n")


def prepare():
    """Copies the sources and changes what is missing. Returns what they are called."""
    manifest = crate()
    name = manifest.parent.name
    stamp = HOME / "prepared"
    wanted = f"{name} {REDIS_TEST} {pathlib.Path(__file__).read_text()}"
    if stamp.exists() and stamp.read_text() == wanted:
        return name
    if not (manifest.parent / "tests").is_dir():
        raise tooling.Missing(f"the crate {name} has no tests")
    shutil.rmtree(HOME / "redis", ignore_errors=True)
    shutil.copytree(manifest.parent, HOME / "redis")
    (HOME / "Cargo.toml").write_text(WORKSPACE)
    (HOME / "redis/Cargo.lock").rename(HOME / "Cargo.lock")
    text = (HOME / "redis/Cargo.toml").read_text()
    # What only other tests want would be built as well.
    for unused in UNUSED:
        section = rf"^\[dev-dependencies\.{unused}\]\n(?:[^\[\n].*\n|\n)*"
        text = re.sub(section, "", text, flags=re.M)
    text += f'\n[dev-dependencies.redis-test]\nversion = "{REDIS_TEST}"\n'
    (HOME / "redis/Cargo.toml").write_text(text)
    for file in (HOME / "redis/tests").glob("*.rs"):
        text = re.sub(r"^\s*use test_macros::async_test;\n", "", file.read_text(), flags=re.M)
        file.write_text(ASYNC_TEST.sub(written_out, text))
    stamp.write_text(wanted)
    return name


def build():
    """Builds the tests. Returns the program of each file."""
    command = ["cargo", "test", "--no-run", "--message-format", "json", "--features", FEATURES]
    for file in FILES:
        command += ["--test", file]
    environment = os.environ | {"CARGO_TARGET_DIR": str(HOME / "target")}
    done = subprocess.run(command, cwd=HOME, env=environment, capture_output=True, text=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode:
        found = [message.get("message", {}) for message in messages]
        errors = [one["rendered"] for one in found if one.get("level") == "error"]
        why = "\n".join(errors) or done.stderr
        raise tooling.Missing(f"the tests cannot be built: {why.strip()[-3000:]}")
    built = [message for message in messages if message.get("executable")]
    return {message["target"]["name"]: message["executable"] for message in built}


def run(launcher, scratch, protocol, result):
    """Runs the tests in one protocol and adds each to `result`."""
    tooling.on_path("cargo")
    prepare()
    programs = build()
    path = os.environ["PATH"]
    environment = os.environ | {"PROTOCOL": f"RESP{protocol}", "TMPDIR": str(scratch)}
    environment["RUST_BACKTRACE"] = "0"
    if launcher.kind == "millstream":
        environment |= {"PATH": f"{HERE}:{path}", "MILLSTREAM_TEST_SERVER": launcher.executable}
    else:
        (scratch / "bin").mkdir(exist_ok=True)
        link = scratch / "bin/redis-server"
        if not link.exists():
            link.symlink_to(launcher.executable)
        environment["PATH"] = f"{link.parent}:{path}"
    for file in FILES:
        # One at a time: a panic anywhere ends what their runtime does at that moment.
        command = [programs[file], "--show-output", "--test-threads", "1"]
        command_line = " ".join(command)
        try:
            done = subprocess.run(
                command, cwd=HOME / "redis", env=environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                timeout=LIMIT_S,
            )
        except subprocess.TimeoutExpired:
            result.failed.append((f"RESP{protocol} {file}", f"{command_line}: {LIMIT_S} s"))
            continue
        said = dict(SAID.findall(done.stdout))
        verdicts = VERDICT.findall(done.stdout)
        for test, verdict in verdicts:
            name, text = f"RESP{protocol} {file}::{test}", said.get(test, "")
            if verdict == "ignored" or DOES_NOT_FIT in text:
                result.add(name, "skipped", text.strip() or "ignored")
            else:
                result.add(name, "passed" if verdict == "ok" else "failed", text)
        if "test result:" not in done.stdout:
            result.failed.append((f"RESP{protocol} {file}", done.stdout[-3000:]))

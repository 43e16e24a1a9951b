"""An engine that has moved on since the last good set: used only if the conformance suite passes on it, else the fallback.
python3 prepare_test.py MILLRACE CONFORMANCE"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from harness import Millrace  # noqa: E402

CACHE = pathlib.Path(os.environ.get("MILLRACE_CACHE") or pathlib.Path.home() / ".cache/millrace")
KEPT = pathlib.Path(sys.argv[1]).resolve().parent / "prepare-test"  # the fallback's download, from one run to the next
STAMP = "etc/millrace-engine.txt"
# What serves in place of images/engine/build.sh: the suite "now has" the root that $SUITE_NOW names.
BUILD = '#!/bin/sh\nset -e\necho built >> "$BUILT"\ncp -a "$SUITE_NOW" "$1"\n'


class Prepare(unittest.TestCase):
    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="millrace-prepare-"))
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)
        self.cache = self.work / "cache"
        (self.cache / "models").mkdir(parents=True)
        (self.cache / "engine").mkdir()
        base = self.cache / "images/base/etc"  # this suite is about the engine: the image is there
        base.mkdir(parents=True)
        (base / "millrace-image.json").write_text("{}")
        prepared = dict(line.split("=", 1) for line in (CACHE / "prepared.env").read_text().splitlines())
        if not prepared["ENGINE_ROOT"]:
            self.skipTest("this machine's engine is not the root file system of packages")
        self.suite_now = pathlib.Path(prepared["ENGINE_ROOT"])
        self.model = pathlib.Path(prepared["MODEL_FILE"])
        os.symlink(self.model, self.cache / "models" / self.model.name)
        self.tree = self.work / "tree"
        for folder in ("tools", "images", "tests/engine_adapter"):
            shutil.copytree(ROOT / folder, self.tree / folder)
        (self.tree / "images/engine/build.sh").write_text(BUILD)
        self.known = self.tree / "images/engine/known-good.txt"
        stamp = (self.suite_now / STAMP).read_text()
        rest = [line for line in self.known.read_text().splitlines() if not line.startswith("deb ")]
        self.known.write_text("\n".join(rest + ["deb " + line for line in stamp.splitlines()]) + "\n")
        for kept in KEPT.glob("xllamacpp-*"):
            shutil.copytree(kept, self.cache / "engine" / kept.name, symlinks=True)

    def prepare(self):
        environment = {**os.environ, "MILLRACE_CACHE": str(self.cache), "MILLRACE_CONFORMANCE": sys.argv[2],
                       "SUITE_NOW": str(self.suite_now), "BUILT": str(self.work / "built")}
        for name in ("MILLRACE_MODEL_FILE", "MILLRACE_ENGINE_PATH"):
            environment.pop(name, None)
        done = subprocess.run(["bash", self.tree / "tools/prepare.sh"], capture_output=True, text=True, env=environment,
                              timeout=280)
        self.assertEqual(done.returncode, 0, done.stderr)
        return dict(line.split("=", 1) for line in done.stdout.splitlines()), done.stderr

    def times_built(self):
        built = self.work / "built"
        return len(built.read_text().splitlines()) if built.exists() else 0

    def make_known_set_older(self):
        """As if the recorded set had been recorded one release of the engine ago."""
        lines = self.known.read_text().splitlines()
        old = [" ".join([*line.split()[:2], "1:0.6.9+dfsg-1", "0" * 64]) if line.startswith("deb llama.cpp-tools ") else line
               for line in lines]
        self.assertNotEqual(lines, old)
        self.known.write_text("\n".join(old) + "\n")

    def break_the_new_engine(self):
        """A new version that renamed one member of its answers."""
        broken = self.work / "broken"
        shutil.copytree(self.suite_now, broken, symlinks=True)
        library = broken / "usr/lib/x86_64-linux-gnu/llama/libllama-server-impl.so"
        code = library.read_bytes()
        self.assertIn(b"prompt_progress", code)
        library.write_bytes(code.replace(b"prompt_progress", b"prompt_headway1"))
        self.suite_now = broken

    def test_the_known_set_is_used_without_a_trial(self):
        found, said = self.prepare()
        self.assertTrue(pathlib.Path(found["ENGINE_ROOT"], "usr/bin/llama-server").exists())
        self.assertNotIn("moved on", said)
        self.assertEqual(self.prepare()[0], found)
        self.assertEqual(self.times_built(), 1)

    def test_a_newer_set_is_tried_printed_recorded_and_used(self):
        self.make_known_set_older()
        found, said = self.prepare()
        self.assertIn("the suite has moved on", said)
        self.assertRegex(said, r"< llama\.cpp-tools 1:0\.6\.9\+dfsg-1 0{64}")
        new = next(line for line in (self.suite_now / STAMP).read_text().splitlines() if line.startswith("llama.cpp-tools "))
        self.assertIn("> " + new, said)
        self.assertIn("the new versions passed and are used", said)
        self.assertTrue(pathlib.Path(found["ENGINE_ROOT"], "usr/bin/llama-server").exists())
        accepted = list((self.cache / "engine").glob("accepted-*.txt"))
        self.assertEqual(len(accepted), 1)
        self.assertIn("deb " + new, accepted[0].read_text())
        again, said = self.prepare()
        self.assertEqual((again, self.times_built()), (found, 1))
        self.assertNotIn("moved on", said)

    def test_a_newer_set_that_does_not_conform_gives_way_to_the_fallback_which_answers(self):
        self.make_known_set_older()
        self.break_the_new_engine()
        found, said = self.prepare()
        self.assertIn("the new versions are not used", said)
        self.assertEqual(found["ENGINE_ROOT"], "")
        self.assertRegex(found["ENGINE_SET"], r"^xllamacpp-")
        self.assertFalse((self.cache / "engine/current").exists())
        self.assertEqual(list((self.cache / "engine").glob("accepted-*.txt")), [])
        self.assertIn("llama.cpp-tools", (self.cache / "engine/refused.txt").read_text())
        KEPT.mkdir(exist_ok=True)
        fallback = pathlib.Path(found["ENGINE_PATH"]).parent.parent
        if not (KEPT / fallback.name).exists():
            shutil.copytree(fallback, KEPT / fallback.name, symlinks=True)

        if os.environ.get("MILLRACE_LONG"):
            conformance = subprocess.run(["bash", ROOT / "tools/engine-conformance.sh", found["ENGINE_PATH"], self.model],
                                         env={**os.environ, "MILLRACE_CONFORMANCE": sys.argv[2]}, capture_output=True, text=True)
            self.assertEqual(conformance.returncode, 0, conformance.stdout + conformance.stderr)

        again, said = self.prepare()  # and it is not tried anew at every start
        self.assertEqual((again, self.times_built()), (found, 1))
        self.assertIn("was refused", said)
        self.known.write_text(self.known.read_text() + "# another set is known to be good\n")
        self.prepare()
        self.assertEqual(self.times_built(), 2)

        os.environ["MILLRACE_CACHE"] = str(self.cache)
        self.addCleanup(os.environ.pop, "MILLRACE_CACHE")
        with Millrace(sys.argv[1]) as millrace:
            command = subprocess.run(["ps", "-o", "args=", "-p", str(millrace.pid("engine"))], capture_output=True, text=True)
            self.assertIn("xllamacpp", command.stdout)
            answer = millrace.chat()
            self.assertEqual(answer[0], 200, answer[2])
            self.assertIn("Paris", answer[2]["choices"][0]["message"]["content"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)

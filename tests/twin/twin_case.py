"""What the tests of `millrace twin` share: the program, run as a script runs it."""
import json
import pathlib
import subprocess
import sys
import unittest

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
PROGRAM = str(pathlib.Path(sys.argv[1]).resolve()) if len(sys.argv) > 1 else ""


class Case(unittest.TestCase):
    timeout_s = 200  # of one command

    def twin(self, *arguments, code=0):
        done = subprocess.run([PROGRAM, "twin", *map(str, arguments)], capture_output=True, text=True, timeout=self.timeout_s)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return done

    def json(self, *arguments):
        """The one object that the command prints with --json; nothing else is on either stream."""
        done = self.twin(*arguments, "--json")
        self.assertEqual(done.stderr, "")
        return json.loads(done.stdout)


def main():
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)

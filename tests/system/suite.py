"""Runs the test classes of a file on one Millrace: python3 x_test.py PROGRAM"""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402


class Case(unittest.TestCase):
    millrace: harness.Millrace

    def status_of(self, answer, status):
        self.assertEqual(answer[0], status, answer[2])
        return answer


def program():
    return sys.argv[1]


def main(*up_options):
    with harness.Millrace(program(), *up_options) as millrace:
        Case.millrace = millrace
        unittest.main(argv=[sys.argv[0]], verbosity=2)

"""A training job in PyTorch is preempted, goes on from its checkpoint, and ends with the same loss as one that was left in peace.

    train_test.py PROGRAM

The image "torch" (Debian's python3-torch for the CPU) is built once into the cache.
"""
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Millrace, wait_for  # noqa: E402

PROGRAM = str(pathlib.Path(sys.argv.pop(1)).resolve())
HERE = pathlib.Path(__file__).resolve().parent
CONFIG = """
[[node]]
name = "n"
cpus = 2
memory = "8GiB"
accelerators = 1
accel = "fake"
"""


class Train(unittest.TestCase):
    def test_a_preempted_training_run_ends_with_the_same_loss(self):
        subprocess.run([PROGRAM, "image", "build", "torch", "--packages", "python3-torch"], check=True)
        with Millrace(PROGRAM, "--bare", config=CONFIG) as millrace:
            def train(pace, **more):
                return millrace.submit({"image": "torch", "command": ["python3", "train.py", "400", str(pace)], "memory": "2GiB",
                                        "accelerators": 1, "checkpoint_signal": "USR1", "grace": "30s", **more},
                                       "--workdir", str(HERE))

            def loss(job):
                return pathlib.Path(millrace.home, "work", job, "output", "loss.txt").read_text()
            left_in_peace = train(0)
            self.assertEqual(millrace.wait_job(left_in_peace, {"succeeded", "failed"}, 120)["state"], "succeeded",
                             millrace.cli("job", "logs", left_in_peace).stdout)
            disturbed = train(0.05, priority_class="low")
            wait_for(lambda: "trains" in millrace.cli("job", "logs", disturbed, check=False).stdout, 120)
            urgent = millrace.submit({"command": ["sleep", "1"], "accelerators": 1, "priority_class": "high", "cpus": 0.1})
            self.assertEqual(millrace.wait_job(urgent, {"succeeded"}, 60)["state"], "succeeded")
            job = millrace.wait_job(disturbed, {"succeeded", "failed"}, 120)
            log = millrace.cli("job", "logs", disturbed).stdout
            self.assertEqual((job["state"], job["attempts"]), ("succeeded", 2), log)
            self.assertIn("goes on from step", log)
            self.assertEqual(loss(disturbed), loss(left_in_peace))
            runs = [r for r in millrace.records() if r["endpoint"] == f"job/{disturbed}"]
            self.assertEqual([r["status"] for r in sorted(runs, key=lambda r: r["started_at"])], ["cancelled", "completed"])


if __name__ == "__main__":
    unittest.main()

"""Every field of every command's JSON is told in docs/twin.md."""
import pathlib
import re
import tempfile

import twin_case

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOLD = set(re.findall(r"`([^`\n]+)`", (ROOT / "docs" / "twin.md").read_text()))
# Members whose own members are named by what is played: classes, sites, accounts, policies.
NAMED_BY_THE_RUN = {"wait_by_class", "sites", "kinds", "accounts", "admission_mean_s", "admission_max_s"}


def fields_of(value, named_by_the_run=False):
    if isinstance(value, list):
        for each in value:
            yield from fields_of(each)
    if isinstance(value, dict):
        for name, member in value.items():
            if not named_by_the_run:
                yield name
            yield from fields_of(member, name in NAMED_BY_THE_RUN)


class Fields(twin_case.Case):
    def check(self, *arguments):
        found = set(fields_of(self.json(*arguments)))
        self.assertGreater(len(found), 2)
        self.assertEqual(found - TOLD, set())

    def test_every_field_is_told(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        carbon = twin_case.DATA / "carbon-eu-2022" / "zones_2022_hourly_lca.csv"
        openb = twin_case.DATA / "openb"
        self.check("run", ROOT / "examples" / "32-nodes.toml", "--days", 1)
        self.check("openb", "--nodes", openb / "openb_node_list_gpu_node.csv", "--pods",
                   openb / "openb_pod_list_default.csv", "--policy", "bestfit", "--seeds", "42-42")
        self.check("routing", "--trace", twin_case.DATA / "mooncake" / "conversation_blocks.jsonl", "--replicas", 2,
                   "--cache-tokens", 100000, "--drain-blocks-per-s", 4, "--policy", "cost")
        self.check("carbon", "--intensity", carbon, "--zone", "FR", "--job-hours", 6, "--slack-hours", 24, "--policy", "now")
        self.check("queues", ROOT / "examples" / "queues-baseline.toml")
        self.check("pass", "--nodes", 50, "--accelerators", 8, "--pending", 100, "--seed", 1)
        self.check("generate", "site", "--seed", 1, "--out", pathlib.Path(folder.name) / "s.toml")
        self.check("generate", "workload", "--days", 0.1, "--out", pathlib.Path(folder.name) / "w.csv")


if __name__ == "__main__":
    twin_case.main()

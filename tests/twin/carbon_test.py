"""Waiting for clean hours: the oracle against the study's own figures, and what can be had without seeing the future.

One zone in the ordinary run; every shipped zone and setting with MILLRACE_LONG=1.
"""
import csv
import os
import re

import twin_case

FOLDER = twin_case.DATA / "carbon-eu-2022"
ZONES = FOLDER / "zones_2022_hourly_lca.csv"
LONG = bool(os.environ.get("MILLRACE_LONG"))


def published():
    """(zone, job hours, slack hours, interruptible): saving in % with every coming hour known."""
    with open(FOLDER / "oracle_savings_2022.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, both in row.items():
                setting = re.match(r"job(\d+)h_slack(\d+)h", name)
                if setting:
                    for interruptible, figure in enumerate(both.split("/")):
                        yield row["zone"], int(setting[1]), int(setting[2]), bool(interruptible), float(figure)


class Carbon(twin_case.Case):
    def run_zone(self, zone, policy, job=24, slack=24, interruptible=True, *more):
        flag = ["--interruptible"] if interruptible else []
        return self.json("carbon", "--intensity", ZONES, "--zone", zone, "--policy", policy, "--job-hours", job,
                         "--slack-hours", slack, *flag, *more)

    def shares(self, zones, policy, slack, *more):
        return [self.run_zone(zone, policy, 24, slack, True, *more)["share_of_oracle"] for zone in zones]

    def zones(self):
        with open(ZONES, encoding="utf-8") as file:
            return file.readline().strip().split(",")[1:]

    def test_the_oracle_saves_what_the_study_found(self):
        checked = 0
        for zone, job, slack, interruptible, figure in published():
            if LONG or zone == "FR":
                found = self.run_zone(zone, "oracle", job, slack, interruptible)
                self.assertEqual(found["jobs"], 8760)
                # The study rounds to 0.1; FR, 96 h, 168 h, deferred only, is 0.1 above ours.
                self.assertAlmostEqual(found["saving_pct"], figure, delta=0.15, msg=f"{zone} {job} {slack}")
                self.assertEqual(found["saving_pct"], found["oracle_saving_pct"])
                checked += 1
        self.assertEqual(checked, 60 if LONG else 12)

    def test_a_day_known_ahead_is_nearly_the_oracle(self):
        zones = self.zones() if LONG else ["BE"]
        day, week = self.shares(zones, "forecast", 24), self.shares(zones, "forecast", 168)
        self.assertGreaterEqual(sum(day) / len(day), 0.97, day)
        self.assertGreaterEqual(sum(week) / len(week), 0.85, week)

    def test_history_alone_saves_two_thirds(self):
        zones = self.zones() if LONG else ["PL"]
        day, week = self.shares(zones, "history", 24), self.shares(zones, "history", 168)
        self.assertGreaterEqual(sum(day) / len(day), 0.68, day)
        self.assertGreaterEqual(sum(week) / len(week), 0.70, week)
        if LONG:
            self.assertGreater(min(day + week), 0.5)

    def test_a_wrong_forecast_saves_less(self):
        last = 1.0
        for error in (5, 10, 20) if LONG else (5, 20):
            found = self.run_zone("DE", "forecast", 24, 24, True, "--error-pct", error, "--seed", 7)
            self.assertLess(found["share_of_oracle"], last)
            self.assertEqual((found["error_pct"], found["seed"]), (error, 7))
            last = found["share_of_oracle"]
        self.assertGreater(last, 0.7)

    def test_now_is_the_measure(self):
        found = self.run_zone("FR", "now")
        self.assertEqual((found["saving_pct"], found["share_of_oracle"], found["forecaster"]), (0, 0, "none"))

    def test_people_get_a_table(self):
        done = self.twin("carbon", "--intensity", ZONES, "--zone", "SE-SE3", "--policy", "oracle")
        self.assertIn("SE-SE3", done.stdout)
        self.assertIn("share of oracle", done.stdout)

    def test_wrong_options_are_told_as_such(self):
        where = ("carbon", "--intensity", ZONES, "--zone")
        self.assertIn("no column 'XX'", self.twin(*where, "XX", code=2).stderr)
        self.assertIn("history", self.twin(*where, "FR", "--policy", "guess", code=2).stderr)
        self.assertIn("1 to 744", self.twin(*where, "FR", "--job-hours", 0, code=2).stderr)
        missing = self.twin("carbon", "--intensity", FOLDER / "none.csv", "--zone", "FR", code=3)
        self.assertIn("none.csv", missing.stderr)


twin_case.main()

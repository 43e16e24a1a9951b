#include "control/work.h"

#include <gtest/gtest.h>

#include "control/cluster_test_support.h"

namespace millrace::control {
namespace {

WantedWork full() {
  WantedWork work;
  work.id = workload_id(17, 3);
  work.name = "17_3";
  work.title = "train";
  work.tenant = "lab";
  work.project = "vision";
  work.user = "usr_1";
  work.submitted_at = at(1);
  work.demand = {.cpu_milli = 1500, .memory_mib = 2048, .accelerators = 1, .accelerator_milli = 500};
  work.tasks = 4;
  work.tasks_per_node = 2;
  work.kinds = {"fake-a"};
  work.zones = {"FR"};
  work.jurisdictions = {"EU"};
  work.one_domain = true;
  work.spread = scheduler::Spread::kRail;
  work.siblings = "chat";
  work.priority_class = "high";
  work.preemptible = false;
  work.time_limit = std::chrono::seconds(90);
  work.deadline = at(1000);
  work.deferrable = true;
  work.retries = 2;
  work.requeue = false;
  work.checkpoint_signal = 10;
  work.grace = std::chrono::seconds(7);
  work.after = {workload_id(3), workload_id(4, 1)};
  work.program.command = {"python3", "a \"b\".py"};
  work.program.env = {{"A", "1"}};
  work.program.secrets = {{"token", "/run/token"}};
  work.program.mounts = {{"/srv/data", "/data", true}};
  work.program.workdir_archive = "/home/x.tar";
  work.program.host_network = true;
  work.cancelled_at = at(5);
  work.source = "command = [\"x\"]";
  return work;
}

TEST(Work, ARecordReadsBackAsItWasWritten) {
  EXPECT_EQ(parse_wanted(to_json(full())).value(), full());
  EXPECT_EQ(parse_wanted(to_json(WantedWork())).value(), WantedWork());
  ObservedWork seen;
  seen.id = workload_id(17, 3);
  seen.state = WorkState::kTimedOut;
  seen.reason_code = "time_limit";
  seen.reason = "stopped for other work, which has a higher priority";
  seen.full_reason = "stopped for 9, which has a higher priority";
  seen.exit_code = 137;
  seen.run = 3;
  seen.failures = 1;
  seen.places = {{"n1", 5}, {"n2", 0}};
  seen.cap_milli = 700;
  seen.started_at = at(2);
  seen.ended_at = at(3);
  seen.accelerator_ms = 5;
  seen.cpu_us = 6;
  seen.energy_uj = 7;
  seen.co2e_ug = 8;
  seen.cost_microeur = 9;
  seen.basis = "modelled";
  seen.grace_ms = 10;
  seen.stopping = true;
  seen.runs = {
      {.number = 1,
       .nodes = {"n0"},
       .started_at = at(0),
       .ended_at = at(1),
       .outcome = "paused",
       .reason = "stopped for other work",
       .full_reason = "stopped for 8"},
      {.number = 2, .nodes = {}, .started_at = at(1), .ended_at = at(1), .outcome = "failed", .reason = {}}};
  EXPECT_EQ(parse_observed(to_json(seen)).value(), seen);
  EXPECT_EQ(parse_observed(to_json(ObservedWork{})).value(), ObservedWork{});
}

TEST(Work, AWrongRecordIsCorruptAndNamesTheKey) {
  EXPECT_EQ(parse_wanted("{").error().code, ErrorCode::kCorrupt);
  EXPECT_NE(parse_wanted(R"({"version":2})").error().message.find("version 1"), std::string::npos);
  std::string text = to_json(full());
  text.replace(text.find("\"tasks\":4"), 9, "\"tasks\":\"4\"");
  EXPECT_NE(parse_wanted(text).error().message.find("tasks"), std::string::npos);
}

TEST(Work, KeysAreInTheOrderOfSubmission) {
  EXPECT_LT(work_key(kWantedPrefix, workload_id(9, 99)), work_key(kWantedPrefix, workload_id(10)));
  EXPECT_LT(work_key(kWantedPrefix, workload_id(10, 9)), work_key(kWantedPrefix, workload_id(10, 10)));
  EXPECT_EQ(number_of(workload_id(17, 3)), 17u);
  EXPECT_EQ(index_of(workload_id(17, 3)), 3u);
}

}  // namespace
}  // namespace millrace::control

#include "twin/sim/decision_text.h"

#include <gtest/gtest.h>

#include "host/file.h"
#include "twin/sim/test_world.h"

namespace millrace::twin {
namespace {

TEST(DecisionText, UnitsAndNamesAreForAPerson) {
  std::string text;
  append_kilowatts(text, 600'000'000);
  EXPECT_EQ(text, "600 kW");
  text.clear();
  append_kilowatts(text, 1'250'500);
  EXPECT_EQ(text, "1.2505 kW");
  EXPECT_EQ(cap_text(680), "power cap 68 %");
  EXPECT_EQ(cap_text(1000), "no power cap");
  EXPECT_EQ(second_of(world_start() + std::chrono::seconds(20)), "2026-01-01 00:00:20");
  const SiteConfig config = small_site(2);
  text.clear();
  append_places(text, config.cluster,
                std::vector<scheduler::TaskPlace>{{0, 0xFF}, {1, 0b1011}, {1, 0}, {0, 0b100}});
  EXPECT_EQ(text, "n0:0-7, n1:0-1+3, n1, n0:2");
}

TEST(DecisionText, WorkIsCalledAsInTheLog) {
  scheduler::Reason reason;
  reason.code = scheduler::ReasonCode::kCapacity;
  reason.needed = 2'000;
  reason.resource = "accelerators";
  reason.at = world_start();
  reason.other = 2;
  EXPECT_NE(text_of(reason).find("when job-2 ends"), std::string::npos) << text_of(reason);
  reason.code = scheduler::ReasonCode::kPromised;
  EXPECT_NE(text_of(reason).find("promised to job-2 at"), std::string::npos) << text_of(reason);
  reason.code = scheduler::ReasonCode::kPriority;
  EXPECT_NE(text_of(reason).find("stopped for job-2,"), std::string::npos) << text_of(reason);
}

TEST(DecisionLogOfARun, ReasonsOfStartsHoldsAndBudgetsAreToldInWords) {
  std::string folder = "/tmp/millrace-decisions-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  SiteConfig config = small_site(1);
  config.sites[0].power = {{.since = {}, .budget_mw = 10'000'000}};
  config.policy.shift = "oracle";
  std::vector<std::int64_t> values(24, 300'000);
  for (std::size_t hour = 3; hour < 5; ++hour) values[hour] = 30'000;
  config.sites[0].carbon =
      energy::HourlySeries::create(world_start(), values, energy::Outside::kWraps).value();
  TraceJob waits = job_of(600, 3'600, 2);
  waits.deferrable = true;
  waits.deadline = waits.arrival + std::chrono::hours(12);
  RunOptions options;
  options.decisions_path = folder + "/decisions.tsv";
  ASSERT_TRUE(play_world(config, {job_of(0, 1'000, 8), waits, job_of(700, 60, 8)}, options));
  const auto log = host::read_file(options.decisions_path).value();
  for (const char* line : {
           "\tsite\tbudget\t10 kW from the beginning on\n",
           "\tjob-1\tstart\trun 1 on n0:0-7; there was room when it came\n",
           "\tjob-2\thold\twaits for clean hours; expected to start at 2026-01-01 03:00:00, and at "
           "2026-01-01 "
           "11:10:00 at the latest to meet its deadline\n",
           "2026-01-01T03:00:00.000000Z\tjob-2\tstart\trun 1 on n0:0-1; waited 10200 s: the hours that it "
           "waited "
           "for have come\n",
           "\tjob-3\tstart\trun 1 on n0:0-7; waited 300 s: there is room now\n",
       }) {
    EXPECT_NE(log.find(line), std::string::npos) << line << "\n" << log;
  }
  EXPECT_EQ(log.find(" mW"), std::string::npos);
  EXPECT_TRUE(host::remove_tree(folder));
}

TEST(Report, ShowsCarbonAgainstTheOracleWhereWorkMayWait) {
  TraceJob waits = job_of(600, 3'600, 2);
  waits.deferrable = true;
  waits.deadline = waits.arrival + std::chrono::hours(12);
  const auto with = play_world(small_site(1), {waits}).value();
  const auto chart = std::ranges::find(with.report.charts, "carbon-oracle", &Chart::id);
  ASSERT_NE(chart, with.report.charts.end());
  ASSERT_EQ(chart->lines.size(), 3u);
  EXPECT_NEAR(chart->lines[0].values.back(), find_value(with, "deferrable_co2e_t").value() * 1e3, 1e-9);
  EXPECT_NEAR(chart->lines[1].values.back(), find_value(with, "deferrable_co2e_at_once_t").value() * 1e3,
              1e-9);
  EXPECT_NEAR(chart->lines[2].values.back(), find_value(with, "deferrable_co2e_oracle_t").value() * 1e3,
              1e-9);
  const auto without = play_world(small_site(1), {job_of(0, 60, 1)}).value();
  EXPECT_EQ(std::ranges::find(without.report.charts, "carbon-oracle", &Chart::id),
            without.report.charts.end());
}

TEST(Report, DrawsEachLimitedSiteAgainstItsOwnBudgetAndNoDrawAboveOne) {
  SiteConfig config = small_sites({.name = "free", .zone = "PL", .jurisdiction = "PL", .pue = 1.0});
  config.sites[1].power.clear();
  const std::int64_t full = 20'000'000;
  config.sites[0].power = {PowerStage{.since = world_start(), .budget_mw = full}};
  for (int day = 0; day < 200; ++day) {  // half as much for two hours of each day
    const TimePoint at = world_start() + std::chrono::hours(24 * day + 13);
    config.grid_events.push_back({.at = at, .site = 0, .budget_mw = full / 2, .notice = seconds(900)});
    config.grid_events.push_back(
        {.at = at + std::chrono::hours(2), .site = 0, .budget_mw = {}, .notice = {}});
  }
  std::vector<TraceJob> jobs;
  for (int i = 0; i < 4'800; ++i) jobs.push_back(job_of(i * 3'600, 7'000, 8));
  const auto result = play_world(config, jobs).value();
  ASSERT_EQ(result.budget_exceeded, 0);
  const auto& charts = result.report.charts;
  EXPECT_EQ(std::ranges::find(charts, "power", &Chart::id)->lines.size(), 2U) << "all sites have no budget";
  EXPECT_EQ(std::ranges::find(charts, "power-2", &Chart::id), charts.end());
  const auto chart = std::ranges::find(charts, "power-1", &Chart::id);
  ASSERT_NE(chart, charts.end());
  ASSERT_EQ(chart->lines.size(), 3U);
  for (std::size_t i = 0; i < chart->times.size(); ++i)
    ASSERT_LE(chart->lines[0].values[i], chart->lines[2].values[i] + 1e-12) << to_rfc3339(chart->times[i]);
}

}  // namespace
}  // namespace millrace::twin

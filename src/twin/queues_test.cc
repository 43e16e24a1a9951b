#include "twin/queues.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "host/system_clock.h"

namespace millrace::twin {
namespace {

using std::chrono::milliseconds;

QueueClass work(std::string name, std::int64_t count, std::int64_t every_ms, std::int64_t runtime_ms,
                std::int64_t units, std::int32_t priority) {
  return {.name = std::move(name),
          .count = count,
          .every = milliseconds(every_ms),
          .runtime = milliseconds(runtime_ms),
          .units = units,
          .priority = priority};
}

QueueSet queue(std::string name, std::int64_t nominal, std::int64_t borrow, std::vector<QueueClass> classes) {
  return {.name = std::move(name),
          .nominal_units = nominal,
          .borrow_units = borrow,
          .classes = std::move(classes)};
}

QueuesConfig one_cohort(std::vector<QueueSet> queues, bool preempt = true) {
  QueuesConfig config{.name = "test", .preempt = preempt, .cohorts = {}};
  config.cohorts.push_back({.name = "cohort", .count = 1, .queues = std::move(queues)});
  return config;
}

QueuesResult run(const QueuesConfig& config) {
  const host::SystemClock clock;
  auto result = run_queues(config, clock, {});
  EXPECT_TRUE(result) << result.error().message;
  return result ? *result : QueuesResult{};
}

const QueueClassResult& of_class(const QueuesResult& result, std::string_view name) {
  return *std::ranges::find(result.classes, name, &QueueClassResult::name);
}

TEST(Queues, WorkWaitsForQuotaAndStartsWhenItIsFree) {
  // Two at a time: 0 to 1 s, 1 to 2 s, and the last from 2 to 3 s.
  const auto result = run(one_cohort({queue("q", 2, 0, {work("job", 5, 0, 1000, 1, 0)})}));
  EXPECT_DOUBLE_EQ(result.makespan_s, 3.0);
  EXPECT_DOUBLE_EQ(result.bound_s, 2.5);
  EXPECT_DOUBLE_EQ(of_class(result, "job").admission_mean_s, (0 + 0 + 1 + 1 + 2) / 5.0);
  EXPECT_DOUBLE_EQ(of_class(result, "job").admission_max_s, 2.0);
  EXPECT_DOUBLE_EQ(result.usage_pct, 100.0 * 5 / 6);
  EXPECT_EQ(result.starts, 5);
  EXPECT_EQ(result.preemptions, 0);
}

TEST(Queues, AHigherClassGoesFirst) {
  const auto result =
      run(one_cohort({queue("q", 1, 0, {work("low", 3, 0, 1000, 1, 1), work("high", 2, 0, 1000, 1, 2)})}));
  EXPECT_DOUBLE_EQ(of_class(result, "high").admission_mean_s, 0.5);  // at 0 and 1 s
  EXPECT_DOUBLE_EQ(of_class(result, "low").admission_mean_s, 3.0);   // at 2, 3 and 4 s
}

TEST(Queues, NothingOfALowerClassPassesTheNextOfAHigherOneWhenTheFirstStarts) {
  // 5 of 8 from 0 to 1 s, 5 from 1 to 2 s, then 6; the low class would fit beside each 5.
  const auto result = run(one_cohort({queue(
      "q", 8, 0,
      {work("high", 2, 0, 1000, 5, 2), work("next", 1, 0, 500, 6, 2), work("low", 40, 100, 700, 3, 1)})}));
  EXPECT_DOUBLE_EQ(of_class(result, "next").admission_max_s, 2.0);
  EXPECT_EQ(result.preemptions, 0);
}

TEST(Queues, TheBoundKnowsOfWorkThatComesLateOrTakesLong) {
  const auto result = run(
      one_cohort({queue("q", 10, 0, {work("long", 1, 0, 50'000, 1, 0), work("job", 3, 1000, 10, 1, 0)})}));
  EXPECT_DOUBLE_EQ(result.bound_s, 50.0);
  EXPECT_DOUBLE_EQ(run(one_cohort({queue("q", 10, 0, {work("job", 3, 1000, 10, 1, 0)})})).bound_s, 2.01);
}

TEST(Queues, AQueueBorrowsWhatItsCohortLeaves) {
  const auto queues = [](std::int64_t borrow) {
    return one_cohort({queue("busy", 1, borrow, {work("job", 4, 0, 1000, 1, 0)}), queue("idle", 3, 0, {})});
  };
  EXPECT_DOUBLE_EQ(run(queues(0)).makespan_s, 4.0);
  EXPECT_DOUBLE_EQ(run(queues(1)).makespan_s, 2.0);
  EXPECT_DOUBLE_EQ(run(queues(100)).makespan_s, 1.0);
}

TEST(Queues, WhatIsPreemptedStartsAgainFromItsBeginning) {
  auto config =
      one_cohort({queue("q", 2, 0, {work("large", 2, 500, 400, 2, 2), work("small", 1, 0, 300, 1, 1)})});
  // 0 to 0.4 large, 0.4 small, stopped at 0.5 for large until 0.9, small until 1.2.
  auto result = run(config);
  EXPECT_EQ(result.preemptions, 1);
  EXPECT_EQ(result.starts, 4);
  EXPECT_DOUBLE_EQ(result.makespan_s, 1.2);
  EXPECT_DOUBLE_EQ(of_class(result, "large").admission_max_s, 0.0);
  EXPECT_DOUBLE_EQ(of_class(result, "small").admission_mean_s, 0.4);  // the first start counts
  config.preempt = false;
  result = run(config);
  EXPECT_EQ(result.preemptions, 0);
  EXPECT_DOUBLE_EQ(of_class(result, "large").admission_max_s, 0.2);
  EXPECT_DOUBLE_EQ(result.makespan_s, 1.1);
}

TEST(Queues, WhatWasBorrowedIsTakenBackIfTheQueueMayReclaim) {
  // `a` holds all three units from 0 on; at 0.1 s `b` wants its own two.
  QueueClass late = work("late", 1, 0, 1000, 2, 5);
  late.first = milliseconds(100);
  auto config = one_cohort({queue("a", 1, 2, {work("early", 3, 0, 1000, 1, 5)}), queue("b", 2, 0, {late})});
  config.cohorts[0].queues[1].reclaim = scheduler::Reclaim::kAny;
  auto result = run(config);
  EXPECT_EQ(result.preemptions, 2);
  EXPECT_DOUBLE_EQ(of_class(result, "late").admission_max_s, 0.0);
  EXPECT_DOUBLE_EQ(result.makespan_s, 2.1);  // one again from 1.0 on its own quota, one from 1.1 borrowed
  config.cohorts[0].queues[1].reclaim = scheduler::Reclaim::kNever;
  result = run(config);
  EXPECT_EQ(result.preemptions, 0);
  EXPECT_DOUBLE_EQ(of_class(result, "late").admission_max_s, 0.9);
  EXPECT_DOUBLE_EQ(result.makespan_s, 2.0);
}

TEST(Queues, TheSameConfigurationGivesTheSameFigures) {
  const auto config =
      one_cohort({queue("a", 4, 8, {work("s", 60, 30, 70, 1, 1), work("m", 20, 100, 150, 3, 2)}),
                  queue("b", 4, 8, {work("s", 40, 50, 90, 1, 1), work("l", 10, 200, 300, 4, 3)})});
  const auto text = [](QueuesResult result) {
    result.wall_s = result.decisions_per_s = 0;
    return boost::json::serialize(to_json(result));
  };
  EXPECT_EQ(text(run(config)), text(run(config)));
}

constexpr std::string_view kSmall = R"([[cohort]]
name = "c"
[[cohort.queue]]
name = "q"
nominal_quota = 4
borrowing_limit = 2
[[cohort.queue.workload]]
class = "job"
count = 3
every_ms = 10
units = 6
runtime_ms = 5
priority = -1
[[cohort.queue]]
name = "other"
nominal_quota = 2
)";

TEST(QueuesConfig, ReadsEveryKey) {
  const auto config = parse_queues_config(kSmall, "small.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->name, "small.toml");
  EXPECT_TRUE(config->preempt);
  const auto& read = config->cohorts.at(0).queues.at(0);
  EXPECT_EQ(read.borrow_units, 2);
  EXPECT_EQ(read.reclaim, scheduler::Reclaim::kAny);
  EXPECT_EQ(read.classes.at(0).priority, -1);
  EXPECT_EQ(read.classes.at(0).runtime, milliseconds(5));
}

TEST(QueuesConfig, ErrorsNameFileLineAndKey) {
  const auto error_of = [](std::string_view from, std::string_view to) {
    std::string text(kSmall);
    text.replace(text.find(from), from.size(), to);
    const auto config = parse_queues_config(text, "small.toml");
    return config ? std::string("accepted") : config.error().message;
  };
  for (const auto& [from, to, line, key] : std::initializer_list<std::array<std::string_view, 4>>{
           {"units = 6", "units = 7", ":11", "units"},
           {"units = 6", "unit = 6", "", "unit"},
           {"count = 3", "count = 0", ":9", "count"},
           {"borrowing_limit = 2", "reclaim = \"maybe\"", ":6", "reclaim"},
           {"name = \"q\"", "name = 3", ":4", "name"}}) {
    const std::string message = error_of(from, to);
    EXPECT_TRUE(message.starts_with(std::string("small.toml") + std::string(line))) << message;
    EXPECT_NE(message.find(key), std::string::npos) << message;
  }
  const std::string alone = error_of("[[cohort.queue]]\nname = \"other\"\nnominal_quota = 2\n", "");
  EXPECT_TRUE(alone.starts_with("small.toml:11: ")) << alone;
  EXPECT_NE(alone.find("units: found 6, want at most 4: all quotas of the cohort together"),
            std::string::npos)
      << alone;
  const std::string twice = error_of("name = \"other\"", "name = \"q\"");
  EXPECT_NE(twice.find("name: \"q\" stands before in this cohort"), std::string::npos) << twice;
}

TEST(QueuesConfig, WhatIsTooLargeNamesFileKeyValueAndBound) {
  const auto error_of = [](std::string_view queue, std::string_view work) {
    const std::string text = fmt::format(
        "[[cohort]]\nname = \"c\"\n[[cohort.queue]]\nname = \"q\"\n{}[[cohort.queue.workload]]\n"
        "class = \"x\"\n{}units = 1\npriority = 1\n",
        queue, work);
    const auto config = parse_queues_config(text, "big.toml");
    return config ? std::string("accepted") : config.error().message;
  };
  EXPECT_EQ(
      error_of("nominal_quota = 1\n", "count = 300000\nevery_ms = 31536000000\nruntime_ms = 1000\n"),
      "big.toml:9: cohort.queue.workload.every_ms: found 31536000000, want at most 105120350: the last of "
      "300000 workloads comes 1000 years after the beginning at the latest");
  EXPECT_EQ(error_of("nominal_quota = 1\n", "count = 1000000\nevery_ms = 0\nruntime_ms = 31536000000\n"),
            "big.toml:10: cohort.queue.workload.runtime_ms: found 31536000000, want at most 3153600000: the "
            "work of a "
            "cohort, one after the other, takes 100000 years at most");
  EXPECT_EQ(
      error_of("count = 2\nnominal_quota = 1000000000\n", "count = 1\nevery_ms = 0\nruntime_ms = 1\n"),
      "big.toml:6: cohort.queue.nominal_quota: found 1000000000, want at most 500000000: all quotas together "
      "are 1000000000 units at most");
  const std::string few =
      "nominal_quota = 1\n[[cohort.queue.workload]]\nclass = \"x\"\ncount = 1\nevery_ms = 0\n"
      "runtime_ms = 1\nunits = 1\npriority = 1\n";
  const auto many =
      parse_queues_config("[[cohort]]\nname = \"c\"\n[[cohort.queue]]\nname = \"q\"\n" + few +
                              "[[cohort]]\nname = \"d\"\ncount = 1000\n[[cohort.queue]]\nname = "
                              "\"r\"\ncount = 1000000\nnominal_quota = 0\n",
                          "many.toml");
  ASSERT_FALSE(many);
  EXPECT_EQ(
      many.error().message,
      "many.toml:18: cohort.queue.count: found 1000000, want at most 998: cohorts and queues together are "
      "1000000 at most");
}

TEST(QueuesConfig, NeedsAFileThatHoldsWork) {
  EXPECT_FALSE(parse_queues_config("name = \"empty\"", "empty.toml"));
  EXPECT_FALSE(parse_queues_config("not toml", "bad.toml"));
  EXPECT_FALSE(read_queues_config("/nonexistent/queues.toml"));
}

}  // namespace
}  // namespace millrace::twin

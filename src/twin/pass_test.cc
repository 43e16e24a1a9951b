#include "twin/pass.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "host/system_clock.h"

namespace millrace::twin {
namespace {

TEST(Pass, AClusterWithTooFewRunningJobsHasNoMedianWhereNothingWasTimed) {
  const host::SystemClock clock;
  struct Case {
    std::int64_t nodes;
    std::int32_t accelerators;
    std::int64_t pending;
  };
  for (const auto& [nodes, accelerators, pending] :
       {Case{1, 8, 0}, Case{1, 8, 1}, Case{2, 8, 5}, Case{10, 1, 0}}) {
    const PassOptions options{.nodes = nodes, .accelerators = accelerators, .pending = pending};
    const auto result = run_pass(options, clock, {});
    ASSERT_TRUE(result) << nodes << " " << result.error().message;
    EXPECT_EQ(result->started + result->held, pending) << nodes;
    const auto json = to_json(*result);
    EXPECT_EQ(json.at("event_ms").is_null(), !result->event_ms) << nodes;
  }
}

TEST(Pass, AFullClusterIsTimedInEveryPart) {
  const host::SystemClock clock;
  const auto result = run_pass({.nodes = 64, .pending = 200}, clock, {});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->pass_ms);
  EXPECT_TRUE(result->event_ms);
  EXPECT_GT(result->running, 11);
}

}  // namespace
}  // namespace millrace::twin

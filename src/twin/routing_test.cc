#include "twin/routing.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <vector>

#include "host/file.h"

namespace millrace::twin {
namespace {

std::vector<PromptArrival> burst(std::vector<std::vector<routing::BlockHash>> prompts) {
  std::vector<PromptArrival> trace;
  for (auto& prompt : prompts) trace.push_back({.time_ms = 0, .blocks = std::move(prompt)});
  return trace;
}

class RoutingTrace : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/routing_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { EXPECT_TRUE(host::remove_tree(folder_)); }
  std::string file_with(std::string_view text) const {
    const std::string path = folder_ + "/trace.jsonl";
    EXPECT_TRUE(host::write_file_atomic(path, text));
    return path;
  }
  std::string folder_;
};

TEST(Routing, RoundRobinTakesTurnsAndHitsOnlyWhereTheTurnFallsRight) {
  const auto trace = burst({{1, 2}, {1, 2}, {1, 3}, {9, 9}});
  const auto result =
      replay_prompts(trace, {.trace = {}, .replicas = 2, .policy = RoutingPolicy::kRoundRobin}, {});
  EXPECT_EQ(result.requests, 4);
  EXPECT_EQ(result.blocks, 8);
  EXPECT_EQ(result.hit_blocks, 1);  // block 1 of the third prompt, on the first replica
  EXPECT_DOUBLE_EQ(result.hit_ratio, 0.125);
  EXPECT_DOUBLE_EQ(result.imbalance, 4 / 3.5);  // replica 0 computes 3 blocks, replica 1 computes 4
  EXPECT_DOUBLE_EQ(result.ceiling_hit_ratio, 3.0 / 8);
}

TEST(Routing, LongestPrefixSendsEverythingThatSharesAPreambleToOneReplica) {
  const auto trace = burst({{1, 2}, {1, 3}, {1, 4}, {1, 5}});
  const auto result =
      replay_prompts(trace, {.trace = {}, .replicas = 4, .policy = RoutingPolicy::kLongestPrefix}, {});
  EXPECT_EQ(result.hit_blocks, 3);
  EXPECT_DOUBLE_EQ(result.imbalance, 4.0);
}

TEST(Routing, TheCostRuleSpreadsNewPromptsAndSendsKnownOnesHome) {
  const auto trace = burst({{1, 2, 3}, {11, 12, 13}, {1, 2, 3, 4}, {11, 12, 13, 14}});
  const auto result = replay_prompts(trace, {.trace = {}, .replicas = 2}, {});
  EXPECT_EQ(result.hit_blocks, 6);
  EXPECT_DOUBLE_EQ(result.imbalance, 1.0);
}

TEST(Routing, QueuesDrainByTheTimestampsAtTheStatedRate) {
  // Eight blocks at 4 blocks/s: the second request, a second later, waits for 4 of them and its own 2.
  const std::vector<PromptArrival> trace{{.time_ms = 0, .blocks = {1, 2, 3, 4, 5, 6, 7, 8}},
                                         {.time_ms = 1000, .blocks = {21, 22}}};
  const auto result = replay_prompts(trace, {.trace = {}, .replicas = 1, .drain_blocks_per_s = 4}, {});
  EXPECT_DOUBLE_EQ(result.wait_mean_s, (2.0 + 1.5) / 2);
  EXPECT_DOUBLE_EQ(result.wait_p99_s, 2.0);
}

TEST(Routing, APercentileOfWaitsIsTheNearestRank) {
  // 99 prompts of one block, far apart, and one of a thousand: at 4 blocks/s 0.25 s each, and 250 s.
  std::vector<PromptArrival> trace;
  for (std::uint64_t i = 0; i < 99; ++i)
    trace.push_back({.time_ms = static_cast<std::int64_t>(i) * 1'000, .blocks = {i}});
  trace.push_back({.time_ms = 99'000, .blocks = std::vector<routing::BlockHash>(1'000, 7)});
  for (std::size_t i = 0; i < 1'000; ++i) trace.back().blocks[i] = 1'000 + i;
  const auto result = replay_prompts(trace, {.trace = {}, .replicas = 1, .drain_blocks_per_s = 4}, {});
  EXPECT_EQ(result.wait_p50_s, 0.25);
  EXPECT_EQ(result.wait_p99_s, 0.25) << "99 of 100 did not wait longer";
  EXPECT_NEAR(result.wait_mean_s, (99 * 0.25 + 250.0) / 100, 1e-12);
}

TEST(Routing, ASmallCacheForgets) {
  const auto trace = burst({{1, 2}, {3, 4}, {1, 2}});
  RoutingOptions options{.trace = {}, .replicas = 1, .cache_tokens = 2 * routing::kBlockTokens};
  EXPECT_EQ(replay_prompts(trace, options, {}).hit_blocks, 0);
  options.cache_tokens = 4 * routing::kBlockTokens;
  EXPECT_EQ(replay_prompts(trace, options, {}).hit_blocks, 2);
}

TEST_F(RoutingTrace, ReadsLinesAndPassesOverOtherMembers) {
  const auto trace =
      read_prompt_trace(file_with("{\"timestamp\": 5, \"input_length\": 600, \"hash_ids\": [0, "
                                  "7]}\n\n{\"timestamp\":5,\"hash_ids\":[]}"));
  ASSERT_TRUE(trace) << trace.error().message;
  ASSERT_EQ(trace->size(), 2U);
  EXPECT_EQ((*trace)[0].time_ms, 5);
  EXPECT_EQ((*trace)[0].blocks, (std::vector<routing::BlockHash>{0, 7}));
  EXPECT_TRUE((*trace)[1].blocks.empty());
}

TEST_F(RoutingTrace, PassesOverAByteOrderMark) {
  const auto trace = read_prompt_trace(file_with("\xEF\xBB\xBF{\"timestamp\": 5, \"hash_ids\": [7]}\r\n"));
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_EQ(trace->size(), 1U);
}

TEST_F(RoutingTrace, NamesFileAndLineOfWhatIsWrong) {
  for (const char* second : {"{\"timestamp\":1,\"hash_ids\":[]}", "{\"timestamp\":3,\"hash_ids\":[-1]}",
                             "{\"timestamp\":3}", "{\"timestamp\":3,\"hash_ids\":[1]", "nonsense"}) {
    const std::string path = file_with(std::string("{\"timestamp\":2,\"hash_ids\":[]}\n") + second + "\n");
    const auto trace = read_prompt_trace(path);
    ASSERT_FALSE(trace) << second;
    EXPECT_TRUE(trace.error().message.starts_with(path + ":2: ")) << trace.error().message;
  }
}

TEST_F(RoutingTrace, RefusesOptionsOutOfRangeAndEmptyTraces) {
  const std::string path = file_with("{\"timestamp\":2,\"hash_ids\":[1]}\n");
  EXPECT_TRUE(run_routing({.trace = path}, {}));
  EXPECT_FALSE(run_routing({.trace = path, .replicas = 0}, {}));
  EXPECT_FALSE(run_routing({.trace = path, .cache_tokens = -1}, {}));
  EXPECT_FALSE(run_routing({.trace = path, .drain_blocks_per_s = 0}, {}));
  EXPECT_FALSE(run_routing({.trace = file_with("\n")}, {}));
  EXPECT_FALSE(run_routing({.trace = folder_ + "/none"}, {}));
}

}  // namespace
}  // namespace millrace::twin

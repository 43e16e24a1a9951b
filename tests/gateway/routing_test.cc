// Which replica of an endpoint gets a request: real requests through a gateway, replicas that are the test's own.
#include <gtest/gtest.h>

#include "world.h"

namespace millrace::testing {
namespace {

constexpr const char* kWhole =
    R"({"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",)"
    R"("content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}})";

struct Two {
  explicit Two(const std::string& routing) {
    world.local_endpoint("local", 2, 60, {}, routing);
    engines.push_back(world.start("local-0", "local", 4));
    engines.push_back(world.start("local-1", "local", 4));
  }
  /// The index of the replica that gets the prompt; it answers at once.
  std::size_t ask(const std::string& prompt) {
    auto call = world.post(
        "/v1/chat/completions",
        R"({"model":"local","max_tokens":8,"messages":[{"role":"user","content":")" + prompt + "\"}]}");
    EXPECT_TRUE(world.until([&] { return engines[0]->open() != nullptr || engines[1]->open() != nullptr; }));
    const std::size_t at = engines[0]->open() != nullptr ? 0 : 1;
    engines[at]->answer(200, kWhole);
    EXPECT_TRUE(world.until([&] { return call->done; }));
    return at;
  }
  World world;
  std::vector<std::unique_ptr<Upstream>> engines;
};

std::string text(char c, std::size_t blocks) {
  return std::string(128 * blocks, c);
}  // 32 tokens of 4 bytes a block

TEST(Routing, ByCostAPromptGoesWhereItsBeginningIsHeld) {
  Two two("cost");
  EXPECT_EQ(two.ask(text('a', 10)), 0u) << "ties go to the lowest index";
  EXPECT_EQ(two.ask(text('b', 10)), 0u) << "nothing is queued anywhere";
  EXPECT_EQ(two.ask(text('a', 10) + text('c', 3)), 0u);
  const auto metrics = two.world.get("/metrics");
  EXPECT_NE(metrics.find(R"(millrace_routing_blocks_total{replica="local-0",outcome="hit"} 10)"),
            std::string::npos)
      << metrics;
  EXPECT_NE(metrics.find(R"(millrace_routing_imbalance{endpoint="local"} 2)"), std::string::npos) << metrics;
}

TEST(Routing, ByCostWorkThatIsQueuedOutweighsAShortPrefix) {
  Two two("cost");
  EXPECT_EQ(two.ask(text('a', 2)), 0u);
  auto busy =
      two.world.post("/v1/chat/completions",
                     R"({"model":"local","max_tokens":900,"messages":[{"role":"user","content":"Hi"}]})");
  ASSERT_TRUE(two.world.until([&] { return two.engines[0]->open() != nullptr; }));
  auto next = two.world.post("/v1/chat/completions",
                             R"({"model":"local","max_tokens":8,"messages":[{"role":"user","content":")" +
                                 text('a', 2) + text('d', 2) + "\"}]}");
  EXPECT_TRUE(two.world.until([&] { return two.engines[1]->open() != nullptr; }));
}

TEST(Routing, InTurnEachReplicaGetsEveryOtherRequest) {
  Two two("round-robin");
  std::vector<std::size_t> went;
  for (int i = 0; i < 4; ++i) went.push_back(two.ask(text('a', 10)));
  EXPECT_EQ(went, (std::vector<std::size_t>{0, 1, 0, 1}));
}

}  // namespace
}  // namespace millrace::testing

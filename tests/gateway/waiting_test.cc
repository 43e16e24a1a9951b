// Requests for an endpoint that has no replica yet, or none with a free slot.
#include <gtest/gtest.h>

#include "world.h"

namespace millrace::testing {
namespace {

constexpr const char* kWhole =
    R"({"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",)"
    R"("content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}})";
constexpr const char* kLast =
    R"({"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Hi"},)"
    R"("finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}})";

std::string body(bool stream, const std::string& model = "local") {
  return R"({"model":")" + model + R"(","messages":[{"role":"user","content":"Hi"}])" +
         (stream ? R"(,"stream":true})" : "}");
}
constexpr const char* kChat = "/v1/chat/completions";

bool says(const World& world, const std::string& text) { return world.stats.find(text) != std::string::npos; }

TEST(Waiting, TheFirstRequestTellsTheServerAtOnceAndIsAnsweredByTheReplicaThatComes) {
  World world;
  world.local_endpoint("local", 1);
  auto call = world.post(kChat, body(false));
  ASSERT_TRUE(world.until([&] { return says(world, R"("local":{"waiting":1,"running":0,"begun":1)"); }));
  EXPECT_FALSE(call->done);
  const auto engine = world.start("local-0", "local");
  ASSERT_TRUE(world.until([&] { return engine->open() != nullptr; }));
  engine->answer(200, kWhole);
  ASSERT_TRUE(world.until([&] { return call->done; }));
  EXPECT_EQ(call->status, 200);
  ASSERT_TRUE(world.until([&] { return world.records().size() == 1; }));
  EXPECT_EQ(world.records().front().output_tokens, 3);
  ASSERT_TRUE(world.until([&] { return says(world, R"("local":{"waiting":0,"running":0,"begun":1)"); }));
}

TEST(Waiting, AStreamGetsItsHeadAndCommentsMeanwhile) {
  World world;
  world.local_endpoint("local", 1);
  auto call = world.post(kChat, body(true));
  ASSERT_TRUE(world.until([&] { return !call->body.empty(); }));
  EXPECT_EQ(call->status, 200);
  EXPECT_EQ(call->headers["content-type"], "text/event-stream");
  EXPECT_EQ(call->body, ": waiting for a replica\n\n");
  ASSERT_TRUE(world.until([&] { return call->body.size() > 30; })) << "said again every few seconds";
  const auto engine = world.start("local-0", "local");
  ASSERT_TRUE(world.until([&] { return engine->open() != nullptr; }));
  engine->start_stream();
  engine->send_event(kLast);
  engine->send_event("[DONE]");
  ASSERT_TRUE(world.until([&] { return call->done; }));
  EXPECT_NE(call->body.find(R"("content":"Hi")"), std::string::npos) << call->body;
  EXPECT_TRUE(call->body.ends_with("data: [DONE]\n\n")) << call->body;
}

TEST(Waiting, WhenItsTimeIsOverARequestGetsAStatusAndAStreamAnErrorEvent) {
  World world;
  world.local_endpoint("local", 1, 1);
  auto whole = world.post(kChat, body(false));
  auto stream = world.post(kChat, body(true));
  auto claude = world.post(
      "/v1/messages",
      R"({"model":"local","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"Hi"}]})");
  ASSERT_TRUE(world.until([&] { return whole->done && stream->done && claude->done; }));
  EXPECT_EQ(whole->status, 503);
  EXPECT_EQ(whole->headers["retry-after"], "10");
  EXPECT_NE(whole->body.find("no replica of 'local' became ready in 1 s; see "), std::string::npos)
      << whole->body;
  EXPECT_EQ(stream->status, 200);
  EXPECT_NE(stream->body.find("data: {\"error\":{\"message\":\"no replica"), std::string::npos)
      << stream->body;
  EXPECT_NE(claude->body.find("event: error"), std::string::npos) << claude->body;
  EXPECT_NE(claude->body.find("overloaded_error"), std::string::npos) << claude->body;
  EXPECT_TRUE(world.records().empty()) << "no engine has worked for them";
}

TEST(Waiting, WhoWaitedInVainIsToldTheSchedulersReasonAsItIsThen) {
  World world;
  const std::string reason = "needs 4 cores; 2 are free, next at 2026-11-22 14:20";
  world.local_endpoint("local", 1, 1);
  auto whole = world.post(kChat, body(false));
  ASSERT_TRUE(world.until([&] { return says(world, R"("waiting":1)"); }));
  world.local_endpoint("local", 1, 1, {}, "cost", reason);
  ASSERT_TRUE(world.until([&] { return whole->done; }));
  EXPECT_EQ(whole->status, 503);
  EXPECT_NE(whole->body.find("no replica of 'local' became ready in 1 s: " + reason + "; see "),
            std::string::npos)
      << whole->body;
}

TEST(Waiting, AClientThatGoesAwayLeavesTheQueue) {
  World world;
  world.local_endpoint("local", 1);
  auto call = world.post(kChat, body(true));
  ASSERT_TRUE(world.until([&] { return says(world, R"("waiting":1)"); }));
  world.cancel(*call);
  ASSERT_TRUE(world.until([&] { return says(world, R"("waiting":0)"); }));
  const auto engine = world.start("local-0", "local");
  auto next = world.post(kChat, body(false));
  ASSERT_TRUE(world.until([&] { return engine->open() != nullptr; }));
  engine->answer(200, kWhole);
  ASSERT_TRUE(world.until([&] { return next->done; }));
  EXPECT_EQ(world.upstream_requests, 1u);
  EXPECT_TRUE(world.until([&] { return world.records().size() == 1; })) << "the one that left is not metered";
}

TEST(Waiting, WhoMayNotRunStartsNoReplica) {
  World world;
  world.local_endpoint("local", 1);
  world.change({{"tenant/t", identity::encode(identity::TenantPolicy{"t", std::nullopt})}});
  auto call = world.post(kChat, body(false));
  ASSERT_TRUE(world.until([&] { return call->done; }));
  EXPECT_EQ(call->status, 429);
  ASSERT_TRUE(world.until([&] { return says(world, R"("local":{"waiting":0)"); }));
}

TEST(Waiting, ALimitHeldByOneThatWaitsIsGivenBack) {
  World world;
  world.local_endpoint("local", 1, 1);
  world.change(
      {{"tenant/t", identity::encode(identity::TenantPolicy{"t", identity::Limits{.concurrency = 1}})}});
  auto first = world.post(kChat, body(true));
  ASSERT_TRUE(world.until([&] { return !first->body.empty(); }));
  auto second = world.post(kChat, body(false));
  ASSERT_TRUE(world.until([&] { return second->done; }));
  EXPECT_EQ(second->status, 429);
  ASSERT_TRUE(world.until([&] { return first->done; }));
  const auto engine = world.start("local-0", "local");
  auto third = world.post(kChat, body(false));
  ASSERT_TRUE(world.until([&] { return engine->open() != nullptr; }));
  engine->answer(200, kWhole);
  ASSERT_TRUE(world.until([&] { return third->done; }));
  EXPECT_EQ(third->status, 200);
}

TEST(Waiting, NobodyWaitsForAReplicaThatWillNotCome) {
  World world;
  world.local_endpoint("stopped", 0);
  world.local_endpoint("broken", 1, 60, "the engine ended with exit code 1; see its log");
  auto stopped = world.post(kChat, body(false, "stopped"));
  auto broken = world.post(kChat, body(true, "broken"));
  ASSERT_TRUE(world.until([&] { return stopped->done && broken->done; }));
  EXPECT_EQ(stopped->status, 503);
  EXPECT_NE(stopped->body.find("no replica of it is wanted"), std::string::npos) << stopped->body;
  EXPECT_EQ(broken->status, 503);
  EXPECT_NE(broken->body.find("exit code 1"), std::string::npos) << broken->body;
}

TEST(Waiting, AnEndpointThatIsDeletedEndsTheWait) {
  World world;
  world.local_endpoint("local", 1);
  auto call = world.post(kChat, body(false));
  ASSERT_TRUE(world.until([&] { return says(world, R"("waiting":1)"); }));
  world.change({}, {"endpoint/local"});
  ASSERT_TRUE(world.until([&] { return call->done; }));
  EXPECT_EQ(call->status, 404);
}

TEST(Waiting, ARevokedKeyEndsTheWait) {
  World world;
  world.local_endpoint("local", 1);
  auto call = world.post(kChat, body(false));
  ASSERT_TRUE(world.until([&] { return says(world, R"("waiting":1)"); }));
  world.change({}, {"key/k_1"});
  ASSERT_TRUE(world.until([&] { return call->done; }));
  EXPECT_EQ(call->status, 401);
}

TEST(Waiting, WhileMoreReplicasMayComeAFullOneGetsOneMoreOnlyWhenASlotIsFree) {
  World world;
  world.local_endpoint("local", 2);
  const auto one = world.start("local-0", "local");
  auto first = world.post(kChat, body(false));
  ASSERT_TRUE(world.until([&] { return one->open() != nullptr; }));
  auto second = world.post(kChat, body(false));
  auto third = world.post(kChat, body(false));
  ASSERT_TRUE(world.until([&] { return says(world, R"("local":{"waiting":2,"running":1)"); }));
  one->answer(200, kWhole);
  ASSERT_TRUE(world.until([&] { return first->done && world.upstream_requests == 2; }));
  const auto two = world.start("local-1", "local");
  ASSERT_TRUE(world.until([&] { return two->open() != nullptr; }));
  one->answer(200, kWhole);
  two->answer(200, kWhole);
  ASSERT_TRUE(world.until([&] { return second->done && third->done; }));
  EXPECT_EQ(second->status, 200);
  EXPECT_EQ(third->status, 200);
}

}  // namespace
}  // namespace millrace::testing

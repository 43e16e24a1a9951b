#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "world.h"

namespace millrace::testing {
namespace {

using store::UsageStatus;

constexpr const char* kWhole =
    R"({"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",)"
    R"("content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}})";

std::string delta(const std::string& text) {
  return R"({"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":")" +
         text + R"("},"finish_reason":null}]})";
}
constexpr const char* kLast =
    R"({"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})";
constexpr const char* kUsage =
    R"({"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}})";

std::string thought(const std::string& text) {
  return R"({"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"reasoning_content":")" +
         text + R"("},"finish_reason":null}]})";
}
constexpr const char* kThoughtfulUsage =
    R"("usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"completion_tokens_details":{"reasoning_tokens":3}})";

TEST(Path, ACompletedAnswerIsRecordedWithItsOwnIdAndPrice) {
  World world;
  auto call = world.chat(false);
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
  world.upstream->answer(200, kWhole);
  ASSERT_TRUE(world.until([&] { return call->done; })) << call->body;
  EXPECT_EQ(call->status, 200);
  EXPECT_NE(call->body.find(R"("content":"Hello")"), std::string::npos) << call->body;
  EXPECT_NE(call->body.find(R"("basis":"unknown")"), std::string::npos) << call->body;
  ASSERT_TRUE(world.until([&] { return world.records().size() == 1; }));
  const auto record = world.records().front();
  EXPECT_EQ(record.request_id, call->headers["x-request-id"]);
  EXPECT_EQ(record.status, UsageStatus::kCompleted);
  EXPECT_EQ(record.input_tokens, 9);
  EXPECT_EQ(record.output_tokens, 3);
  EXPECT_EQ(record.cost_microeur, 15);
  EXPECT_FALSE(record.energy_uj);
}

TEST(Path, WhateverAClientCallsItsRequestItIsRecorded) {
  World world;
  const std::string cut_inside = std::string(63, 'a') + "\xC3\xA9";
  for (const std::string& name : {std::string("\xFF"), cut_inside}) {
    auto call = world.send({.method = net::Method::kPost,
                            .path = "/v1/chat/completions",
                            .host = "test",
                            .body = R"({"model":"chat","messages":[{"role":"user","content":"Hi"}]})",
                            .headers = {{"authorization", "Bearer " + world.key_text},
                                        {"content-type", "application/json"},
                                        {"x-client-request-id", name}}});
    ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
    world.upstream->answer(200, kWhole);
    ASSERT_TRUE(world.until([&] { return call->done; })) << call->body;
    EXPECT_EQ(call->status, 200);
  }
  ASSERT_TRUE(world.until([&] { return world.records().size() == 2; }));
  std::set<std::string> names;
  for (const auto& record : world.records()) names.insert(record.client_request_id);
  EXPECT_EQ(names, (std::set<std::string>{"", std::string(63, 'a')}));
}

TEST(Path, AStreamIsPassedOnAsItComes) {
  World world;
  auto call = world.chat(true);
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
  world.upstream->start_stream();
  world.upstream->send_event(delta("one"));
  ASSERT_TRUE(world.until([&] { return call->body.find("one") != std::string::npos; }));
  EXPECT_FALSE(call->done);
  world.upstream->send_event(kLast);
  world.upstream->send_event(kUsage);
  world.upstream->send_event("[DONE]");
  ASSERT_TRUE(world.until([&] { return call->done; }));
  EXPECT_TRUE(call->body.ends_with("data: [DONE]\n\n")) << call->body;
  EXPECT_NE(call->body.find(R"("completion_tokens":2)"), std::string::npos);
}

TEST(Path, ReasoningTokensOfAWholeAnswerAreInItsRecord) {
  World world;
  auto call = world.chat(false);
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
  world.upstream->answer(
      200, R"({"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":)"
           R"({"role":"assistant","reasoning_content":"Hm.","content":"Hello"},"finish_reason":"stop"}],)" +
               std::string(kThoughtfulUsage) + "}");
  ASSERT_TRUE(world.until([&] { return call->done; })) << call->body;
  EXPECT_NE(call->body.find(R"("reasoning_tokens":3)"), std::string::npos) << call->body;
  ASSERT_TRUE(world.until([&] { return world.records().size() == 1; }));
  EXPECT_EQ(world.records().front().output_tokens, 5);
  EXPECT_EQ(world.records().front().reasoning_tokens, 3);
  EXPECT_EQ(world.records().front().cost_microeur, 9 + 2 * 5) << "part of the output, not beside it";
}

TEST(Path, ReasoningTokensOfAStreamAreInItsRecord) {
  World world;
  auto call = world.chat(true);
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
  world.upstream->start_stream();
  for (const std::string& event :
       {thought("Hm, "), thought("well."), delta("Hello"), std::string(kLast),
        R"({"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[],)" +
            std::string(kThoughtfulUsage) + "}",
        std::string("[DONE]")})
    world.upstream->send_event(event);
  ASSERT_TRUE(world.until([&] { return call->done; })) << call->body;
  EXPECT_NE(call->body.find(R"("reasoning_tokens":3)"), std::string::npos) << call->body;
  ASSERT_TRUE(world.until([&] { return world.records().size() == 1; }));
  EXPECT_EQ(world.records().front().status, UsageStatus::kCompleted);
  EXPECT_EQ(world.records().front().reasoning_tokens, 3);
}

TEST(Path, ACancelledStreamIsRecordedWithTheReasoningThatCame) {
  World world;
  auto call = world.chat(true);
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
  world.upstream->start_stream();
  for (const std::string& event : {thought("a"), thought("b"), delta("c")}) world.upstream->send_event(event);
  ASSERT_TRUE(world.until([&] { return call->body.find(R"("content":"c")") != std::string::npos; }));
  world.cancel(*call);
  ASSERT_TRUE(world.until([&] { return world.records().size() == 1; }));
  EXPECT_EQ(world.records().front().status, UsageStatus::kCancelled);
  EXPECT_EQ(world.records().front().output_tokens, 3);
  EXPECT_EQ(world.records().front().reasoning_tokens, 2);
}

// 1 is the estimate for "Hi": what a completed answer without figures is charged, too.
TEST(Path, APromptThatAnUpstreamHasReadIsChargedHoweverItsAnswerEnds) {
  enum class End { kClientGone, kKeyRevoked, kUpstreamGone };
  for (const End end : {End::kClientGone, End::kKeyRevoked, End::kUpstreamGone}) {
    for (const bool with_text : {false, true}) {
      World world;
      auto call = world.chat(true);
      ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
      world.upstream->start_stream();
      world.upstream->send_event(with_text ? delta("one") : thought("").c_str());
      ASSERT_TRUE(world.until([&] { return !with_text || call->body.find("one") != std::string::npos; }));
      ASSERT_TRUE(world.until([&, turns = 0]() mutable { return ++turns > 20; }));  // the head has been read
      if (end == End::kClientGone) world.cancel(*call);
      if (end == End::kKeyRevoked) world.change({}, {"key/k_1"});
      if (end == End::kUpstreamGone) world.upstream->stop();
      ASSERT_TRUE(world.until([&] { return world.records().size() == 1; }));
      const auto record = world.records().front();
      EXPECT_EQ(record.input_tokens, 1) << static_cast<int>(end) << with_text;
      EXPECT_EQ(record.output_tokens, with_text ? 1 : 0);
      EXPECT_EQ(record.status, end == End::kUpstreamGone ? UsageStatus::kFailed : UsageStatus::kCancelled);
    }
  }
}

TEST(Path, AnUpstreamThatRefusesHasReadNoPrompt) {
  World world;
  auto call = world.chat(true);
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
  world.upstream->answer(500, R"({"error":{"message":"broken"}})");
  ASSERT_TRUE(world.until([&] { return call->done; }));
  ASSERT_TRUE(world.until([&] { return world.records().size() == 1; }));
  EXPECT_EQ(world.records().front().input_tokens, 0);
}

TEST(Path, AnUpstreamsRetryAfterReachesTheClientWithinBounds) {
  const std::tuple<int, const char*, const char*, const char*> cases[] = {
      {429, "retry-after", "7", "7"},       {503, "retry-after", "7", "7"},
      {429, "retry-after-ms", "1500", "2"}, {429, "retry-after", "999999", "600"},
      {429, "retry-after", "soon", "1"},    {429, "retry-after", "-3", "1"}};
  for (const auto& [status, name, value, wanted] : cases) {
    World world;
    auto call = world.chat(false);
    ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
    world.upstream->open()->respond(status, "application/json", {{name, value}},
                                    R"({"error":{"message":"slow down"}})");
    ASSERT_TRUE(world.until([&] { return call->done; }));
    EXPECT_EQ(call->status, status);
    EXPECT_EQ(call->headers["retry-after"], wanted) << name << " " << value;
    EXPECT_FALSE(call->headers.contains("x-should-retry"));
  }
}

TEST(Path, AnUpstreamWhoseQuotaIsSpentIsNotAskedAgain) {
  World world;
  auto call = world.chat(false);
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
  world.upstream->answer(429, R"({"error":{"message":"pay","code":"insufficient_quota"}})");
  ASSERT_TRUE(world.until([&] { return call->done; }));
  EXPECT_EQ(call->status, 429);
  EXPECT_EQ(call->headers["x-should-retry"], "false");
  EXPECT_TRUE(call->body.contains("insufficient_quota")) << call->body;
}

class GoneClient : public ::testing::TestWithParam<bool> {};

TEST_P(GoneClient, CancelsTheEnginesWorkAndIsRecorded) {
  World world;
  auto call = world.chat(GetParam());
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
  world.cancel(*call);
  EXPECT_TRUE(world.until([&] { return world.upstream->closed == 1; }));
  ASSERT_TRUE(world.until([&] { return world.records().size() == 1; }));
  EXPECT_EQ(world.records().front().status, UsageStatus::kCancelled);
}
INSTANTIATE_TEST_SUITE_P(Path, GoneClient, ::testing::Bool());

TEST(Path, AnEngineThatDiesMidStreamEndsItWithAnErrorEvent) {
  World world;
  auto call = world.chat(true);
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
  world.upstream->start_stream();
  world.upstream->send_event(delta("one"));
  ASSERT_TRUE(world.until([&] { return call->body.find("one") != std::string::npos; }));
  world.upstream->stop();
  ASSERT_TRUE(world.until([&] { return call->done || call->failed; }));
  EXPECT_NE(call->body.find(R"("error")"), std::string::npos) << call->body;
  EXPECT_EQ(call->body.find("[DONE]"), std::string::npos);
  EXPECT_EQ(world.upstream_requests, 1U) << "a request was repeated after its first byte";
  ASSERT_TRUE(world.until([&] { return world.records().size() == 1; }));
  EXPECT_EQ(world.records().front().status, UsageStatus::kFailed);
  EXPECT_GE(world.records().front().output_tokens, 1);
}

TEST(Path, AnEngineThatCannotBeReachedIs503AndMayBeRetried) {
  World world;
  world.upstream->stop();
  auto call = world.chat(false);
  ASSERT_TRUE(world.until([&] { return call->done; }));
  EXPECT_EQ(call->status, 503);
  EXPECT_EQ(call->headers["retry-after"], "1");
  ASSERT_TRUE(world.until([&] { return world.records().size() == 1; }));
  EXPECT_EQ(world.records().front().status, UsageStatus::kFailed);
}

TEST(Path, ARequestThatGotNoByteIsSentOnceMore) {
  World world;
  auto call = world.chat(true);
  ASSERT_TRUE(world.until([&] { return world.upstream_requests == 1; }));
  world.upstream->drop();
  ASSERT_TRUE(world.until([&] { return world.upstream_requests == 2; })) << call->body;
  EXPECT_EQ(world.upstream->bodies[0], world.upstream->bodies[1]);
  world.upstream->start_stream();
  for (const std::string& event :
       {delta("one"), std::string(kLast), std::string(kUsage), std::string("[DONE]")})
    world.upstream->send_event(event);
  ASSERT_TRUE(world.until([&] { return call->done; })) << call->body;
  ASSERT_TRUE(world.until([&] { return world.records().size() == 1; }));
  EXPECT_EQ(world.records().front().status, UsageStatus::kCompleted);
}

TEST(Path, ARequestIsNotSentAThirdTime) {
  World world;
  auto call = world.chat(false);
  for (std::uint64_t times = 1; times <= 2; ++times) {
    ASSERT_TRUE(world.until([&] { return world.upstream_requests == times; }));
    world.upstream->drop();
  }
  ASSERT_TRUE(world.until([&] { return call->done; }));
  EXPECT_EQ(call->status, 503);
  EXPECT_EQ(world.upstream_requests, 2U);
  EXPECT_EQ(world.records().size(), 1U);
}

class BrokenAnswer : public ::testing::TestWithParam<bool> {};

TEST_P(BrokenAnswer, IsNotAskedForAgain) {
  World world;
  auto call = world.chat(GetParam());
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
  if (GetParam()) {
    world.upstream->start_stream();
    world.upstream->send_event(delta("one"));
    ASSERT_TRUE(world.until([&] { return call->body.find("one") != std::string::npos; }));
  } else {  // the client has no byte yet, but the engine has begun
    world.upstream->begin(200, R"({"id":"x",)");
    ASSERT_TRUE(world.until([&] { return world.upstream->open()->pending_bytes() == 0; }));
  }
  world.upstream->drop();
  ASSERT_TRUE(world.until([&] { return call->done || call->failed; }));
  EXPECT_EQ(world.upstream_requests, 1U)
      << "repeated after its first byte, with an engine that would have answered";
  ASSERT_TRUE(world.until([&] { return world.records().size() == 1; }));
  EXPECT_EQ(world.records().front().status, UsageStatus::kFailed);
}

INSTANTIATE_TEST_SUITE_P(Path, BrokenAnswer, ::testing::Bool());

TEST(Path, AReplicaThatCannotBeReachedIsPassedOver) {
  World world;
  world.change(
      {{"replica/r_1", identity::encode(identity::ReplicaPolicy{
                           .id = "r_1", .endpoint = "chat", .socket = "/nowhere/engine.sock", .slots = 4})}});
  auto call = world.chat(false);
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; })) << call->body;
  world.upstream->answer(200, kWhole);
  ASSERT_TRUE(world.until([&] { return call->done; }));
  EXPECT_EQ(call->status, 200);
  EXPECT_EQ(world.upstream_requests, 1U);
  EXPECT_EQ(world.records().size(), 1U);
}

TEST(Path, ARevokedKeyEndsItsOpenStreamAtOnce) {
  World world;
  auto call = world.chat(true);
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
  world.upstream->start_stream();
  world.upstream->send_event(delta("one"));
  ASSERT_TRUE(world.until([&] { return call->body.find("one") != std::string::npos; }));
  world.change({}, {"key/k_1"});
  ASSERT_TRUE(world.until([&] { return call->done || call->failed; }));
  EXPECT_NE(call->body.find("invalid_api_key"), std::string::npos) << call->body;
  EXPECT_TRUE(world.until([&] { return world.upstream->closed == 1; }));
  auto again = world.chat(false);
  ASSERT_TRUE(world.until([&] { return again->done; }));
  EXPECT_EQ(again->status, 401);
  EXPECT_EQ(world.records().size(), 1U);
}

TEST(Path, AnthropicsClientsFindTheIdInTheirOwnHeader) {
  World world;
  const std::string body = R"({"model":"chat","max_tokens":4,"messages":[{"role":"user","content":"Hi"}])";
  auto answered = world.post("/v1/messages", body + "}");
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
  world.upstream->answer(200, kWhole);
  auto refused = world.post("/v1/messages", body + R"(,"x":1})");
  auto stranger = world.post("/v1/messages", "{}", "mr_no");
  const std::string authorization = "Bearer " + world.key_text;
  auto models =
      world.send({.path = "/v1/models",
                  .host = "test",
                  .headers = {{"authorization", authorization}, {"anthropic-version", "2023-06-01"}}});
  auto other =
      world.send({.path = "/v1/models", .host = "test", .headers = {{"authorization", authorization}}});
  const auto calls = {answered.get(), refused.get(), stranger.get(), models.get()};
  ASSERT_TRUE(world.until([&] {
    return other->done && std::ranges::all_of(calls, [](const Call* call) { return call->done; });
  }));
  for (auto* call : calls) {
    EXPECT_TRUE(call->headers["request-id"].starts_with("req_")) << call->body;
    EXPECT_EQ(call->headers["request-id"], call->headers["x-request-id"]);
  }
  EXPECT_FALSE(other->headers.contains("request-id"));
}

// Without a chat template around it, a text has no more tokens than bytes and what a tokenizer puts around it.
TEST(Path, APlainTextIsNotTakenForMoreTokensThanItCanHave) {
  World world;
  world.change({{"tenant/t",
                 identity::encode(identity::TenantPolicy{"t", identity::Limits{.tokens_per_minute = 11}})}});
  auto call = world.post("/v1/completions", R"({"model":"chat","prompt":"hi","max_tokens":5})");
  EXPECT_TRUE(world.until([&] { return world.upstream->open() != nullptr; })) << call->body;
  world.cancel(*call);
}

TEST(Path, AConcurrencyLimitHoldsUntilTheAnswerIsSent) {
  World world;
  world.change(
      {{"tenant/t", identity::encode(identity::TenantPolicy{"t", identity::Limits{.concurrency = 1}})}});
  auto first = world.chat(false);
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
  auto second = world.chat(false);
  ASSERT_TRUE(world.until([&] { return second->done; }));
  EXPECT_EQ(second->status, 429);
  world.upstream->answer(200, kWhole);
  ASSERT_TRUE(world.until([&] { return first->done; }));
  auto third = world.chat(false);
  ASSERT_TRUE(world.until([&] { return world.upstream_requests == 2; })) << third->body;
}

TEST(Path, WhatARequestReservesIsTheOutputOfAllItsChoices) {
  World world;
  world.change({{"tenant/t",
                 identity::encode(identity::TenantPolicy{"t", identity::Limits{.tokens_per_minute = 300}})}});
  const auto ask = [&](const std::string& path, const std::string& more) {
    return world.post(path, R"({"model":"chat",)" + more + "}");
  };
  const std::string hi = R"("messages":[{"role":"user","content":"Hi"}],)";
  auto choices = ask("/v1/chat/completions", hi + R"("max_tokens":60,"n":4)");
  auto prompts = ask("/v1/completions", R"("prompt":["a","b","c","d"],"max_tokens":80)");
  ASSERT_TRUE(world.until([&] { return choices->done && prompts->done; }));
  EXPECT_EQ(choices->status, 429) << choices->body;
  EXPECT_EQ(prompts->status, 429) << prompts->body;
  auto uncapped = ask("/v1/chat/completions", hi + R"("n":4)");
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; })) << uncapped->body;
  EXPECT_TRUE(world.upstream->bodies.at(0).contains(R"("max_tokens":56)")) << world.upstream->bodies.at(0);
}

TEST(Path, WorkloadsHaveASocketThatOnlyThePlatformsUserMayOpen) {
  const World world;
  struct stat info{};
  ASSERT_EQ(::stat(world.workload_socket().c_str(), &info), 0);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
  EXPECT_EQ(info.st_mode & 0777, 0600);
}

TEST(Path, AWorkloadsRequestIsAnsweredAndRecordedAsAnyOther) {
  World world;
  world.as_workload = true;
  auto call = world.chat(false);
  ASSERT_TRUE(world.until([&] { return world.upstream->open() != nullptr; }));
  world.as_workload = false;
  const std::string metrics = world.get("/metrics");
  EXPECT_NE(metrics.find("millrace_gateway_connections 2\n"), std::string::npos) << metrics;
  world.upstream->answer(200, kWhole);
  ASSERT_TRUE(world.until([&] { return call->done; })) << call->body;
  EXPECT_EQ(call->status, 200);
  ASSERT_TRUE(world.until([&] { return world.records().size() == 1; }));
  EXPECT_EQ(world.records().front().request_id, call->headers["x-request-id"]);
}

TEST(Path, AGatewayCutOffAdmitsNothingAfterItsTimeAlsoWhenTheClockIsSetBack) {
  World world(false, std::chrono::seconds(1));
  world.lose_server();
  world.set_clock(std::chrono::hours(-1));
  std::unique_ptr<Call> call;
  const auto is_refused = [&] {
    if (world.upstream->open() != nullptr) world.upstream->answer(200, kWhole);
    if (call && !call->done) return false;
    if (call && call->body.contains("has been cut off")) return true;
    (void)world.records();  // else the journal is full at some time
    call = world.chat(false);
    return false;
  };
  EXPECT_TRUE(world.until(is_refused));
}

TEST(Path, AGatewayCutOffForAMomentAdmitsAlsoWhenTheClockIsSetForward) {
  World world;
  world.lose_server();
  world.set_clock(std::chrono::hours(25));
  const MonotonicPoint later = world.loop().now() + std::chrono::seconds(2);  // it looks every second
  ASSERT_TRUE(world.until([&] { return world.loop().now() > later; }));
  const auto call = world.chat(false);
  EXPECT_TRUE(world.until([&] { return world.upstream->open() != nullptr; })) << call->body;
}

}  // namespace
}  // namespace millrace::testing

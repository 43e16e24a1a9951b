// What the gateway answers by itself: methods, keys, roles, and bodies that it does not take.
#include <gtest/gtest.h>

#include "gateway/routes.h"
#include "world.h"

namespace millrace::testing {
namespace {

TEST(Surface, AMethodThatAPathDoesNotHaveIsAnsweredWithThoseItHas) {
  World world;
  const std::string authorization = "Bearer " + world.key_text;
  const std::pair<const char*, const char*> paths[] = {{"/v1/chat/completions", "POST"},
                                                       {"/v1/models", "GET, HEAD"},
                                                       {"/v1/models/chat", "GET, HEAD"},
                                                       {"/healthz", "GET, HEAD"}};
  for (const auto& [path, allow] : paths) {
    auto call = world.send({.method = net::Method::kDelete,
                            .path = path,
                            .host = "test",
                            .headers = {{"authorization", authorization}}});
    ASSERT_TRUE(world.until([&] { return call->done; })) << path;
    EXPECT_EQ(call->status, 405) << path;
    EXPECT_EQ(call->headers["allow"], allow) << path;
  }
}

TEST(Surface, HeadIsAnsweredAsGetWithoutABody) {
  World world;
  const std::string authorization = "Bearer " + world.key_text;
  for (const char* path : {"/v1/models", "/v1/models/chat", "/healthz", "/readyz", "/metrics"}) {
    std::unique_ptr<Call> calls[2];
    for (const bool head : {false, true}) {
      calls[head] = world.send({.method = head ? net::Method::kHead : net::Method::kGet,
                                .path = path,
                                .host = "test",
                                .headers = {{"authorization", authorization}}});
      ASSERT_TRUE(world.until([&] { return calls[head]->done; })) << path;
      EXPECT_EQ(calls[head]->status, 200) << path;
    }
    EXPECT_FALSE(calls[0]->body.empty());
    EXPECT_TRUE(calls[1]->body.empty());
    EXPECT_EQ(calls[0]->headers["content-type"], calls[1]->headers["content-type"]);
  }
  auto stranger = world.send({.method = net::Method::kHead, .path = "/v1/models", .host = "test"});
  ASSERT_TRUE(world.until([&] { return stranger->done; }));
  EXPECT_EQ(stranger->status, 401);
}

TEST(Surface, ACompressedBodyIsRefusedAsSuch) {
  World world;
  const std::string authorization = "Bearer " + world.key_text;
  for (const auto& [coding, status] : {std::pair("gzip", 415), std::pair("Identity", 400)}) {
    auto call = world.send({.method = net::Method::kPost,
                            .path = "/v1/chat/completions",
                            .host = "test",
                            .body = "\x1f\x8b{}",
                            .headers = {{"authorization", authorization}, {"content-encoding", coding}}});
    ASSERT_TRUE(world.until([&] { return call->done; }));
    EXPECT_EQ(call->status, status) << coding;
    EXPECT_EQ(call->body.contains("unsupported_media_type"), status == 415) << call->body;
  }
}

TEST(Surface, AKeyMayFollowItsSchemeAfterSeveralSpaces) {
  World world;
  for (const std::string& scheme : {"Bearer  ", "bearer ", "Bearer    "}) {
    auto call = world.send(
        {.path = "/v1/models", .host = "test", .headers = {{"authorization", scheme + world.key_text}}});
    ASSERT_TRUE(world.until([&] { return call->done; }));
    EXPECT_EQ(call->status, 200) << scheme;
  }
}

TEST(Surface, ARefusedRequestNeverReachesTheEngineAndLeavesNoRecord) {
  World world;
  auto unknown = world.post("/v1/chat/completions", R"({"model":"chat","messages":[],"x":1})");
  auto missing =
      world.post("/v1/chat/completions", R"({"model":"other","messages":[{"role":"user","content":"Hi"}]})");
  auto stranger = world.post("/v1/chat/completions", "{}", "mr_no");
  ASSERT_TRUE(world.until([&] { return unknown->done && missing->done && stranger->done; }));
  EXPECT_EQ(unknown->status, 400);
  EXPECT_EQ(missing->status, 404);
  EXPECT_EQ(stranger->status, 401);
  for (const auto* call : {unknown.get(), missing.get(), stranger.get()}) {
    EXPECT_TRUE(call->headers.contains("x-request-id"));
  }
  EXPECT_EQ(world.upstream_requests, 0U);
  EXPECT_TRUE(world.records().empty());
}

TEST(Surface, ARoleThatMayNotInferIsToldWhichRightItLacks) {
  World world;
  world.set_role(identity::Role::kViewer);
  auto call = world.chat(false);
  ASSERT_TRUE(world.until([&] { return call->done; }));
  EXPECT_EQ(call->status, 403);
  EXPECT_NE(call->body.find("role 'viewer' does not have the right 'use'"), std::string::npos) << call->body;
  EXPECT_EQ(world.upstream_requests, 0U);
  EXPECT_TRUE(world.records().empty());
}

TEST(Surface, AWorkloadNeedsAKeyEvenForWhatThisMachinesUserIsShownWithout) {
  World world;
  EXPECT_NE(world.get("/metrics").find("millrace_gateway_connections"), std::string::npos);
  world.as_workload = true;
  EXPECT_NE(world.get("/metrics").find("missing_api_key"), std::string::npos);
  const auto call = world.post("/v1/chat/completions", "{}", "mr_unknown");
  ASSERT_TRUE(world.until([&] { return call->done; }));
  EXPECT_EQ(call->status, 401);
}

TEST(Routes, ARouteWithoutAPolicyIsFound) {
  EXPECT_EQ(gateway::unguarded(gateway::routes()), std::nullopt);
  const gateway::Route open[] = {{.method = net::Method::kGet, .path = "/open"}};
  EXPECT_EQ(gateway::unguarded(open), "/open");
}

}  // namespace
}  // namespace millrace::testing

#include "api/idempotency.h"

#include <gtest/gtest.h>

#include "api/api_test_world.h"

namespace millrace::api {
namespace {

using State = IdempotencyKeys::State;
using Options = IdempotencyKeys::Options;

TEST(Idempotency, the_same_post_acts_once_and_is_answered_alike) {
  World world;
  const std::string body = R"({"project":"a1"})";
  const Reply first = world.call("POST", "/api/v1/keys", "platform-admin", body, "once");
  const Reply second = world.call("POST", "/api/v1/keys", "platform-admin", body, "once");
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(first.body, second.body);
  const Reply other = world.call("POST", "/api/v1/keys", "platform-admin", body, "twice");
  EXPECT_NE(first.body, other.body);
  EXPECT_EQ(world.call("POST", "/api/v1/keys", "platform-admin", R"({"project":"a2"})", "once").status, 422);
}

TEST(Idempotency, callers_and_routes_do_not_see_each_others_answers) {
  World world;
  const std::string body = R"({"project":"a1"})";
  const Reply first = world.call("POST", "/api/v1/keys", "platform-admin", body, "k");
  const Reply admin = world.call("POST", "/api/v1/keys", "tenant-admin", body, "k");
  EXPECT_EQ(admin.status, 201);
  EXPECT_NE(first.body, admin.body);
  EXPECT_EQ(world.call("POST", "/api/v1/tenants", "platform-admin", R"({"name":"fresh"})", "k").status, 201);
}

TEST(Idempotency, an_error_of_the_caller_is_repeated_too) {
  World world;
  const Reply first = world.call("POST", "/api/v1/tenants", "platform-admin", R"({"name":"alpha"})", "k");
  const Reply second = world.call("POST", "/api/v1/tenants", "platform-admin", R"({"name":"alpha"})", "k");
  EXPECT_EQ(first.status, 409);
  EXPECT_EQ(second.status, 409);
  EXPECT_EQ(first.body, second.body);
}

TEST(Idempotency, a_malformed_key_is_refused) {
  World world;
  for (const std::string& key : {std::string(), std::string(256, 'a'), std::string("a b")}) {
    EXPECT_EQ(world.call("POST", "/api/v1/tenants", "platform-admin", R"({"name":"x"})", key).status, 400);
  }
}

TEST(Idempotency, a_request_in_work_blocks_its_key_and_a_failed_one_frees_it) {
  TestClock clock;
  IdempotencyKeys keys(clock, Options{});
  EXPECT_EQ(keys.begin("s", "k", "b").state, State::kFresh);
  EXPECT_EQ(keys.begin("s", "k", "b").state, State::kInWork);
  keys.finish("s", "k", Reply{503, "", "", {}});
  EXPECT_EQ(keys.begin("s", "k", "b").state, State::kFresh);
  keys.finish("s", "k", Reply{201, "", "done", {}});
  EXPECT_EQ(keys.begin("s", "k", "b").answer.body, "done");
  EXPECT_EQ(keys.begin("s", "k", "c").state, State::kMismatch);
}

TEST(Idempotency, is_bounded_and_forgets_after_its_time) {
  TestClock clock;
  IdempotencyKeys keys(clock, Options{.entries_max = 2, .kept_for = std::chrono::seconds(10)});
  EXPECT_EQ(keys.begin("s", "1", "b").state, State::kFresh);
  EXPECT_EQ(keys.begin("s", "2", "b").state, State::kFresh);
  EXPECT_EQ(keys.begin("s", "3", "b").state, State::kFull);
  keys.finish("s", "1", Reply{201, "", "", {}});
  EXPECT_EQ(keys.begin("s", "3", "b").state, State::kFresh);
  keys.finish("s", "2", Reply{201, "", "", {}});
  keys.finish("s", "3", Reply{201, "", "", {}});
  EXPECT_EQ(keys.begin("s", "3", "b").state, State::kReplay);
  clock.advance(std::chrono::seconds(10));
  EXPECT_EQ(keys.begin("s", "3", "b").state, State::kFresh);
}

}  // namespace
}  // namespace millrace::api

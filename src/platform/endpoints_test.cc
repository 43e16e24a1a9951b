#include "platform/endpoints.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "control/desired.h"
#include "host/file.h"
#include "host/system_clock.h"
#include "platform/gguf_builder.h"
#include "store/fake/faulty_store.h"
#include "store/memory/memory_store.h"

namespace millrace::platform {
namespace {

using namespace std::chrono_literals;

class EndpointsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/millrace-endpoints-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    ModelsOptions options;
    options.folder = folder_ + "/models";
    auto models = Models::create(options, store_, clock_);
    ASSERT_TRUE(models) << models.error().message;
    models_ = std::move(*models);
    endpoints_ = std::make_unique<Endpoints>(faulty_, clock_, *models_);
    import("m");
  }
  void TearDown() override {
    models_.reset();
    ASSERT_TRUE(host::remove_tree(folder_));
  }
  void import(const std::string& name) {
    const std::string path = folder_ + "/a.gguf";
    ASSERT_TRUE(host::write_file_atomic(path, testing::GgufBuilder::sound().build()));
    ASSERT_TRUE(models_->import({.source = path, .name = name, .sha256 = ""}));
    ASSERT_EQ(models_->wait(name, 30s)->state, ModelState::kReady);
  }
  static EndpointRequest local(std::string name) {
    EndpointRequest request;
    request.name = std::move(name);
    request.model = "m";
    return request;
  }
  static EndpointRequest upstream(std::string name) {
    EndpointRequest request;
    request.name = std::move(name);
    request.upstream_url = "https://llm.example.org:8443/openai/";
    request.upstream_key = "sk-very-secret";
    return request;
  }

  std::string folder_;
  store::MemoryStore store_;
  store::FaultyStore faulty_{store_};
  host::SystemClock clock_;
  std::unique_ptr<Models> models_;
  std::unique_ptr<Endpoints> endpoints_;
};

TEST_F(EndpointsTest, IsNotMadeWhileItsModelCannotBeHeld) {
  faulty_.reads.fail_next(1, ErrorCode::kUnavailable);
  EXPECT_FALSE(endpoints_->create(local("chat")));
  EXPECT_EQ(faulty_.reads.failed(), 1);
  EXPECT_TRUE(endpoints_->create(local("chat")));
}

TEST_F(EndpointsTest, ALocalEndpointIsWhatControlReads) {
  EndpointRequest request = local("chat");
  request.settings.replicas = 2;
  request.embeds = true;
  const auto created = endpoints_->create(request);
  ASSERT_TRUE(created) << created.error().message;
  EXPECT_EQ(created->engine, "llama");
  const auto desired = control::parse_desired(store_.get("endpoint/chat")->value);
  ASSERT_TRUE(desired) << desired.error().message;
  EXPECT_EQ(desired->name, "chat");
  EXPECT_EQ(desired->model, "m");
  EXPECT_EQ(desired->model_file, *models_->file_of("m"));
  EXPECT_EQ(desired->min_replicas, 2);
  EXPECT_EQ(desired->max_replicas, 2);
  EXPECT_TRUE(desired->embeds);
  EXPECT_EQ(desired->created_at, created->created_at);
  EXPECT_EQ(endpoints_->show("chat")->max_replicas, 2);
}

TEST_F(EndpointsTest, AnUpstreamKeepsItsKeyForGatewaysOnly) {
  const auto created = endpoints_->create(upstream("remote"));
  ASSERT_TRUE(created) << created.error().message;
  EXPECT_EQ(created->engine, "openai");
  EXPECT_EQ(created->upstream_url, "https://llm.example.org:8443/openai");
  EXPECT_EQ(created->upstream_model, "remote");
  EXPECT_EQ(created->model, "remote");
  EXPECT_TRUE(created->has_upstream_key);
  const auto policies = endpoints_->policies();
  ASSERT_TRUE(policies);
  ASSERT_EQ(policies->size(), 1u);
  EXPECT_EQ(policies->front().upstream_key, "sk-very-secret");
  EXPECT_EQ(policies->front().upstream_url, created->upstream_url);
  EXPECT_TRUE(identity::parse_endpoint(identity::encode(policies->front())));
  const auto desired = control::parse_desired(store_.get("endpoint/remote")->value);
  ASSERT_TRUE(desired) << desired.error().message;
  EXPECT_EQ(desired->engine, "openai");
}

TEST_F(EndpointsTest, RequestsThatMakeNoSenseAreRefusedByField) {
  const auto refused = [&](auto change, const char* field, bool is_upstream = false) {
    EndpointRequest request = is_upstream ? upstream("x") : local("x");
    change(request);
    const auto created = endpoints_->create(request);
    ASSERT_FALSE(created) << field;
    EXPECT_EQ(created.error().code, ErrorCode::kInvalidArgument) << created.error().message;
    EXPECT_TRUE(created.error().message.starts_with(field)) << created.error().message;
    EXPECT_EQ(created.error().message.find("secret"), std::string::npos);
  };
  refused([](auto& r) { r.name = "Not A Name"; }, "name");
  refused([](auto& r) { r.model = ""; }, "model");
  refused([](auto& r) { r.settings.replicas = -1; }, "replicas");
  refused([](auto& r) { r.settings.replicas = 65; }, "replicas");
  refused([](auto& r) { r.settings.replicas = 1, r.settings.min_replicas = 0; }, "replicas");
  refused([](auto& r) { r.settings.min_replicas = 3, r.settings.max_replicas = 2; }, "min_replicas");
  refused([](auto& r) { r.settings.max_replicas = 65; }, "max_replicas");
  refused([](auto& r) { r.settings.slots = 257; }, "slots");
  refused([](auto& r) { r.settings.slots = 8, r.settings.context = 256; }, "context");
  refused([](auto& r) { r.settings.idle_s = 0; }, "idle_s");
  refused([](auto& r) { r.settings.routing = "random"; }, "routing");
  refused([](auto& r) { r.settings.spread = "domain"; }, "spread");
  refused([](auto& r) { r.upstream_key = "k"; }, "upstream_url");
  refused([](auto& r) { r.model = "m"; }, "model", true);
  refused([](auto& r) { r.settings.replicas = 2; }, "replicas", true);
  refused([](auto& r) { r.embeds = true; }, "embeds", true);
  refused([](auto& r) { r.upstream_key = "secret\r\nX-Injected: 1"; }, "upstream_key", true);
  refused([](auto& r) { r.upstream_model = "a b"; }, "upstream_model", true);
  refused([](auto& r) { r.upstream_url = "ftp://x"; }, "upstream_url", true);
  EXPECT_TRUE(endpoints_->list(10)->data.empty());
}

TEST_F(EndpointsTest, ItsModelMustBeThereAndReady) {
  EndpointRequest request = local("x");
  request.model = "none";
  EXPECT_EQ(endpoints_->create(request).error().code, ErrorCode::kNotFound);
  Model waiting;
  waiting.name = "waiting";
  waiting.source = "/x";
  ASSERT_TRUE(store_.commit({.expect = {}, .put = {{"model/waiting", encode(waiting)}}, .erase = {}}));
  request.model = "waiting";
  EXPECT_EQ(endpoints_->create(request).error().code, ErrorCode::kConflict);
}

TEST_F(EndpointsTest, ANameIsTakenOnceAndFreeAgainAfterRemoval) {
  ASSERT_TRUE(endpoints_->create(local("chat")));
  EXPECT_EQ(endpoints_->create(upstream("chat")).error().code, ErrorCode::kConflict);
  EXPECT_EQ(models_->remove("m").error().code, ErrorCode::kConflict);
  ASSERT_TRUE(endpoints_->remove("chat"));
  EXPECT_EQ(endpoints_->show("chat").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(endpoints_->remove("chat").error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(endpoints_->create(upstream("chat")));
  EXPECT_TRUE(models_->remove("m"));
}

TEST_F(EndpointsTest, ReplicasChangeAndNothingElse) {
  ASSERT_TRUE(endpoints_->create(local("chat")));
  ASSERT_TRUE(endpoints_->create(upstream("remote")));
  const auto changed = endpoints_->change("chat", {.replicas = 0});
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->max_replicas, 0);
  EXPECT_EQ(endpoints_->show("chat")->model, "m");
  EXPECT_EQ(endpoints_->change("chat", {.replicas = 65}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(endpoints_->change("remote", {.replicas = 1}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(endpoints_->change("none", {.replicas = 1}).error().code, ErrorCode::kNotFound);
}

TEST_F(EndpointsTest, OneBoundAloneMakesRoomForItself) {
  EndpointRequest request = local("chat");
  request.settings.max_replicas = 4;
  EXPECT_EQ(endpoints_->create(request)->min_replicas, 1);
  request.name = "sleepy";
  request.settings = {.min_replicas = 0};
  EXPECT_EQ(endpoints_->create(request)->max_replicas, 1);
  request.name = "many";
  request.settings = {.min_replicas = 3};
  EXPECT_EQ(endpoints_->create(request)->max_replicas, 3);
  EXPECT_EQ(endpoints_->change("many", {.max_replicas = 2}).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(EndpointsTest, AChangeOfTheModelTakesItsFileAndKeepsTheRest) {
  import("n");
  EndpointRequest request = local("chat");
  request.settings.slots = 2;
  ASSERT_TRUE(endpoints_->create(request));
  ASSERT_TRUE(endpoints_->change("chat", {.model = "n", .threads = 3}));
  const auto desired = control::parse_desired(store_.get("endpoint/chat")->value);
  EXPECT_EQ(desired->model, "n");
  EXPECT_EQ(desired->model_file, *models_->file_of("n"));
  EXPECT_EQ(desired->slots, 2);
  EXPECT_EQ(desired->threads, 3);
  EXPECT_EQ(desired->changes, 1);
  EXPECT_EQ(endpoints_->change("chat", {.model = "none"}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(models_->remove("n").error().code, ErrorCode::kConflict);
}

TEST_F(EndpointsTest, ListsArePaged) {
  for (const char* name : {"c", "a", "b"}) ASSERT_TRUE(endpoints_->create(local(name)));
  const auto first = endpoints_->list(2);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->data[0].name + first->data[1].name, "ab");
  ASSERT_TRUE(first->next);
  const auto rest = endpoints_->list(2, *first->next);
  EXPECT_EQ(rest->data.size(), 1u);
  EXPECT_FALSE(rest->next);
}

TEST_F(EndpointsTest, AModelNeverVanishesUnderAnEndpointThatTakesItAtTheSameMoment) {
  for (int round = 0; round < 30; ++round) {
    const std::string name = "r" + std::to_string(round);
    if (!models_->show("m")) import("m");
    std::atomic<bool> removed{false};
    std::atomic<bool> created{false};
    {
      std::jthread one([&] { removed = models_->remove("m").has_value(); });
      std::jthread two([&] { created = endpoints_->create(local(name)).has_value(); });
    }
    EXPECT_FALSE(removed && created) << "round " << round;
    if (created) {
      EXPECT_TRUE(host::exists(*models_->file_of("m")));
      ASSERT_TRUE(endpoints_->remove(name));
    }
  }
}

TEST(UpstreamUrl, ServersAndPrefixesAreAccepted) {
  const std::pair<const char*, const char*> cases[] = {
      {"http://127.0.0.1:8000", "http://127.0.0.1:8000"},
      {"https://llm.example.org/", "https://llm.example.org"},
      {"https://llm.example.org/a/b//", "https://llm.example.org/a/b"},
      {"http://[::1]:9000/v1", "http://[::1]:9000/v1"},
      {"http://vllm_0", "http://vllm_0"},
  };
  for (const auto& [url, clean] : cases) {
    const auto checked = check_upstream_url(url);
    ASSERT_TRUE(checked) << url << ": " << checked.error().message;
    EXPECT_EQ(*checked, clean);
  }
}

TEST(UpstreamUrl, AnythingElseIsRefused) {
  for (const char* bad : {"",
                          "example.org",
                          "ftp://x",
                          "http://",
                          "https:///x",
                          "http://:80",
                          "http://a:",
                          "http://a:0",
                          "http://a:65536",
                          "http://a:8x",
                          "http://a:99999999999999999999",
                          "http://u:p@a",
                          "http://a?x=1",
                          "http://a/#f",
                          "http://a b",
                          "http://a\r\nHost: b",
                          "http://[::1",
                          "http://[zz]",
                          "http://[]",
                          "http://[::1]x",
                          "http://a/../b",
                          "http://a/./b",
                          "http://a/..",
                          "http://a\"b",
                          "HTTP://a",
                          "http://\xc3\xbc"}) {
    const auto checked = check_upstream_url(bad);
    ASSERT_FALSE(checked) << bad;
    EXPECT_TRUE(checked.error().message.starts_with("upstream_url: ")) << checked.error().message;
  }
  EXPECT_FALSE(check_upstream_url("http://a/" + std::string(3000, 'x')));
}

}  // namespace
}  // namespace millrace::platform

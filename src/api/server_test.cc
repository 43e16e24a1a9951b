// The control API over a real unix socket, and the policy feed between its two real ends.
#include "api/server.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <future>

#include "api/api_test_world.h"
#include "api/feed/policy_feed.h"
#include "host/file.h"
#include "net/blocking_client.h"

namespace millrace::api {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

/// Runs a loop in a thread, in a folder of its own; clock and timeouts are the real ones.
class LoopTest : public testing::Test {
 protected:
  class RealClock final : public Clock {
   public:
    TimePoint now() const override {
      return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
    }
    MonotonicPoint monotonic() const override { return std::chrono::steady_clock::now(); }
  };

  LoopTest() {
    char name[] = "/tmp/millrace-api-XXXXXX";
    folder = mkdtemp(name);
    loop = std::move(net::Loop::create(clock).value());
  }
  ~LoopTest() override {
    if (thread.joinable()) stop();
    (void)host::remove_tree(folder);
  }
  void run() {
    thread = std::jthread([this] { loop->run(); });
  }
  void stop() {
    loop->stop();
    thread.join();
  }
  /// Runs `work` on the loop's thread and returns what it returns.
  template <typename Work>
  auto on_loop(Work work) {
    std::promise<decltype(work())> done;
    auto result = done.get_future();
    loop->post([&] { done.set_value(work()); });
    return result.get();
  }
  /// Looks again at each of the loop's ticks, for 5 s.
  bool eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 1000; ++i) {
      if (holds()) return true;
      std::promise<void> tick;
      loop->post([&] { loop->call_after(5ms, [&] { tick.set_value(); }); });
      tick.get_future().wait();
    }
    return false;
  }

  RealClock clock;
  std::string folder;
  std::unique_ptr<net::Loop> loop;
  std::jthread thread;
};

class ServerTest : public LoopTest {
 protected:
  net::BlockingResponse send(net::Method method, const std::string& path, const std::string& body = "",
                             std::vector<std::pair<std::string, std::string>> headers = {}) {
    net::BlockingRequest request;
    request.url = "unix:" + options().socket + ":" + path;
    request.method = method;
    request.body = body;
    request.headers = std::move(headers);
    const auto response = net::request(request);
    EXPECT_TRUE(response) << response.error().message;
    return response ? *response : net::BlockingResponse{};
  }
  ApiOptions options() const {
    ApiOptions options;
    options.socket = folder + "/api.sock";
    return options;
  }
  World world;
};

TEST_F(ServerTest, answers_over_its_socket) {
  auto server = ApiServer::start(*loop, options(), world.services, world.rng);
  ASSERT_TRUE(server) << server.error().message;
  run();
  EXPECT_EQ(send(net::Method::kGet, "/healthz").status, 200);
  EXPECT_EQ(send(net::Method::kGet, "/api/v1/whoami").status, 401);
  const std::pair<std::string, std::string> key = {"authorization", "Bearer " + world.keys["platform-admin"]};
  const auto whoami =
      send(net::Method::kGet, "/api/v1/whoami", "", {key, {"x-request-id", "req_from_gateway"}});
  EXPECT_EQ(whoami.status, 200);
  EXPECT_EQ(whoami.header("x-request-id"), "req_from_gateway");
  EXPECT_EQ(whoami.header("content-type"), "application/json");
  const auto created = send(net::Method::kPost, "/api/v1/tenants", R"({"name":"net"})",
                            {key, {"content-type", "application/json"}});
  EXPECT_EQ(created.status, 201) << created.body;
  EXPECT_TRUE(created.header("x-request-id").starts_with("req_"));
  const auto large = send(net::Method::kPost, "/api/v1/tenants", std::string(Dispatcher::kBodyMax + 1, ' '),
                          {key, {"content-type", "application/json"}});
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(large.header("content-type"), "application/problem+json");
  stop();
}

TEST_F(ServerTest, does_not_start_with_a_route_that_has_no_policy) {
  auto routes = all_routes();
  routes.back().access.reset();
  EXPECT_FALSE(ApiServer::start(*loop, options(), world.services, world.rng, routes));
  EXPECT_TRUE(ApiServer::start(*loop, options(), world.services, world.rng));
}

TEST_F(ServerTest, serves_many_callers_at_once) {
  auto server = ApiServer::start(*loop, options(), world.services, world.rng);
  ASSERT_TRUE(server) << server.error().message;
  run();
  const std::pair<std::string, std::string> key = {"authorization", "Bearer " + world.keys["platform-admin"]};
  std::atomic<int> created = 0;
  {
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 8; ++caller) {
      callers.emplace_back([&, caller] {
        for (int i = 0; i < 10; ++i) {
          const auto answer =
              send(net::Method::kPost, "/api/v1/tenants", fmt::format(R"({{"name":"t{}-{}"}})", caller, i),
                   {key, {"content-type", "application/json"}});
          created += answer.status == 201 ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(created, 80);
  stop();
}

class TestSource final : public PolicySource {
 public:
  Result<PolicyRecords> assemble() override {
    const std::lock_guard lock(mutex);
    return records;
  }
  void set(const std::string& name, const std::string& text) {
    const std::lock_guard lock(mutex);
    records[name] = text;
  }
  std::mutex mutex;
  PolicyRecords records{{"tenant/a", R"({"name":"a"})"}};
};

/// The gateway's end of the feed: keeps what it was told, acknowledges if it is told to.
class TestGateway final : public net::LineHandler {
 public:
  TestGateway(net::Loop& loop, const std::string& path, const std::string& id, std::int64_t version = 0) {
    channel = std::move(net::LineChannel::connect(loop, path, {}, *this).value());
    channel->send(fmt::format(R"({{"hello":1,"gateway":"{}","version":{}}})", id, version));
  }
  void on_line(net::LineChannel& from, std::string_view line) override {
    const auto change = identity::decode_change(line);
    ASSERT_TRUE(change) << line;
    const std::lock_guard lock(mutex);
    changes.push_back(*change);
    if (acknowledges) from.send(fmt::format(R"({{"ack":{}}})", change->version));
  }
  void on_close(net::LineChannel&, const Error&) override { closed = true; }
  std::vector<identity::PolicyChange> received() {
    const std::lock_guard lock(mutex);
    return changes;
  }

  std::unique_ptr<net::LineChannel> channel;
  std::atomic<bool> acknowledges = true, closed = false;
  std::mutex mutex;
  std::vector<identity::PolicyChange> changes;
};

class FeedTest : public LoopTest {
 protected:
  void start(std::chrono::milliseconds resync = 10s) {
    auto started = PolicyFeed::start(*loop, {folder + "/feed.sock", resync}, source, live, clock, nullptr);
    ASSERT_TRUE(started) << started.error().message;
    feed = std::move(*started);
    run();
  }
  /// It stays until the loop has stopped: its end belongs to the loop's thread.
  TestGateway* connect(const std::string& id, std::int64_t version = 0) {
    gateways.push_back(
        on_loop([&] { return std::make_unique<TestGateway>(*loop, folder + "/feed.sock", id, version); }));
    TestGateway* const gateway = gateways.back().get();
    EXPECT_TRUE(eventually([&] { return !gateway->received().empty(); }));
    return gateway;
  }
  ~FeedTest() override {
    if (thread.joinable()) stop();
    feed.reset();
  }
  TestSource source;
  Live live{clock};
  std::unique_ptr<PolicyFeed> feed;
  std::vector<std::unique_ptr<TestGateway>> gateways;
};

TEST_F(FeedTest, a_gateway_gets_everything_and_then_what_changes) {
  start();
  auto* const gateway = connect("gw");
  ASSERT_EQ(gateway->received().size(), 1u);
  EXPECT_TRUE(gateway->received()[0].full);
  EXPECT_TRUE(gateway->received()[0].set.contains("tenant/a"));
  source.set("key/k", R"({"id":"k"})");
  feed->notify();
  ASSERT_TRUE(eventually([&] { return gateway->received().size() == 2; }));
  const auto change = gateway->received()[1];
  EXPECT_FALSE(change.full);
  EXPECT_EQ(change.set.size(), 1u);
  EXPECT_TRUE(change.set.contains("key/k"));
  EXPECT_GT(change.version, gateway->received()[0].version);
}

TEST_F(FeedTest, what_nobody_announced_is_found_within_the_resync) {
  start(20ms);
  auto* const gateway = connect("gw");
  source.set("key/k", R"({"id":"k"})");
  EXPECT_TRUE(eventually([&] { return gateway->received().size() == 2; }));
}

TEST_F(FeedTest, a_change_is_published_when_every_gateway_has_acknowledged_it) {
  start();
  auto* const first = connect("gw-1");
  auto* const second = connect("gw-2");
  source.set("key/k", R"({"id":"k"})");
  const auto report = feed->publish_and_wait(5s);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->acknowledged, (std::vector<std::string>{"gw-1", "gw-2"}));
  EXPECT_TRUE(report->dropped.empty());
  EXPECT_TRUE(first->received().back().set.contains("key/k"));
  EXPECT_TRUE(second->received().back().set.contains("key/k"));
}

TEST_F(FeedTest, a_gateway_that_does_not_acknowledge_is_dropped_and_named) {
  start();
  (void)connect("good");
  auto* const stuck = connect("stuck");
  stuck->acknowledges = false;
  source.set("key/k", R"({"id":"k"})");
  const auto report = feed->publish_and_wait(200ms);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->acknowledged, std::vector<std::string>{"good"});
  EXPECT_EQ(report->dropped, std::vector<std::string>{"stuck"});
  EXPECT_TRUE(eventually([&] { return stuck->closed.load(); }));
  EXPECT_EQ(feed->gateways(), std::vector<std::string>{"good"});
}

TEST_F(FeedTest, an_acknowledgement_of_what_was_never_sent_counts_for_nothing) {
  start();
  auto* const liar = connect("liar");
  liar->acknowledges = false;
  on_loop([&] { return liar->channel->send(R"({"ack":9000000000000000000})"), true; });
  source.set("key/k", R"({"id":"k"})");
  const auto report = feed->publish_and_wait(200ms);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->dropped, std::vector<std::string>{"liar"});
}

TEST_F(FeedTest, versions_go_up_over_a_restart) {
  start();
  for (int i = 0; i < 3; ++i) {
    source.set("key/k", fmt::format(R"({{"i":{}}})", i));
    ASSERT_TRUE(feed->publish_and_wait(1s));
  }
  const std::int64_t before = feed->version();
  const auto now_ms = [&] { return clock.now().time_since_epoch() / 1ms; };
  ASSERT_TRUE(eventually([&] { return now_ms() > before; }));
  stop();
  feed.reset();
  start();
  EXPECT_GT(feed->version(), before);
}

TEST_F(FeedTest, a_gateway_from_before_a_clock_was_set_back_still_gets_a_later_version) {
  start();
  const std::int64_t later = feed->version() + 1'000'000;
  auto* const gateway = connect("gw", later);
  ASSERT_FALSE(gateway->received().empty());
  EXPECT_EQ(gateway->received()[0].version, later + 1);
  source.set("key/k", R"({"id":"k"})");
  ASSERT_TRUE(feed->publish_and_wait(1s));
  EXPECT_EQ(gateway->received().back().version, later + 2);
}

TEST_F(FeedTest, stats_reach_the_live_figures_and_nonsense_ends_the_session) {
  start();
  auto* const gateway = connect("gw");
  on_loop([&] { return gateway->channel->send(R"({"stats":{"requests":3,"active_requests":2}})"), true; });
  EXPECT_TRUE(eventually([&] { return live.figures().active_requests == 2; }));
  on_loop([&] { return gateway->channel->send("nonsense"), true; });
  EXPECT_TRUE(eventually([&] { return gateway->closed.load(); }));
  EXPECT_EQ(live.figures().gateways, 0);
}

TEST(Difference, applied_to_the_old_records_gives_the_new_ones) {
  const PolicyRecords before = {{"a", "1"}, {"b", "2"}, {"c", "3"}},
                      after = {{"a", "1"}, {"b", "9"}, {"d", "4"}};
  const auto change = difference(before, after);
  EXPECT_EQ(change.set, (PolicyRecords{{"b", "9"}, {"d", "4"}}));
  EXPECT_EQ(change.del, std::vector<std::string>{"c"});
  EXPECT_TRUE(difference(after, after).set.empty());
}

}  // namespace
}  // namespace millrace::api

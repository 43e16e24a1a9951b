#include <fmt/format.h>

#include "api/api_test_world.h"
#include "api/feed/policy_records.h"

namespace millrace::api {
namespace {

namespace json = boost::json;
const std::string kAdmin = "platform-admin";

TEST(Problems, have_the_shape_of_rfc_9457) {
  World world;
  const Reply reply = world.call("GET", "/api/v1/models/none", kAdmin);
  EXPECT_EQ(reply.content_type, "application/problem+json");
  const json::object problem = json::parse(reply.body).as_object();
  EXPECT_EQ(problem.at("status"), 404);
  EXPECT_EQ(problem.at("title"), "Not Found");
  EXPECT_EQ(problem.at("code"), "not_found");
  EXPECT_EQ(problem.at("instance"), "/api/v1/models/none");
  EXPECT_EQ(problem.at("type"), "urn:millrace:problem:not_found");
}

TEST(Problems, a_wrong_method_names_the_right_ones) {
  World world;
  const Reply reply = world.call("PUT", "/api/v1/keys", kAdmin);
  EXPECT_EQ(reply.status, 405);
  const auto allow =
      std::ranges::find(reply.headers, "allow", [](const auto& header) { return header.first; });
  ASSERT_NE(allow, reply.headers.end());
  EXPECT_EQ(allow->second, "GET, POST");
  (void)world.expect(404, "GET", "/api/v1/nothing", kAdmin);
  (void)world.expect(404, "GET", "/api/v1/keys/", kAdmin);
}

TEST(Problems, a_body_is_refused_for_the_right_reason) {
  World world;
  const auto post = [&](std::string type, std::string body) {
    RawRequest request;
    request.method = "POST";
    request.path = "/api/v1/tenants";
    request.authorization = "bearer " + world.keys[kAdmin];
    request.content_type = std::move(type);
    request.body = std::move(body);
    return world.call_raw(std::move(request)).status;
  };
  EXPECT_EQ(post("", R"({"name":"x"})"), 415);
  EXPECT_EQ(post("text/plain", R"({"name":"x"})"), 415);
  EXPECT_EQ(post("application/json", "{"), 400);
  EXPECT_EQ(post("application/json", R"({"name":"x","name":"y"})"), 400);
  EXPECT_EQ(post("application/json", "[]"), 422);
  EXPECT_EQ(post("application/json", R"({"name":"UPPER"})"), 422);
  EXPECT_EQ(post("application/json", R"({"name":"x","more":1})"), 422);
  EXPECT_EQ(post("application/json", std::string(Dispatcher::kBodyMax + 1, ' ')), 413);
  EXPECT_EQ(post("Application/JSON ; charset=utf-8", R"({"name":"x"})"), 201);
}

TEST(Problems, a_query_is_read_strictly) {
  World world;
  for (const std::string query :
       {"limit=0", "limit=1001", "limit=x", "limit=", "limit=1&limit=2", "what=1", "after=%ff"}) {
    (void)world.expect(400, "GET", "/api/v1/keys?" + query, kAdmin);
  }
  (void)world.expect(400, "GET", "/api/v1/usage?from=yesterday", kAdmin);
  (void)world.expect(400, "GET", "/api/v1/usage?by=colour", kAdmin);
}

TEST(Keys, are_shown_once_and_revoked_with_the_word_of_every_gateway) {
  World world;
  const auto created =
      world.expect(201, "POST", "/api/v1/keys", kAdmin,
                   R"({"project":"a1","limits":{"requests_per_minute":60,"eur_per_month":12.5}})");
  EXPECT_TRUE(created.at("key").as_string().starts_with("mr_"));
  EXPECT_EQ(created.at("role"), "developer");
  EXPECT_EQ(world.publisher.published, 1) << "the gateways must know a key before its owner does";
  const std::string path = fmt::format("/api/v1/keys/{}", std::string_view(created.at("id").as_string()));
  const auto shown = world.expect(200, "GET", path, kAdmin);
  EXPECT_FALSE(shown.as_object().contains("key"));
  EXPECT_EQ(shown.at("limits").at("eur_per_month"), 12.5);
  EXPECT_EQ(shown.at("limits").at("requests_per_minute"), 60);
  world.publisher.report = {{"gw-1"}, {"gw-2"}};
  const auto revoked = world.expect(200, "DELETE", path, kAdmin);
  EXPECT_GE(world.publisher.published, 2);
  EXPECT_EQ(revoked.at("gateways").at("acknowledged"), json::array{"gw-1"});
  EXPECT_EQ(revoked.at("gateways").at("dropped"), json::array{"gw-2"});
  EXPECT_EQ(world.expect(200, "GET", path, kAdmin).at("state"), "revoked");
}

TEST(Keys, pages_join_without_gap_or_double) {
  World world;
  std::vector<std::string> seen;
  std::string after;
  do {
    const auto page = world.expect(200, "GET", "/api/v1/keys?limit=5" + after, kAdmin);
    for (const auto& key : page.at("data").as_array()) seen.emplace_back(key.at("id").as_string());
    after = page.at("next").is_null() ? "" : "&after=" + std::string(page.at("next").as_string());
  } while (!after.empty());
  EXPECT_EQ(seen.size(), 13u);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(std::ranges::adjacent_find(seen), seen.end());
}

TEST(Quotas, start_at_nothing_and_are_inherited_by_projects) {
  World world;
  const std::string tenant = "/api/v1/quotas/tenants/alpha", project = "/api/v1/quotas/projects/a1";
  EXPECT_TRUE(world.expect(200, "GET", tenant, kAdmin).at("quota").is_null());
  EXPECT_EQ(world.expect(200, "PUT", tenant, kAdmin, R"({"unlimited":true})").at("quota"),
            (json::object{{"unlimited", true}}));
  const auto inherited = world.expect(200, "GET", project, kAdmin);
  EXPECT_EQ(inherited.at("inherited"), true);
  EXPECT_EQ(inherited.at("quota"), (json::object{{"unlimited", true}}));
  const auto own = world.expect(200, "PUT", project, "tenant-admin", R"({"concurrency":3})");
  EXPECT_EQ(own.at("inherited"), false);
  EXPECT_EQ(own.at("quota").at("concurrency"), 3);
  EXPECT_EQ(world.expect(200, "PUT", project, kAdmin, "null").at("inherited"), true);
  (void)world.expect(422, "PUT", tenant, kAdmin, "{}");
  (void)world.expect(422, "PUT", tenant, kAdmin, R"({"unlimited":false})");
  (void)world.expect(422, "PUT", tenant, kAdmin, R"({"unlimited":true,"concurrency":1})");
}

TEST(Models, are_imported_shown_and_deleted) {
  World world;
  const auto model =
      world.expect(202, "POST", "/api/v1/models", "operator", R"({"source":"/m.gguf","name":"m"})");
  EXPECT_EQ(model.at("state"), "importing");
  (void)world.expect(409, "POST", "/api/v1/models", "operator", R"({"source":"/m.gguf","name":"m"})");
  EXPECT_EQ(world.expect(200, "GET", "/api/v1/models", "viewer").at("data").as_array().size(), 1u);
  (void)world.expect(204, "DELETE", "/api/v1/models/m", "operator");
  (void)world.expect(404, "DELETE", "/api/v1/models/m", "operator");
}

class EndpointsTest : public testing::Test {
 protected:
  EndpointsTest() { world.have_model("m"); }
  void add_replica(const std::string& id, control::ReplicaState state, const std::string& reason = "") {
    control::ReplicaStatus replica;
    replica.id = id;
    replica.endpoint = "chat";
    replica.model = "m";
    replica.state = state;
    replica.reason = reason;
    world.replicas.all.push_back(replica);
  }
  json::value state() { return world.expect(200, "GET", "/api/v1/endpoints/chat", "viewer").at("state"); }
  World world;
};

TEST_F(EndpointsTest, state_is_the_best_of_the_replicas) {
  (void)world.expect(201, "POST", "/api/v1/endpoints", "operator",
                     R"({"name":"chat","model":"m","replicas":2})");
  EXPECT_EQ(state(), "starting");
  add_replica("chat-0", control::ReplicaState::kCrashLoop, "ended 5 times");
  EXPECT_EQ(state(), "crash_loop");
  EXPECT_EQ(world.expect(200, "GET", "/api/v1/endpoints/chat", "viewer").at("reason"), "ended 5 times");
  add_replica("chat-1", control::ReplicaState::kReady);
  EXPECT_EQ(state(), "ready");
  const auto replicas = world.expect(200, "GET", "/api/v1/endpoints/chat/replicas?limit=1", "viewer");
  EXPECT_EQ(replicas.at("data").as_array().size(), 1u);
  EXPECT_EQ(replicas.at("next"), "chat-0");
  EXPECT_EQ(
      world.expect(200, "PATCH", "/api/v1/endpoints/chat", "operator", R"({"replicas":0})").at("replicas"),
      0);
  (void)world.expect(204, "DELETE", "/api/v1/endpoints/chat", "operator");
  (void)world.expect(404, "GET", "/api/v1/endpoints/chat/replicas", "viewer");
}

TEST_F(EndpointsTest, one_that_needs_no_replica_sleeps_from_the_start) {
  const auto made = world.expect(201, "POST", "/api/v1/endpoints", "operator",
                                 R"({"name":"chat","model":"m","min_replicas":0,"max_replicas":2})");
  EXPECT_EQ(made.at("state"), "sleeping");
  EXPECT_EQ(made.at("reason"), "the next request starts a replica");
}

TEST_F(EndpointsTest, an_upstream_never_shows_its_key) {
  const std::string body =
      R"({"name":"far","upstream_url":"https://up.example/v1","upstream_key":"topsecret"})";
  const Reply created = world.call("POST", "/api/v1/endpoints", kAdmin, body);
  EXPECT_EQ(created.status, 201) << created.body;
  EXPECT_FALSE(created.body.contains("topsecret"));
  EXPECT_EQ(json::parse(created.body).at("has_upstream_key"), true);
  EXPECT_FALSE(world.call("GET", "/api/v1/endpoints", kAdmin).body.contains("topsecret"));
  (void)world.expect(422, "POST", "/api/v1/endpoints", kAdmin,
                     R"({"name":"x","model":"m","upstream_url":"http://a"})");
  (void)world.expect(404, "POST", "/api/v1/endpoints", kAdmin, R"({"name":"x","model":"none"})");
}

TEST_F(EndpointsTest, the_log_is_text_whatever_the_engine_wrote) {
  const auto piece = world.expect(200, "GET", "/api/v1/replicas/chat-0/log?from=9&max=100", "operator");
  EXPECT_EQ(piece.at("text"), "\xEF\xBF\xBD line two\n");
  EXPECT_EQ(piece.at("next"), 20);
  (void)world.expect(404, "GET", "/api/v1/replicas/none/log", "operator");
}

TEST(Prices, come_in_versions_of_whole_microeuro) {
  World world;
  const auto first = world.expect(200, "PUT", "/api/v1/prices/m", kAdmin,
                                  R"({"input_eur_per_mtok":0.15,"output_eur_per_mtok":0.0000005})");
  EXPECT_EQ(first.at("version"), 1);
  EXPECT_EQ(first.at("input_eur_per_mtok"), 0.15);
  EXPECT_EQ(first.at("output_eur_per_mtok"), 1e-6);
  (void)world.expect(200, "PUT", "/api/v1/prices/m", kAdmin,
                     R"({"input_eur_per_mtok":1,"output_eur_per_mtok":2})");
  const auto listed = world.expect(200, "GET", "/api/v1/prices", "viewer");
  ASSERT_EQ(listed.at("data").as_array().size(), 1u);
  EXPECT_EQ(listed.at("data").at(0).at("version"), 2);
  (void)world.expect(422, "PUT", "/api/v1/prices/m", kAdmin,
                     R"({"input_eur_per_mtok":-1,"output_eur_per_mtok":2})");
}

TEST(Prices, of_machines_keep_what_is_left_out) {
  World world;
  const auto none = world.expect(200, "GET", "/api/v1/machine-price", "viewer");
  EXPECT_EQ(none.at("version"), 0);
  EXPECT_EQ(none.at("core_eur_per_hour"), 0.0);
  EXPECT_TRUE(none.at("effective_from").is_null());
  const int published = world.publisher.published;
  const auto set = [&](int status, const std::string& body) {
    return world.expect(status, "PATCH", "/api/v1/machine-price", kAdmin, body);
  };
  EXPECT_EQ(set(200, R"({"core_eur_per_hour":0.0000005})").at("core_eur_per_hour"), 1e-6);
  (void)set(200, R"({"accelerator_eur_per_hour":2.5})");
  const auto shown = world.expect(200, "GET", "/api/v1/machine-price", "viewer");
  EXPECT_EQ(shown.at("version"), 2);
  EXPECT_EQ(shown.at("accelerator_eur_per_hour"), 2.5);
  EXPECT_EQ(shown.at("core_eur_per_hour"), 1e-6);
  EXPECT_EQ(shown.at("effective_from").as_string(), to_rfc3339(world.clock.now()));
  (void)set(422, R"({})");
  (void)set(422, R"({"core_eur_per_hour":-1})");
  EXPECT_EQ(world.publisher.published, published) << "gateways need not know";
}

TEST(Prices, of_the_past_are_listed_with_their_versions_and_times) {
  World world;
  const std::string began = to_rfc3339(world.clock.now());
  for (const char* model : {"b", "a"}) {
    (void)world.expect(200, "PUT", std::string("/api/v1/prices/") + model, kAdmin,
                       R"({"input_eur_per_mtok":1,"output_eur_per_mtok":2})");
  }
  (void)world.expect(200, "PATCH", "/api/v1/machine-price", kAdmin, R"({"core_eur_per_hour":1})");
  world.clock.advance(std::chrono::hours(1));
  (void)world.expect(200, "PUT", "/api/v1/prices/a", kAdmin,
                     R"({"input_eur_per_mtok":3,"output_eur_per_mtok":4})");
  (void)world.expect(200, "PATCH", "/api/v1/machine-price", kAdmin, R"({"core_eur_per_hour":2})");

  const auto first = world.expect(200, "GET", "/api/v1/price-versions?limit=2", "viewer");
  EXPECT_EQ(first.at("data").at(0), (json::object{{"model", "a"},
                                                  {"version", 1},
                                                  {"input_eur_per_mtok", 1.0},
                                                  {"output_eur_per_mtok", 2.0},
                                                  {"effective_from", began}}));
  EXPECT_EQ(first.at("data").at(1).at("version"), 2);
  EXPECT_EQ(first.at("data").at(1).at("effective_from").as_string(), to_rfc3339(world.clock.now()));
  const std::string next(first.at("next").as_string());
  const auto rest = world.expect(200, "GET", "/api/v1/price-versions?after=" + next, "viewer");
  ASSERT_EQ(rest.at("data").as_array().size(), 1u);
  EXPECT_EQ(rest.at("data").at(0).at("model"), "b");
  EXPECT_TRUE(rest.at("next").is_null());

  const auto one = world.expect(200, "GET", "/api/v1/machine-price/versions?limit=1", "viewer");
  EXPECT_EQ(one.at("data").at(0), (json::object{{"version", 1},
                                                {"accelerator_eur_per_hour", 0.0},
                                                {"core_eur_per_hour", 1.0},
                                                {"effective_from", began}}));
  const auto two = world.expect(
      200, "GET", "/api/v1/machine-price/versions?after=" + std::string(one.at("next").as_string()),
      "viewer");
  ASSERT_EQ(two.at("data").as_array().size(), 1u);
  EXPECT_EQ(two.at("data").at(0).at("core_eur_per_hour"), 2.0);
}

store::UsageRecord record(int number, const std::string& tenant, const std::string& project, TimePoint at) {
  store::UsageRecord one;
  one.request_id = fmt::format("req_{:03}", number);
  one.tenant = tenant;
  one.project = project;
  one.key_id = "key_1";
  one.model = "m";
  one.status = store::UsageStatus::kCompleted;
  one.input_tokens = 10;
  one.output_tokens = 5;
  one.reasoning_tokens = 2;
  one.energy_uj = 1'500'000;
  one.co2e_ug = 250;
  one.basis = "modelled";
  one.cost_microeur = 7;
  one.started_at = at;
  one.ended_at = at + std::chrono::seconds(1);
  return one;
}

TEST(Usage, is_summed_and_paged_within_the_callers_reach) {
  World world;
  std::vector<store::UsageRecord> records;
  for (int i = 0; i < 7; ++i) {
    records.push_back(record(i, i < 5 ? "alpha" : "beta",
                             i < 3   ? "a1"
                             : i < 5 ? "a2"
                                     : "b1",
                             world.clock.now()));
  }
  ASSERT_TRUE(world.usage.append(records));
  const auto requests = [&](const std::string& as) {
    const auto sums = world.expect(200, "GET", "/api/v1/usage?by=model", as);
    return sums.at("data").at(0).at("requests").as_int64();
  };
  EXPECT_EQ(requests("auditor"), 7);
  EXPECT_EQ(requests("tenant-admin"), 5);
  EXPECT_EQ(requests("developer"), 3);
  const auto sum = world.expect(200, "GET", "/api/v1/usage?by=project&tenant=beta", kAdmin).at("data").at(0);
  EXPECT_EQ(sum.at("name"), "b1");
  EXPECT_EQ(sum.at("output_tokens"), 10);
  EXPECT_EQ(sum.at("reasoning_tokens"), 4);
  EXPECT_EQ(sum.at("energy_j"), 3.0);
  EXPECT_EQ(sum.at("cost_eur"), 14e-6);
  const auto page = world.expect(200, "GET", "/api/v1/usage/records?limit=3", kAdmin);
  EXPECT_EQ(page.at("data").as_array().size(), 3u);
  EXPECT_EQ(page.at("next"), "req_002");
  const auto rest = world.expect(200, "GET", "/api/v1/usage/records?limit=10&after=req_002", kAdmin);
  EXPECT_EQ(rest.at("data").as_array().size(), 4u);
  EXPECT_TRUE(rest.at("next").is_null());
  const auto none = world.expect(200, "GET", "/api/v1/usage/records?to=2026-01-01", kAdmin);
  EXPECT_TRUE(none.at("data").as_array().empty());
}

TEST(Energy, intervals_are_paged_and_give_the_live_power) {
  World world;
  energy::LinearPowerModel model;
  for (int i = 0; i < 4; ++i) {
    ledger::NodeReading reading;
    reading.at = world.clock.now();
    reading.counter_uj = 1'000'000'000LL * i;
    reading.boot_id = "boot";
    ASSERT_TRUE(world.energy.sample(reading, model));
    world.clock.advance(std::chrono::seconds(10));
  }
  const auto first = world.expect(200, "GET", "/api/v1/usage/energy?limit=2", kAdmin);
  ASSERT_EQ(first.at("data").as_array().size(), 2u);
  EXPECT_EQ(first.at("data").at(0).at("site_j"), 1000.0);
  EXPECT_EQ(first.at("data").at(0).at("basis"), "measured");
  const std::string next(first.at("next").as_string());
  const auto second = world.expect(200, "GET", "/api/v1/usage/energy?after=" + next, kAdmin);
  EXPECT_EQ(second.at("data").as_array().size(), 1u);
  const auto live = world.expect(200, "GET", "/api/v1/live", kAdmin);
  EXPECT_EQ(live.at("power_w"), 100.0);
  EXPECT_EQ(live.at("co2e_g_per_h"), 2.0);
}

TEST(Status, shows_processes_and_defaults) {
  World world;
  const auto status = world.expect(200, "GET", "/api/v1/status", "operator");
  EXPECT_EQ(status.at("version"), "1.2.3");
  EXPECT_EQ(status.at("processes").at(0).at("pid"), 4711);
  EXPECT_EQ(status.at("defaults").at("model"), "chat");
  EXPECT_TRUE(status.at("defaults").at("embed_model").is_null());
  world.services.is_ready = [] { return false; };
  (void)world.expect(503, "GET", "/api/v1/readyz", "");
  (void)world.expect(200, "GET", "/api/v1/healthz", "");
}

TEST(Metrics, name_no_tenant_and_come_in_both_formats) {
  World world;
  RawRequest request;
  request.method = "GET";
  request.path = "/metrics";
  const Reply older = world.call_raw(request);
  EXPECT_TRUE(older.body.contains("millrace_requests_total 0\n")) << older.body;
  EXPECT_FALSE(older.body.contains("alpha"));
  request.accept = "application/openmetrics-text; version=1.0.0";
  EXPECT_TRUE(world.call_raw(request).body.ends_with("# EOF\n"));
}

class PolicyTest : public testing::Test {
 protected:
  PolicyRecords records() {
    auto assembled = policy.assemble();
    EXPECT_TRUE(assembled) << assembled.error().message;
    return assembled ? *assembled : PolicyRecords{};
  }
  World world;
  UsedFigures used{world.usage, world.clock};
  ServicePolicy policy{world.directory,
                       world.endpoints,
                       world.replicas,
                       world.prices,
                       used,
                       {.site = "local", .zone = "FR", .energy_model = "linear", .basis = "modelled"},
                       world.environments};
};

TEST_F(PolicyTest, why_a_wanted_replica_is_not_there_yet_is_told_with_its_endpoint) {
  ASSERT_TRUE(used.take({}));
  world.have_model("m");
  platform::EndpointRequest chat;
  chat.name = "chat";
  chat.model = "m";
  ASSERT_TRUE(world.endpoints.create(chat));
  const auto hold = [&] { return identity::parse_endpoint(records().at("endpoint/chat"))->hold; };
  EXPECT_EQ(hold(), "");
  control::ReplicaStatus replica;
  replica.id = "chat-0";
  replica.endpoint = "chat";
  replica.reason = "needs 4 cores; 2 are free";
  world.replicas.all = {replica};
  EXPECT_EQ(hold(), "needs 4 cores; 2 are free");
  world.replicas.all[0].state = control::ReplicaState::kReady;
  EXPECT_EQ(hold(), "");
}

TEST_F(PolicyTest, tells_gateways_everything_they_need_and_a_view_takes_it) {
  EXPECT_FALSE(policy.assemble()) << "what was used is not known yet";
  ASSERT_TRUE(used.take({}));
  world.have_model("m");
  platform::EndpointRequest far;
  far.name = "far";
  far.upstream_url = "https://up.example/v1";
  far.upstream_key = "topsecret";
  ASSERT_TRUE(world.endpoints.create(far));
  ASSERT_TRUE(world.prices.set("m", 100, 200, world.clock.now()));
  for (const auto state : {control::ReplicaState::kReady, control::ReplicaState::kDraining}) {
    control::ReplicaStatus replica;
    replica.id = fmt::format("chat-{}", world.replicas.all.size());
    replica.endpoint = "chat";
    replica.state = state;
    replica.socket = "/s";
    replica.slots = 4;
    world.replicas.all.push_back(replica);
  }
  identity::PolicyChange change;
  change.version = 1;
  change.full = true;
  change.set = records();
  identity::PolicyView view;
  const auto applied = view.apply(change);
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_NE(view.key_by_digest(identity::digest_key(world.pepper, world.keys["developer"])), nullptr);
  EXPECT_EQ(view.endpoint("far")->upstream_key, "topsecret");
  EXPECT_EQ(view.replicas().size(), 1u) << "a draining replica gets nothing new";
  EXPECT_EQ(view.replicas().begin()->second.slots, 4);
  EXPECT_EQ(view.price("m")->output_microeur_per_mtok, 200);
  EXPECT_EQ(view.site().zone, "FR");
}

TEST_F(PolicyTest, a_revoked_key_leaves_it) {
  ASSERT_TRUE(used.take({}));
  const std::string name = "key/" + world.key_ids["developer"];
  EXPECT_TRUE(records().contains(name));
  (void)world.expect(200, "DELETE", "/api/v1/keys/" + world.key_ids["developer"], kAdmin);
  EXPECT_FALSE(records().contains(name));
}

}  // namespace
}  // namespace millrace::api

#include "identity/policy.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <chrono>

#include "core/rng.h"

namespace millrace::identity {
namespace {

using std::chrono::microseconds;

/// Draws arbitrary records; the same seed draws the same.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : rng_(seed) {}
  std::int64_t number(std::int64_t below) {
    return static_cast<std::int64_t>(rng_.next() % static_cast<std::uint64_t>(below));
  }
  bool coin() { return rng_.next() % 2 == 0; }
  double real() { return static_cast<double>(number(1'000'000'000)) / 7.0; }
  std::string name() {
    static constexpr const char* kNames[] = {"a",    "b", "team-1", "Grüße \"x\"\\", "日本", "n/with/slash",
                                             "z\n\t"};
    return kNames[number(7)];
  }
  std::optional<std::int64_t> maybe() { return coin() ? std::optional{number(INT64_MAX)} : std::nullopt; }
  Limits limits() { return {maybe(), maybe(), maybe(), maybe(), maybe()}; }
  std::optional<Limits> quota() { return coin() ? std::optional{limits()} : std::nullopt; }
  KeyPolicy key(std::string id) {
    KeyPolicy key{.id = std::move(id),
                  .prefix = name(),
                  .tenant = name(),
                  .project = name(),
                  .digest = {},
                  .role = static_cast<Role>(number(6)),
                  .limits = limits(),
                  .expires = {}};
    for (auto& byte : key.digest) byte = static_cast<std::uint8_t>(rng_.next());
    if (coin()) key.expires = TimePoint{microseconds{number(4'000'000'000'000'000)}};
    return key;
  }
  PolicyChange change(std::int64_t version, bool full) {
    PolicyChange change{.version = version, .full = full, .set = {}, .del = {}};
    for (std::int64_t i = number(6); i > 0; --i) {
      const std::string id = std::to_string(number(5));
      if (coin()) change.del.push_back((coin() ? "key/" : "tenant/") + std::to_string(number(5)));
      switch (number(4)) {
        case 0:
          change.set["key/" + id] = encode(key(id));
          break;
        case 1:
          change.set["tenant/" + id] = encode(TenantPolicy{.name = id, .quota = quota()});
          break;
        case 2:
          change.set["used/key/" + id] = encode(UsedPolicy{.month = 202611, .tokens = number(9)});
          break;
        default:
          change.set["drained/" + id] = encode(DrainPolicy{.through = number(99)});
          break;
      }
    }
    return change;
  }

 private:
  SeededRng rng_;
};

/// The whole view as text, by way of its snapshot.
std::string text_of(const PolicyView& view) { return encode(view.snapshot()); }

PolicyChange change_of(std::int64_t version, bool full, std::map<std::string, std::string> set = {},
                       std::vector<std::string> del = {}) {
  return {.version = version, .full = full, .set = std::move(set), .del = std::move(del)};
}

TenantPolicy tenant_of(std::string name) { return {.name = std::move(name), .quota = std::nullopt}; }

TEST(Policy, EveryRoleNameReadsBack) {
  for (int i = 0; i < 6; ++i) EXPECT_EQ(parse_role(name_of(static_cast<Role>(i))), static_cast<Role>(i));
  EXPECT_EQ(parse_role("root").error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(parse_role(""));
}

TEST(Policy, EveryRecordReadsBackEqual) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    Draw draw(seed);
    const KeyPolicy key = draw.key(draw.name());
    const auto key2 = parse_key(encode(key));
    RC_ASSERT(key2.has_value());
    RC_ASSERT(key2->id == key.id && key2->prefix == key.prefix && key2->tenant == key.tenant);
    RC_ASSERT(key2->project == key.project && key2->digest == key.digest && key2->role == key.role);
    RC_ASSERT(key2->limits == key.limits && key2->expires == key.expires);

    const TenantPolicy tenant{.name = draw.name(), .quota = draw.quota()};
    const auto tenant2 = parse_tenant(encode(tenant));
    RC_ASSERT(tenant2 && tenant2->name == tenant.name && tenant2->quota == tenant.quota);

    const ProjectPolicy project{.name = draw.name(), .tenant = draw.name(), .quota = draw.quota()};
    const auto project2 = parse_project(encode(project));
    RC_ASSERT(project2 && project2->tenant == project.tenant && project2->quota == project.quota);

    EnvironmentPolicy environment{.name = draw.name(),
                                  .tenant = draw.name(),
                                  .project = draw.name(),
                                  .kind = "shell",
                                  .state = static_cast<EnvironmentState>(draw.number(3)),
                                  .reason = draw.name(),
                                  .socket = draw.name(),
                                  .secret = key.digest,
                                  .stops_at_s = draw.number(1LL << 40)};
    const auto environment2 = parse_environment(encode(environment));
    RC_ASSERT(environment2 && encode(*environment2) == encode(environment));
    RC_ASSERT(environment2->state == environment.state && environment2->secret == environment.secret);

    const EndpointPolicy endpoint{draw.name(), draw.name(),       "llama",
                                  draw.coin(), draw.name(),       draw.name(),
                                  draw.name(), draw.coin(),       draw.number(1LL << 40),
                                  3,           draw.number(1000), draw.name(),
                                  draw.name(), draw.name()};
    RC_ASSERT(parse_endpoint(encode(endpoint)).has_value());
    RC_ASSERT(encode(*parse_endpoint(encode(endpoint))) == encode(endpoint));

    const ReplicaPolicy replica{
        draw.name(), draw.name(),       draw.name(), static_cast<std::int32_t>(draw.number(99)),
        4,           draw.number(9000), draw.coin(), draw.coin()};
    RC_ASSERT(encode(*parse_replica(encode(replica))) == encode(replica));

    const PricePolicy price{draw.name(), draw.number(99), draw.number(INT64_MAX), draw.number(INT64_MAX)};
    RC_ASSERT(encode(*parse_price(encode(price))) == encode(price));

    const SitePolicy site{draw.name(), draw.name(), draw.name(), "modelled", draw.real(),
                          draw.real(), draw.real(), draw.real(), 2};
    const auto site2 = parse_site(encode(site));
    RC_ASSERT(site2 && site2->pue == site.pue && site2->node_max_w == site.node_max_w && site2->cores == 2);
  }));
}

TEST(Policy, RecordsThatBreakTheirFormAreCorruptAndNameTheField) {
  const std::string key = encode(Draw(1).key("k1"));
  const auto broken = [&](std::string_view from, std::string_view to) {
    std::string text = key;
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  const std::pair<std::string, const char*> cases[] = {
      {broken("\"id\":\"k1\"", "\"id\":\"\""), "id"},
      {broken("\"id\":\"k1\"", "\"id\":7"), "id"},
      {broken("\"id\":\"k1\",", ""), "id"},
      {broken("\"id\":\"k1\"", "\"id\":\"k1\",\"more\":1"), "more"},
      {broken("\"role\":\"", "\"role\":\"super-"), "role"},
      {broken("\"digest\":\"", "\"digest\":\"z"), "digest"},
      {broken("\"limits\":{", "\"limits\":{\"concurrency\":-1,\"x\":{"), ""},
      {broken("\"limits\":", "\"limits\":3,\"l\":"), ""},
      {"[]", "key record"},
      {"", "key record"},
      {key + "x", "key record"},
  };
  for (const auto& [text, field] : cases) {
    const auto read = parse_key(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt) << text;
    EXPECT_NE(read.error().message.find(field), std::string::npos) << read.error().message;
  }
  EXPECT_FALSE(parse_tenant(R"({"name":"t","quota":{"concurrency":-1}})"));
  EXPECT_FALSE(parse_tenant(R"({"name":"t","quota":{"concurrency":1.5}})"));
  EXPECT_FALSE(parse_tenant(R"({"name":"t","quota":{"parallel":1}})"));
  EXPECT_FALSE(parse_used(R"({"month":99999999999,"tokens":1,"microeur":1})"));
  EXPECT_FALSE(parse_drain(R"({"through":-1})"));
}

TEST(Policy, AChangeReadsBackEqualAsOneLine) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    Draw draw(seed);
    const PolicyChange change = draw.change(draw.number(INT64_MAX), draw.coin());
    const std::string line = encode(change);
    RC_ASSERT(line.find('\n') == std::string::npos);
    const auto read = decode_change(line);
    RC_ASSERT(read && read->version == change.version && read->full == change.full);
    RC_ASSERT(read->set == change.set && read->del == change.del);
  }));
}

TEST(Policy, AMalformedChangeIsCorrupt) {
  for (const char* line :
       {"", "{}", "[]", R"({"version":1,"full":true,"set":{},"del":[1]})",
        R"({"version":-1,"full":true,"set":{},"del":[]})", R"({"version":1,"full":"yes","set":{},"del":[]})",
        R"({"version":1,"full":true,"set":{"tenant/a":1},"del":[]})",
        R"({"version":1,"full":true,"set":{},"del":[],"extra":1})",
        R"({"version":1,"full":true,"set":{"a":{},"a":{}},"del":[]})"}) {
    const auto read = decode_change(line);
    ASSERT_FALSE(read) << line;
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt) << line;
  }
}

TEST(PolicyView, ChangesAddUpToTheSameAsOneFullChange) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    Draw draw(seed);
    PolicyView view;
    std::map<std::string, std::string> model;  // the naive way: names and texts
    for (std::int64_t version = 1; version < 12; ++version) {
      const PolicyChange change = draw.change(version, version == 1 || draw.number(8) == 0);
      RC_ASSERT(view.apply(change).has_value());
      if (change.full) model.clear();
      for (const auto& name : change.del) model.erase(name);
      for (const auto& [name, text] : change.set) model[name] = text;
      RC_ASSERT(view.snapshot().set == model);
      for (int i = 0; i < 5; ++i) {
        const std::string id = std::to_string(i);
        const KeyPolicy* key = view.key(id);
        RC_ASSERT((key != nullptr) == model.contains("key/" + id));
        if (key != nullptr) RC_ASSERT(view.key_by_digest(key->digest) == key);
        RC_ASSERT((view.tenant(id) != nullptr) == model.contains("tenant/" + id));
        RC_ASSERT((view.used("key/" + id) != nullptr) == model.contains("used/key/" + id));
        RC_ASSERT((view.drained(id) != nullptr) == model.contains("drained/" + id));
      }
    }
    PolicyView copy;
    RC_ASSERT(copy.apply(view.snapshot()).has_value());
    RC_ASSERT(text_of(copy) == text_of(view));
  }));
}

TEST(PolicyView, ARevokedKeyIsNotFoundByItsDigest) {
  PolicyView view;
  const KeyPolicy key = Draw(7).key("k1");
  ASSERT_TRUE(view.apply(change_of(1, true, {{"key/k1", encode(key)}}, {})));
  ASSERT_NE(view.key_by_digest(key.digest), nullptr);
  ASSERT_TRUE(view.apply(change_of(2, false, {}, {"key/k1"})));
  EXPECT_EQ(view.key_by_digest(key.digest), nullptr);
  EXPECT_EQ(view.key("k1"), nullptr);
}

TEST(PolicyView, AKeyWithANewDigestIsNotFoundByItsOldOne) {
  PolicyView view;
  const KeyPolicy old = Draw(7).key("k1");
  KeyPolicy now = old;
  now.digest[0] ^= 1;
  ASSERT_TRUE(view.apply(change_of(1, true, {{"key/k1", encode(old)}}, {})));
  ASSERT_TRUE(view.apply(change_of(2, false, {{"key/k1", encode(now)}}, {})));
  EXPECT_EQ(view.key_by_digest(old.digest), nullptr);
  EXPECT_NE(view.key_by_digest(now.digest), nullptr);
}

TEST(PolicyView, ABadRecordLeavesEverythingAsItWas) {
  PolicyView view;
  const std::string tenant = encode(TenantPolicy{.name = "t", .quota = Limits{}});
  const KeyPolicy key = Draw(3).key("k1");
  ASSERT_TRUE(view.apply(change_of(5, true, {{"tenant/t", tenant}, {"key/k1", encode(key)}}, {})));
  const std::string before = text_of(view);
  const PolicyChange bad[] = {
      change_of(6, true, {{"tenant/a", encode(tenant_of("a"))}, {"tenant/z", "{}"}}),
      change_of(6, false, {{"tenant/other", tenant}}, {"tenant/t"}),
      change_of(6, false, {{"planet/t", "{}"}}),
      change_of(6, false, {{"tenant", "{}"}}),
      change_of(6, false, {{"tenant/", "{}"}}),
      change_of(6, false, {{"key/k2", encode([&] {
                              auto k = key;
                              k.id = "k2";
                              return k;
                            }())}}),
  };
  for (const auto& change : bad) {
    const auto applied = view.apply(change);
    ASSERT_FALSE(applied);
    EXPECT_EQ(applied.error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(text_of(view), before);
  }
  EXPECT_EQ(view.apply(change_of(4, false)).error().code, ErrorCode::kConflict);
  EXPECT_EQ(text_of(view), before);
}

TEST(PolicyView, ADigestMayMoveToAnotherKeyInOneChange) {
  PolicyView view;
  KeyPolicy key = Draw(3).key("k1");
  ASSERT_TRUE(view.apply(change_of(1, true, {{"key/k1", encode(key)}}, {})));
  key.id = "k2";
  ASSERT_TRUE(view.apply(change_of(2, false, {{"key/k2", encode(key)}}, {"key/k1"})));
  ASSERT_NE(view.key_by_digest(key.digest), nullptr);
  EXPECT_EQ(view.key_by_digest(key.digest)->id, "k2");
}

TEST(PolicyView, AFullChangeForgetsTheSite) {
  PolicyView view;
  SitePolicy site;
  site.site = "x";
  ASSERT_TRUE(view.apply(change_of(1, true, {{"site", encode(site)}}, {})));
  EXPECT_EQ(view.site().site, "x");
  ASSERT_TRUE(view.apply(change_of(2, true)));
  EXPECT_EQ(view.site().site, "");
}

}  // namespace
}  // namespace millrace::identity

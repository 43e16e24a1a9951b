#include "identity/directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "host/sha256.h"
#include "host/system_rng.h"
#include "store/memory/memory_store.h"

namespace millrace::identity {
namespace {

using std::chrono::hours;

class ManualClock final : public Clock {
 public:
  TimePoint now() const override { return now_; }
  MonotonicPoint monotonic() const override { return {}; }
  void advance(std::chrono::microseconds by) { now_ += by; }

 private:
  TimePoint now_{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}};
};

class DirectoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(directory_.create_tenant("default"));
    ASSERT_TRUE(directory_.create_project("default", "default"));
    store_.subscribe([this](store::Revision, const store::Transaction& change) { last_ = change; });
  }
  KeyRequest request(std::string project = "default") {
    KeyRequest request;
    request.project = std::move(project);
    return request;
  }
  /// What a gateway knows after the last commit.
  PolicyChange told() {
    auto change = directory_.policy_after(last_);
    EXPECT_TRUE(change);
    return *change;
  }

  store::MemoryStore store_;
  ManualClock clock_;
  host::SystemRng rng_;
  Pepper pepper_ = *Pepper::create(std::array<std::uint8_t, Pepper::kBytes>{1, 2, 3});
  Directory directory_{store_, clock_, rng_, pepper_};
  store::Transaction last_;
};

TEST_F(DirectoryTest, NamesAreCheckedAndTakenOnce) {
  EXPECT_EQ(directory_.create_tenant("default").error().code, ErrorCode::kConflict);
  EXPECT_EQ(directory_.create_project("default", "default").error().code, ErrorCode::kConflict);
  for (const char* bad : {"", "A", "a/b", "-a", "a b", "../x"}) {
    EXPECT_EQ(directory_.create_tenant(bad).error().code, ErrorCode::kInvalidArgument) << bad;
    EXPECT_EQ(directory_.create_project(bad, "default").error().code, ErrorCode::kInvalidArgument) << bad;
  }
  EXPECT_EQ(directory_.create_project("p", "nobody").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(directory_.tenant("nobody").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(directory_.project("nobody").error().code, ErrorCode::kNotFound);
}

TEST_F(DirectoryTest, OnlyOneOfManyCreatesAName) {
  std::atomic<int> created{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      if (directory_.create_tenant("contended")) ++created;
    });
  }
  threads.clear();
  EXPECT_EQ(created, 1);
}

TEST_F(DirectoryTest, AKeyAuthenticatesUntilItIsRevoked) {
  const auto created = directory_.create_key(request());
  ASSERT_TRUE(created) << created.error().message;
  EXPECT_EQ(created->key.prefix, created->text.substr(0, 10));
  const auto who = directory_.authenticate(created->text);
  ASSERT_TRUE(who);
  EXPECT_EQ(who->key_id, created->key.id);
  EXPECT_EQ(who->tenant, "default");
  EXPECT_EQ(who->project, "default");
  EXPECT_EQ(who->role, Role::kDeveloper);

  const auto revoked = directory_.revoke_key(created->key.id);
  ASSERT_TRUE(revoked);
  EXPECT_EQ(revoked->revoked_at, clock_.now());
  EXPECT_EQ(directory_.authenticate(created->text).error().code, ErrorCode::kDenied);
  clock_.advance(hours{1});
  EXPECT_EQ(directory_.revoke_key(created->key.id)->revoked_at, revoked->revoked_at);
  EXPECT_EQ(directory_.revoke_key("key_none").error().code, ErrorCode::kNotFound);
}

TEST_F(DirectoryTest, OtherTextsDoNotAuthenticateAndLookAlikeInTheError) {
  const auto created = directory_.create_key(request());
  ASSERT_TRUE(created);
  std::string changed = created->text;
  changed[20] = changed[20] == 'a' ? 'b' : 'a';
  std::set<std::string> messages;
  for (const std::string& text : {changed, std::string(), std::string("mr_"), created->text + "x",
                                  host::to_hex(digest_key(pepper_, created->text))}) {
    const auto who = directory_.authenticate(text);
    ASSERT_FALSE(who);
    EXPECT_EQ(who.error().code, ErrorCode::kDenied);
    messages.insert(who.error().message);
  }
  EXPECT_EQ(messages.size(), 1u);
}

TEST_F(DirectoryTest, AKeyStopsAtItsExpiry) {
  KeyRequest soon = request();
  soon.expires = clock_.now() + hours{1};
  const auto created = directory_.create_key(soon);
  ASSERT_TRUE(created);
  EXPECT_TRUE(directory_.authenticate(created->text));
  EXPECT_EQ(directory_.policy()->set.count("key/" + created->key.id), 1u);
  clock_.advance(hours{1});
  EXPECT_EQ(directory_.authenticate(created->text).error().code, ErrorCode::kDenied);
  EXPECT_EQ(directory_.policy()->set.count("key/" + created->key.id), 0u);
  EXPECT_EQ(directory_.create_key(soon).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(DirectoryTest, TheTextOfAKeyIsNowhereInTheStore) {
  const auto created = directory_.create_key(request());
  ASSERT_TRUE(created);
  store::Store& port = store_;
  const auto all = port.list("");
  ASSERT_TRUE(all);
  for (const auto& record : *all) {
    EXPECT_EQ((record.key + record.value).find(created->text.substr(3)), std::string::npos) << record.key;
    EXPECT_EQ((record.key + record.value).find(created->text.substr(12)), std::string::npos) << record.key;
  }
}

TEST_F(DirectoryTest, AKeyMadeElsewhereIsRegisteredOnce) {
  const std::string text = make_key_text(rng_);
  KeyRequest admin = request();
  admin.role = Role::kPlatformAdmin;
  ASSERT_TRUE(directory_.register_key(text, admin));
  EXPECT_EQ(directory_.authenticate(text)->role, Role::kPlatformAdmin);
  EXPECT_EQ(directory_.register_key(text, admin).error().code, ErrorCode::kConflict);
  EXPECT_EQ(directory_.register_key("secret", admin).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(directory_.keys({}, 10)->data.size(), 1u);
}

TEST_F(DirectoryTest, EveryKeyHasAPrincipal) {
  const auto service = directory_.create_key(request());
  ASSERT_TRUE(service);
  const auto principal = directory_.principal(service->key.principal_id);
  ASSERT_TRUE(principal);
  EXPECT_EQ(principal->kind, PrincipalKind::kService);
  EXPECT_EQ(principal->tenant, "default");

  KeyRequest person = request();
  person.user_name = "Ada Lovelace";
  const auto user = directory_.create_key(person);
  ASSERT_TRUE(user);
  EXPECT_EQ(directory_.principal(user->key.principal_id)->kind, PrincipalKind::kUser);
  EXPECT_EQ(directory_.principal(user->key.principal_id)->name, "Ada Lovelace");

  KeyRequest second = request();
  second.principal_id = user->key.principal_id;
  EXPECT_EQ(directory_.create_key(second)->key.principal_id, user->key.principal_id);
  second.principal_id = "principal_none";
  EXPECT_EQ(directory_.create_key(second).error().code, ErrorCode::kNotFound);

  ASSERT_TRUE(directory_.create_tenant("other"));
  ASSERT_TRUE(directory_.create_project("other", "other"));
  KeyRequest foreign = request("other");
  foreign.principal_id = user->key.principal_id;
  EXPECT_EQ(directory_.create_key(foreign).error().code, ErrorCode::kInvalidArgument);
  person.user_name = "line\nbreak";
  EXPECT_EQ(directory_.create_key(person).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(DirectoryTest, LimitsOutOfRangeAreRefusedByName) {
  KeyRequest bad = request();
  bad.limits.tokens_per_minute = -1;
  const auto created = directory_.create_key(bad);
  ASSERT_FALSE(created);
  EXPECT_NE(created.error().message.find("tokens_per_minute"), std::string::npos);
  Limits quota;
  quota.concurrency = INT64_MAX;
  EXPECT_EQ(directory_.set_tenant_quota("default", quota).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(DirectoryTest, ListsArePagedWithoutGapOrDouble) {
  ASSERT_TRUE(directory_.create_project("second", "default"));
  std::set<std::string> first;
  for (int i = 0; i < 7; ++i) {
    first.insert(directory_.create_key(request())->key.id);
    ASSERT_TRUE(directory_.create_key(request("second")));
  }
  for (const std::size_t limit : {1u, 2u, 3u, 7u, 8u, 100u}) {
    std::vector<std::string> seen;
    std::string after;
    for (;;) {
      const auto page = directory_.keys({.tenant = "default", .project = "default"}, limit, after);
      ASSERT_TRUE(page);
      EXPECT_LE(page->data.size(), limit);
      for (const Key& key : page->data) seen.push_back(key.id);
      if (!page->next) break;
      EXPECT_EQ(page->data.size(), limit);
      after = *page->next;
    }
    EXPECT_EQ(std::set(seen.begin(), seen.end()), first) << limit;
    EXPECT_EQ(seen.size(), first.size()) << limit;
    EXPECT_TRUE(std::ranges::is_sorted(seen));
  }
  EXPECT_EQ(directory_.keys({}, 100)->data.size(), 14u);
  EXPECT_EQ(directory_.projects("default", 100)->data.size(), 2u);
  EXPECT_EQ(directory_.projects("nobody", 100)->data.size(), 0u);
  EXPECT_EQ(directory_.tenants(100)->data.size(), 1u);
}

TEST_F(DirectoryTest, ANewTenantHasNoQuotaUntilOneIsGiven) {
  ASSERT_TRUE(directory_.create_tenant("new"));
  EXPECT_EQ(*directory_.tenant_quota("new"), std::nullopt);
  EXPECT_EQ(parse_tenant(told().set.at("tenant/new"))->quota, std::nullopt);
  Limits quota;
  quota.concurrency = 3;
  ASSERT_TRUE(directory_.set_tenant_quota("new", quota));
  EXPECT_EQ(*directory_.tenant_quota("new"), quota);
  EXPECT_EQ(parse_tenant(told().set.at("tenant/new"))->quota, quota);
  ASSERT_TRUE(directory_.set_tenant_quota("new", Limits{}));
  EXPECT_EQ(*directory_.tenant_quota("new"), Limits{});
  ASSERT_TRUE(directory_.set_tenant_quota("new", std::nullopt));
  EXPECT_EQ(*directory_.tenant_quota("new"), std::nullopt);
  EXPECT_EQ(directory_.tenant_quota("none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(directory_.set_project_quota("none", quota).error().code, ErrorCode::kNotFound);
}

TEST_F(DirectoryTest, EachChangeIsToldAsPolicy) {
  PolicyView view;
  PolicyChange start = *directory_.policy();
  start.version = 1;
  start.full = true;
  ASSERT_TRUE(view.apply(start));
  std::int64_t version = 1;
  const auto follow = [&] {
    PolicyChange change = told();
    change.version = ++version;
    const auto applied = view.apply(change);
    ASSERT_TRUE(applied) << applied.error().message;
    PolicyChange whole = *directory_.policy();
    EXPECT_EQ(view.snapshot().set, whole.set);
  };
  const auto created = directory_.create_key(request());
  ASSERT_TRUE(created);
  follow();
  const KeyPolicy* key = view.key_by_digest(digest_key(pepper_, created->text));
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(key->id, created->key.id);
  ASSERT_TRUE(directory_.create_tenant("t2"));
  follow();
  ASSERT_TRUE(directory_.create_project("p2", "t2"));
  follow();
  ASSERT_TRUE(directory_.set_project_quota("p2", Limits{.requests_per_minute = 5,
                                                        .tokens_per_minute = {},
                                                        .concurrency = {},
                                                        .tokens_per_month = {},
                                                        .microeur_per_month = {}}));
  follow();
  EXPECT_EQ(view.project("p2")->quota->requests_per_minute, 5);
  ASSERT_TRUE(directory_.set_project_quota("p2", std::nullopt));
  follow();
  EXPECT_FALSE(view.project("p2")->quota);
  ASSERT_TRUE(directory_.revoke_key(created->key.id));
  follow();
  EXPECT_EQ(view.key_by_digest(digest_key(pepper_, created->text)), nullptr);
  EXPECT_TRUE(
      directory_.policy_after({.expect = {}, .put = {{"model/x", "{}"}}, .erase = {"price/y"}})->set.empty());
}

TEST_F(DirectoryTest, ADamagedRecordIsCorruptAndNotAMissingOne) {
  const auto created = directory_.create_key(request());
  ASSERT_TRUE(created);
  ASSERT_TRUE(store_.commit({.expect = {}, .put = {{"key/" + created->key.id, "{\"id\":1}"}}, .erase = {}}));
  EXPECT_EQ(directory_.key(created->key.id).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(directory_.authenticate(created->text).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(directory_.policy().error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace millrace::identity

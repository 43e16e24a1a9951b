#include <algorithm>
#include <thread>

#include "store/backend_test_worlds.h"
#include "store/fake/faulty_store.h"

namespace millrace::store {
namespace {

template <typename World>
class StoreConformance : public testing::Test {
 protected:
  World world_;
  Revision put(const std::string& key, const std::string& value) {
    const auto done = world_.store().commit({.expect = {}, .put = {{key, value}}, .erase = {}});
    EXPECT_TRUE(done) << done.error().message;
    return done.value_or(0);
  }
  std::vector<std::string> keys(std::string_view prefix, std::string_view after = {},
                                std::size_t limit = SIZE_MAX) {
    std::vector<std::string> found;
    for (const auto& record : *world_.store().list(prefix, after, limit)) found.push_back(record.key);
    return found;
  }
};
TYPED_TEST_SUITE(StoreConformance, Worlds);
using Keys = std::vector<std::string>;

TYPED_TEST(StoreConformance, GetAnswersWhatWasPutLastWithItsRevision) {
  EXPECT_EQ(this->world_.store().get("a").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(this->put("a", "1"), 1);
  EXPECT_EQ(this->put("b", std::string("x\0y\xFF", 4)), 2);
  EXPECT_EQ(this->put("a", ""), 3);
  const auto a = this->world_.store().get("a");
  EXPECT_EQ(a->value, "");
  EXPECT_EQ(a->revision, 3);
  EXPECT_EQ(this->world_.store().get("b")->value, std::string("x\0y\xFF", 4));
  EXPECT_EQ(this->world_.store().get("b")->revision, 2);
}

TYPED_TEST(StoreConformance, ListsAPrefixInByteOrderFromAPlaceAndUpToALimit) {
  for (const char* key : {"b/2", "a", "b/1", "b/\xFF", "c", "b", "b/1/x", "B/1"}) this->put(key, "v");
  EXPECT_EQ(this->keys("b/"), (Keys{"b/1", "b/1/x", "b/2", "b/\xFF"}));
  EXPECT_EQ(this->keys("b/", "b/1"), (Keys{"b/1/x", "b/2", "b/\xFF"}));
  EXPECT_EQ(this->keys("b/", "a", 2), (Keys{"b/1", "b/1/x"}));
  EXPECT_EQ(this->keys("b/", "c"), Keys{});
  EXPECT_EQ(this->keys("zz"), Keys{});
  EXPECT_EQ(this->keys("").size(), 8U);
  EXPECT_EQ(this->keys("", "", 0), Keys{});
}

TYPED_TEST(StoreConformance, ATransactionIsAllOrNothing) {
  auto& store = this->world_.store();
  const Revision first = this->put("a", "1");
  const auto refused =
      store.commit({.expect = {{"a", first}, {"b", 7}}, .put = {{"a", "2"}, {"c", "2"}}, .erase = {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_NE(refused.error().message.find("'b'"), std::string::npos);
  EXPECT_EQ(store.get("a")->value, "1");
  EXPECT_FALSE(store.get("c"));
  const auto taken = store.commit(
      {.expect = {{"a", first}, {"b", 0}}, .put = {{"b", "2"}, {"c", "3"}}, .erase = {"a", "absent"}});
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_EQ(*taken, first + 1);
  EXPECT_EQ(this->keys(""), (Keys{"b", "c"}));
  EXPECT_EQ(store.get("b")->revision, store.get("c")->revision);
  EXPECT_EQ(store.commit({.expect = {{"b", 0}}, .put = {{"b", "x"}}, .erase = {}}).error().code,
            ErrorCode::kConflict);
}

TYPED_TEST(StoreConformance, OneOfManyWritersWinsEachRevision) {
  auto& store = this->world_.store();
  this->put("counter", "0");
  std::vector<std::thread> writers;
  std::atomic<int> conflicts = 0;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&] {
      for (int done = 0; done < 25;) {
        const auto now = store.get("counter");
        const auto next = std::to_string(std::stoi(now->value) + 1);
        const auto committed =
            store.commit({.expect = {{"counter", now->revision}}, .put = {{"counter", next}}, .erase = {}});
        if (committed) {
          ++done;
        } else {
          EXPECT_EQ(committed.error().code, ErrorCode::kConflict);
          ++conflicts;
        }
      }
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(store.get("counter")->value, "100");
}

TYPED_TEST(StoreConformance, WhoeverTakesTheFenceShutsOutTheOthers) {
  auto& store = this->world_.store();
  const auto second = this->world_.second_handle();
  this->put("a", "1");
  const auto first_fence = store.take_fence();
  ASSERT_TRUE(first_fence);
  EXPECT_TRUE(store.commit({.expect = {}, .put = {{"a", "2"}}, .erase = {}}));
  EXPECT_EQ(second->commit({.expect = {}, .put = {{"a", "3"}}, .erase = {}}).error().code,
            ErrorCode::kDenied);
  const auto second_fence = second->take_fence();
  ASSERT_TRUE(second_fence);
  EXPECT_GT(*second_fence, *first_fence);
  EXPECT_TRUE(second->commit({.expect = {}, .put = {{"a", "4"}}, .erase = {}}));
  EXPECT_EQ(store.commit({.expect = {}, .put = {{"a", "5"}}, .erase = {}}).error().code, ErrorCode::kDenied);
  EXPECT_EQ(store.get("a")->value, "4");
}

TYPED_TEST(StoreConformance, ListenersHearEachCommitInOrderAndNoRefusedOne) {
  auto& store = this->world_.store();
  std::mutex mutex;
  std::vector<Revision> heard;
  store.subscribe([&](Revision revision, const Transaction& change) {
    const std::lock_guard lock(mutex);
    heard.push_back(revision);
    EXPECT_EQ(change.put.size(), 1U);
  });
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&, i] {
      for (int n = 0; n < 10; ++n)
        EXPECT_TRUE(store.commit({.expect = {}, .put = {{std::to_string(i), "x"}}, .erase = {}}));
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_FALSE(store.commit({.expect = {{"0", 999}}, .put = {{"0", "y"}}, .erase = {}}));
  EXPECT_EQ(heard.size(), 40U);
  EXPECT_TRUE(std::ranges::is_sorted(heard));
  EXPECT_EQ(heard.back(), 40);
}

TYPED_TEST(StoreConformance, AListenerReadsWhatItWasToldOf) {
  auto& store = this->world_.store();
  std::string read;
  store.subscribe([&](Revision, const Transaction& change) { read = store.get(change.put[0].key)->value; });
  this->put("a", "1");
  EXPECT_EQ(read, "1");
}

TYPED_TEST(StoreConformance, TheHostileTwinFailsAsToldAndThenNotAnyMore) {
  FaultyStore faulty(this->world_.store());
  faulty.writes.fail_next(1, ErrorCode::kUnavailable);
  EXPECT_EQ(faulty.commit({.expect = {}, .put = {{"a", "1"}}, .erase = {}}).error().code,
            ErrorCode::kUnavailable);
  EXPECT_FALSE(faulty.get("a"));
  faulty.writes.fail_next(1, ErrorCode::kTimeout, true);
  EXPECT_EQ(faulty.commit({.expect = {}, .put = {{"a", "2"}}, .erase = {}}).error().code,
            ErrorCode::kTimeout);
  EXPECT_EQ(faulty.get("a")->value, "2");
  faulty.reads.fail_next(1, ErrorCode::kInternal);
  EXPECT_FALSE(faulty.list("", "", 1));
  EXPECT_TRUE(faulty.list("", "", 1));
  EXPECT_EQ(faulty.writes.failed() + faulty.reads.failed(), 3);
}

}  // namespace
}  // namespace millrace::store

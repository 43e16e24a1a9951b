#include "ledger/prices.h"

#include <gtest/gtest.h>

#include <thread>

#include "store/fake/faulty_store.h"
#include "store/memory/memory_store.h"

namespace millrace::ledger {
namespace {

constexpr TimePoint kNow{std::chrono::seconds{1'790'000'000}};

TEST(PriceBook, VersionsAreKeptAndTheLastIsInForce) {
  store::MemoryStore store;
  PriceBook book(store);
  EXPECT_EQ(*book.current("smollm2"), std::nullopt);
  EXPECT_EQ(book.set("smollm2", 100, 200, kNow)->version, 1);
  const auto second = *book.set("smollm2", 300, 400, kNow + std::chrono::hours(1));
  EXPECT_EQ(second.version, 2);
  ASSERT_TRUE(book.set("a", 1, 1, kNow));
  EXPECT_EQ(*book.current("smollm2"), second);
  const auto history = *book.history("smollm2");
  ASSERT_EQ(history.size(), 2U);
  EXPECT_EQ(history[0].input_microeur_per_mtok, 100);
  EXPECT_EQ(history[1], second);
  EXPECT_EQ(book.all_current()->size(), 2U);
  EXPECT_EQ(book.all_current()->at(0).model, "a");
}

TEST(PriceBook, APrefixOfAnotherModelsNameIsAnotherModel) {
  store::MemoryStore store;
  PriceBook book(store);
  ASSERT_TRUE(book.set("model-large", 1, 1, kNow));
  EXPECT_EQ(*book.current("model"), std::nullopt);
  EXPECT_TRUE(book.history("model")->empty());
}

TEST(PriceBook, RefusesBadPricesAndNames) {
  store::MemoryStore store;
  PriceBook book(store);
  EXPECT_EQ(book.set("m", -1, 0, kNow).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(book.set("m", 0, 2'000'000'000'000'000, kNow).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(book.set("a/b", 0, 0, kNow).error().code, ErrorCode::kInvalidArgument);
}

TEST(PriceBook, SeveralSettersGetSeveralVersions) {
  store::MemoryStore store;
  PriceBook book(store);
  std::vector<std::thread> setters;
  for (int i = 0; i < 4; ++i) {
    setters.emplace_back([&] { EXPECT_TRUE(book.set("m", 1, 1, kNow)); });
  }
  for (auto& setter : setters) setter.join();
  EXPECT_EQ((*book.current("m"))->version, 4);
  EXPECT_EQ(book.history("m")->size(), 4U);
}

TEST(PriceBook, AFailingStoreIsToldAndADamagedRecordNamed) {
  store::MemoryStore store;
  store::FaultyStore faulty(store);
  PriceBook book(faulty);
  faulty.writes.fail_next(1, ErrorCode::kUnavailable);
  EXPECT_EQ(book.set("m", 1, 1, kNow).error().code, ErrorCode::kUnavailable);
  ASSERT_TRUE(store.commit({.expect = {}, .put = {{"price_current/m", "{}"}}, .erase = {}}));
  const auto current = book.current("m");
  EXPECT_EQ(current.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(current.error().message.find("price_current/m"), std::string::npos);
}

}  // namespace
}  // namespace millrace::ledger

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
  const auto other = *book.set("a", 1, 1, kNow);
  EXPECT_EQ(*book.current("smollm2"), second);
  const auto versions = *book.all_versions();
  ASSERT_EQ(versions.size(), 3U);
  EXPECT_EQ(versions[0], other);
  EXPECT_EQ(versions[1], (Price{.model = "smollm2",
                                .version = 1,
                                .input_microeur_per_mtok = 100,
                                .output_microeur_per_mtok = 200,
                                .since = kNow}));
  EXPECT_EQ(versions[2], second);
  EXPECT_EQ(book.all_current()->size(), 2U);
  EXPECT_EQ(book.all_current()->at(0).model, "a");
}

TEST(PriceBook, APrefixOfAnotherModelsNameIsAnotherModel) {
  store::MemoryStore store;
  PriceBook book(store);
  ASSERT_TRUE(book.set("model-large", 1, 1, kNow));
  EXPECT_EQ(*book.current("model"), std::nullopt);
  EXPECT_EQ(book.set("model", 2, 2, kNow)->version, 1);
  EXPECT_EQ((*book.current("model-large"))->input_microeur_per_mtok, 1);
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
  EXPECT_EQ(book.all_versions()->size(), 4U);
}

TEST(PriceBook, ThePriceOfMachinesKeepsWhatIsLeftOut) {
  store::MemoryStore store;
  PriceBook book(store);
  EXPECT_EQ(*book.machine(), MachinePrice());
  EXPECT_EQ(*book.set_machine(std::nullopt, 20, kNow),
            (MachinePrice{.version = 1, .core_microeur_per_hour = 20, .since = kNow}));
  const auto second = *book.set_machine(300, std::nullopt, kNow + std::chrono::hours(1));
  EXPECT_EQ(second.version, 2);
  EXPECT_EQ(second.accelerator_microeur_per_hour, 300);
  EXPECT_EQ(second.core_microeur_per_hour, 20);
  EXPECT_EQ(*book.machine(), second);
  const auto versions = *book.machine_versions();
  ASSERT_EQ(versions.size(), 2U);
  EXPECT_EQ(versions[0], (MachinePrice{.version = 1, .core_microeur_per_hour = 20, .since = kNow}));
  EXPECT_EQ(versions[1], second);
  EXPECT_TRUE(book.all_current()->empty()) << "it is no model's";
  EXPECT_TRUE(book.all_versions()->empty()) << "it is no model's";
  EXPECT_EQ(book.set_machine(-1, std::nullopt, kNow).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(book.set_machine(0, 2'000'000'000'000'000, kNow).error().code, ErrorCode::kInvalidArgument);
}

TEST(PriceBook, ThePriceOfMachinesAtATimeIsTheOneThatWasInForceThen) {
  store::MemoryStore store;
  PriceBook book(store);
  const auto hour = [](int n) { return kNow + std::chrono::hours(n); };
  for (int n = 1; n <= 12; ++n) ASSERT_TRUE(book.set_machine(n, n, hour(n)));
  EXPECT_EQ(*book.machine_at(hour(1) - std::chrono::microseconds(1)), MachinePrice()) << "before any price";
  for (int n = 1; n <= 12; ++n) {
    EXPECT_EQ(book.machine_at(hour(n))->version, n) << "from the moment of setting";
    EXPECT_EQ(book.machine_at(hour(n + 1) - std::chrono::microseconds(1))->version, n);
  }
  const PriceBook later(store);
  EXPECT_EQ(later.machine_at(hour(3))->core_microeur_per_hour, 3) << "whoever opens it";
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
  ASSERT_TRUE(book.set_machine(1, 1, kNow));
  faulty.reads.fail_next(1, ErrorCode::kUnavailable);
  EXPECT_EQ(book.machine_at(kNow).error().code, ErrorCode::kUnavailable) << "not the price before the first";
}

}  // namespace
}  // namespace millrace::ledger

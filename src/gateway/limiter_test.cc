#include "gateway/limiter.h"

#include <gtest/gtest.h>

#include "core/rng.h"

namespace millrace::gateway {
namespace {

using identity::Limits;
using std::chrono::milliseconds;
using std::chrono::seconds;

class LimiterTest : public ::testing::Test {
 protected:
  void set(const Limits& key_limits, const std::optional<Limits>& project,
           const std::optional<Limits>& tenant, std::int64_t used_tokens = 0) {
    identity::PolicyChange change;
    change.version = ++version_;
    change.full = true;
    key_.id = "k1";
    key_.tenant = "t";
    key_.project = "p";
    key_.limits = key_limits;
    change.set["key/k1"] = identity::encode(key_);
    change.set["project/p"] = identity::encode(identity::ProjectPolicy{"p", "t", project});
    change.set["tenant/t"] = identity::encode(identity::TenantPolicy{"t", tenant});
    if (used_tokens > 0) {
      change.set["used/tenant/t"] = identity::encode(identity::UsedPolicy{month_of(now_), used_tokens, 0});
    }
    ASSERT_TRUE(policy_.apply(change));
  }
  auto reserve(const Demand& demand = {}) { return limiter_.reserve(policy_, key_, demand, now_, at_); }

  std::int64_t version_ = 0;
  identity::PolicyView policy_;
  identity::KeyPolicy key_;
  Limiter limiter_;
  TimePoint now_ = *parse_rfc3339("2026-11-22");
  MonotonicPoint at_{seconds{1000}};
};

TEST_F(LimiterTest, ATenantWithoutAQuotaMayRunNothing) {
  set({}, Limits{}, std::nullopt);
  const auto refused = reserve();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Refusal::Kind::kNoQuota);
}

TEST_F(LimiterTest, AnUnlimitedQuotaReservesNothing) {
  set({}, std::nullopt, Limits{});
  const auto held = reserve({.prompt_tokens = 1'000'000});
  ASSERT_TRUE(held);
  EXPECT_FALSE(held->output_cap);
  EXPECT_FALSE(limiter_.needs_token_count(policy_, key_));
}

TEST_F(LimiterTest, EveryAnswerOfARequestNeedsOneTokenAtLeast) {
  set({.tokens_per_minute = 100}, std::nullopt, Limits{});
  EXPECT_EQ(reserve({.prompt_tokens = 90, .answers = 11}).error().kind, Refusal::Kind::kTooLarge);
  const auto held = reserve({.prompt_tokens = 90, .answers = 10});
  ASSERT_TRUE(held);
  EXPECT_EQ(held->output_cap, 10);
}

TEST_F(LimiterTest, RequestsPerMinuteRefillSteadily) {
  set({.requests_per_minute = 60}, std::nullopt, Limits{});
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(reserve()) << i;
  const auto refused = reserve();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Refusal::Kind::kRequests);
  EXPECT_EQ(refused.error().retry_after, seconds{1});
  at_ += seconds{1};
  EXPECT_TRUE(reserve());
  EXPECT_FALSE(reserve());
}

TEST_F(LimiterTest, TheUnusedPartOfAReservationIsRefunded) {
  set({}, Limits{.tokens_per_minute = 100}, Limits{});
  const auto held = reserve({.prompt_tokens = 10, .max_output_tokens = 80});
  ASSERT_TRUE(held);
  EXPECT_FALSE(reserve({.prompt_tokens = 10, .max_output_tokens = 10}));
  limiter_.settle(*held, 20, 0, 1, at_);
  EXPECT_TRUE(reserve({.prompt_tokens = 10, .max_output_tokens = 70}));
}

TEST_F(LimiterTest, AnAbsentMaximumIsCappedAtWhatTheBudgetLeaves) {
  set({}, Limits{.tokens_per_minute = 100}, Limits{.tokens_per_month = 60});
  const auto held = reserve({.prompt_tokens = 10});
  ASSERT_TRUE(held);
  EXPECT_EQ(held->output_cap, 50);
}

TEST_F(LimiterTest, APromptAboveTheCapacityIsToldThatItCanNeverRun) {
  set({.tokens_per_minute = 100}, std::nullopt, Limits{});
  const auto refused = reserve({.prompt_tokens = 101});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Refusal::Kind::kTooLarge);
  EXPECT_FALSE(refused.error().retry_after);
}

TEST_F(LimiterTest, ConcurrencyIsFreedBySettlingAndByReleasing) {
  set({.concurrency = 2}, std::nullopt, Limits{});
  const auto one = reserve();
  const auto two = reserve();
  ASSERT_TRUE(one && two);
  EXPECT_EQ(reserve().error().kind, Refusal::Kind::kConcurrency);
  limiter_.settle(*one, 0, 0, 1, at_);
  EXPECT_TRUE(reserve());
  limiter_.release(*two, at_);
  EXPECT_TRUE(reserve());
}

TEST_F(LimiterTest, ARefusalByOneScopeTakesNothingFromTheOthers) {
  set({.requests_per_minute = 10}, std::nullopt, Limits{.concurrency = 1});
  const auto held = reserve();
  ASSERT_TRUE(held);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(reserve().error().kind, Refusal::Kind::kConcurrency);
  limiter_.settle(*held, 0, 0, 1, at_);
  for (std::uint64_t i = 0; i < 9; ++i) {
    const auto next = reserve();
    ASSERT_TRUE(next);
    limiter_.settle(*next, 0, 0, 2 + i, at_);
  }
  EXPECT_EQ(reserve().error().kind, Refusal::Kind::kRequests);
}

TEST_F(LimiterTest, MonthlyUseIsCountedOnceWhileTheLedgerCatchesUp) {
  set({}, std::nullopt, Limits{.tokens_per_month = 100});
  const auto held = reserve({.prompt_tokens = 10, .max_output_tokens = 30});
  limiter_.settle(*held, 40, 0, 1, at_);
  EXPECT_TRUE(reserve({.prompt_tokens = 10, .max_output_tokens = 50}));  // 40 settled + 60 held
  EXPECT_FALSE(reserve({.prompt_tokens = 1, .max_output_tokens = 1}));
  set({}, std::nullopt, Limits{.tokens_per_month = 100}, 40);
  limiter_.drained(1);
  EXPECT_EQ(reserve({.prompt_tokens = 1, .max_output_tokens = 1}).error().kind, Refusal::Kind::kMonthTokens);
  set({}, std::nullopt, Limits{.tokens_per_month = 102}, 40);
  EXPECT_TRUE(reserve({.prompt_tokens = 1, .max_output_tokens = 1}));
}

TEST_F(LimiterTest, MoneyForTheMonthIsReservedAtThePriceInForce) {
  set({}, std::nullopt, Limits{.microeur_per_month = 100});
  const Demand demand{.prompt_tokens = 10,
                      .max_output_tokens = 80,
                      .input_microeur_per_mtok = 1'000'000,
                      .output_microeur_per_mtok = 1'000'000};
  ASSERT_TRUE(reserve(demand));
  EXPECT_EQ(reserve(demand).error().kind, Refusal::Kind::kMonthMoney);
}

TEST_F(LimiterTest, NeverAdmitsMoreThanCapacityPlusRefill) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SeededRng rng(seed);
    limiter_ = Limiter{};
    const auto limit = static_cast<std::int64_t>(rng.next() % 500 + 1);
    set({.tokens_per_minute = limit}, std::nullopt, Limits{});
    const auto start = at_;
    std::vector<Limiter::Reservation> held;
    std::int64_t used_tokens = 0;
    std::uint64_t sequence = 0;
    for (int step = 0; step < 500; ++step) {
      at_ += milliseconds{static_cast<std::int64_t>(rng.next() % 200)};
      if (auto next = reserve({.prompt_tokens = static_cast<std::int64_t>(rng.next() % 20),
                               .max_output_tokens = static_cast<std::int64_t>(rng.next() % 40 + 1)})) {
        held.push_back(*next);
      }
      if (!held.empty() && rng.next() % 2 == 0) {
        const auto used =
            static_cast<std::int64_t>(rng.next() % static_cast<std::uint64_t>(held.back().tokens + 1));
        limiter_.settle(held.back(), used, 0, ++sequence, at_);
        used_tokens += used;
        held.pop_back();
      }
      std::int64_t promised = used_tokens;
      for (const auto& one : held) promised += one.tokens;
      const auto bound = limit + (at_ - start).count() * static_cast<__int128>(limit) / 60'000'000'000;
      ASSERT_LE(promised, static_cast<std::int64_t>(bound)) << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace millrace::gateway

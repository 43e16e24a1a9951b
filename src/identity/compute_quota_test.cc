#include "identity/compute_quota.h"

#include <gtest/gtest.h>

#include "host/system_rng.h"
#include "identity/directory.h"
#include "store/memory/memory_store.h"

namespace millrace::identity {
namespace {

class StandingClock final : public Clock {
 public:
  TimePoint now() const override {
    return TimePoint{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}};
  }
  MonotonicPoint monotonic() const override { return {}; }
};

class ComputeQuotaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(directory_.create_tenant("alpha") && directory_.create_tenant("beta"));
    ASSERT_TRUE(directory_.create_project("b1", "beta") && directory_.create_project("a1", "alpha"));
  }
  std::vector<ComputeAccount> accounts() {
    auto all = directory_.compute_quotas();
    EXPECT_TRUE(all) << all.error().message;
    return all.value_or(std::vector<ComputeAccount>{});
  }

  store::MemoryStore store_;
  StandingClock clock_;
  host::SystemRng rng_;
  Pepper pepper_ = *Pepper::create(std::array<std::uint8_t, Pepper::kBytes>{1, 2, 3});
  Directory directory_{store_, clock_, rng_, pepper_};
};

TEST_F(ComputeQuotaTest, ANewTenantHoldsNothingAndBorrowsNothing) {
  EXPECT_EQ(directory_.compute_quota_in_force("alpha"), kNoCompute);
  EXPECT_FALSE(kNoCompute.borrow);
  EXPECT_EQ(kNoCompute.accelerators_milli, 0);
  EXPECT_EQ(kNoCompute.cpu_milli, 0);
  EXPECT_EQ(kNoCompute.memory_mib, 0);
}

TEST_F(ComputeQuotaTest, ATenantWithUnlimitedRequestsIsUnlimitedUntilItIsGivenAQuota) {
  ASSERT_TRUE(directory_.set_tenant_quota("alpha", Limits{}));
  EXPECT_EQ(directory_.compute_quota_in_force("alpha"), ComputeQuota{});
  ASSERT_TRUE(directory_.set_tenant_quota("beta", Limits{.concurrency = 3}));
  EXPECT_EQ(directory_.compute_quota_in_force("beta"), kNoCompute) << "a limited quota grants no machines";
  const ComputeQuota four{.accelerators_milli = 4000, .cpu_milli = std::nullopt, .memory_mib = std::nullopt};
  ASSERT_TRUE(directory_.set_tenant_compute_quota("alpha", four));
  EXPECT_EQ(directory_.compute_quota_in_force("alpha"), four);
  ASSERT_TRUE(directory_.set_tenant_compute_quota("alpha", std::nullopt));
  EXPECT_EQ(directory_.compute_quota_in_force("alpha"), ComputeQuota{});
}

TEST_F(ComputeQuotaTest, ARecordThatCannotBeReadIsNamed) {
  store::Transaction change;
  change.put = {{"tenant/beta", "{"}};
  ASSERT_TRUE(store_.commit(std::move(change)));
  const auto all = directory_.compute_quotas();
  ASSERT_FALSE(all);
  EXPECT_TRUE(all.error().message.starts_with("record tenant/beta: ")) << all.error().message;
}

TEST_F(ComputeQuotaTest, TheAccountsAreEveryTenantBeforeItsProjects) {
  ComputeQuota half;
  half.cpu_milli = 500;
  half.borrow = false;
  half.weight_milli = 3000;
  ASSERT_TRUE(directory_.set_project_compute_quota("b1", half));
  ASSERT_TRUE(directory_.set_tenant_compute_quota("beta", ComputeQuota{}));
  const std::vector<ComputeAccount> wanted = {
      {"alpha", "", kNoCompute}, {"alpha", "a1", {}}, {"beta", "", {}}, {"beta", "b1", half}};
  EXPECT_EQ(accounts(), wanted);
}

TEST_F(ComputeQuotaTest, AChangeIsSeenByWhoeverWatchesTheStore) {
  std::vector<std::string> touched;
  store_.subscribe([&](store::Revision, const store::Transaction& change) {
    for (const auto& put : change.put) touched.push_back(put.key);
    for (const auto& key : change.erase) touched.push_back(key);
  });
  ASSERT_TRUE(directory_.set_tenant_compute_quota("alpha", ComputeQuota{}));
  ASSERT_TRUE(directory_.set_project_compute_quota("a1", std::nullopt));
  EXPECT_EQ(touched, (std::vector<std::string>{"compute-quota/tenant/alpha", "compute-quota/project/a1"}));
  for (const auto& key : touched) EXPECT_TRUE(key.starts_with(kComputeQuotaPrefix));
}

TEST_F(ComputeQuotaTest, WhatIsOutOfRangeOrOfNobodyIsRefused) {
  ComputeQuota bad;
  bad.weight_milli = 0;
  EXPECT_EQ(directory_.set_tenant_compute_quota("alpha", bad).error().code, ErrorCode::kInvalidArgument);
  bad = ComputeQuota{.accelerators_milli = -1, .cpu_milli = {}, .memory_mib = {}};
  const auto refused = directory_.set_project_compute_quota("a1", bad);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().message.starts_with("accelerators_milli: "));
  EXPECT_EQ(directory_.set_tenant_compute_quota("gamma", ComputeQuota{}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(directory_.compute_quota_in_force("gamma").error().code, ErrorCode::kNotFound);
}

TEST(ComputeQuotaRecord, IsReadAsItWasWritten) {
  ComputeQuota quota{.accelerators_milli = 1500, .cpu_milli = 0, .memory_mib = {}};
  quota.borrow = false;
  quota.weight_milli = 250;
  EXPECT_EQ(parse_compute_quota(encode(quota)), quota);
  EXPECT_EQ(parse_compute_quota(encode(ComputeQuota{})), ComputeQuota{});
  for (const char* broken :
       {"", "{}", R"({"borrow":true,"weight_milli":0})", R"({"borrow":true,"weight_milli":1,"more":1})",
        R"({"borrow":true,"weight_milli":4294967297})",
        R"({"borrow":true,"weight_milli":1,"cpu_milli":"4"})"}) {
    EXPECT_FALSE(parse_compute_quota(broken)) << broken;
  }
}

}  // namespace
}  // namespace millrace::identity

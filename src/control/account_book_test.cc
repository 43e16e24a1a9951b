#include "control/account_book.h"

#include <gtest/gtest.h>

namespace millrace::control {
namespace {

using identity::ComputeQuota;

ComputeQuota accelerators(std::int64_t count, bool borrow = true) {
  ComputeQuota quota;
  quota.accelerators_milli = count * 1000;
  quota.borrow = borrow;
  return quota;
}

TEST(AccountBook, ANewTenantMayHoldNothingAndAProjectWhatItsTenantMay) {
  EXPECT_EQ(scheduler_quota({.tenant = "lab", .project = "", .quota = {}}).nominal, scheduler::Amount{});
  EXPECT_EQ(scheduler_quota({.tenant = "lab", .project = "vision", .quota = {}}).nominal,
            scheduler::kUnlimitedAmount);
  const auto named = scheduler_quota({.tenant = "lab", .project = "", .quota = accelerators(4)});
  EXPECT_EQ(named.nominal.accelerators_milli, 4000);
  EXPECT_EQ(named.nominal.cpu_milli, scheduler::kUnlimited);
  EXPECT_EQ(named.borrow, scheduler::kUnlimitedAmount);
  EXPECT_EQ(scheduler_quota({.tenant = "lab", .project = "", .quota = accelerators(4, false)}).borrow,
            scheduler::Amount{});
}

TEST(AccountBook, AccountsAreAddedParentsFirstAndOnlyWhatChangedIsTold) {
  AccountBook book;
  const std::vector<OwnerQuota> owners = {{.tenant = "lab", .project = "vision", .quota = {}},
                                          {.tenant = "lab", .project = "", .quota = accelerators(4)}};
  const auto first = book.update(owners);
  ASSERT_EQ(first.size(), 3u) << "the tenant, its project, and the tenant's quota";
  EXPECT_EQ(std::get<AccountAdded>(first[0]).account.name, "lab");
  EXPECT_EQ(std::get<AccountAdded>(first[1]).account.parent, std::get<AccountAdded>(first[0]).index);
  EXPECT_EQ(std::get<QuotaChanged>(first[2]).account, std::get<AccountAdded>(first[0]).index);
  EXPECT_TRUE(book.update(owners).empty());
  std::vector<WorkloadEvent> events;
  const auto user = book.account_of("lab", "vision", "ann", events);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(book.account_of("lab", "vision", "ann", events), user);
  EXPECT_EQ(events.size(), 1u);
}

TEST(AccountBook, AWeightThatChangesIsTold) {
  AccountBook book;
  ComputeQuota quota = accelerators(4);
  book.update({{.tenant = "lab", .project = "", .quota = quota}});
  quota.weight_milli = 3000;
  const auto events = book.update({{.tenant = "lab", .project = "", .quota = quota}});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<QuotaChanged>(events[0]).weight_milli, 3000);
}

}  // namespace
}  // namespace millrace::control

#include "identity/access.h"

#include <gtest/gtest.h>

#include <set>

namespace millrace::identity {
namespace {

Principal principal(Role role) {
  return {.key_id = "k", .principal_id = "p", .tenant = "t1", .project = "p1", .role = role};
}

TEST(Access, EveryActionHasANameOfItsOwnAndOneRow) {
  std::set<std::string_view> names;
  for (const Action action : all_actions()) names.insert(name_of(action));
  EXPECT_EQ(names.size(), all_actions().size());
  EXPECT_EQ(all_actions().size(), static_cast<std::size_t>(Action::kReadStatus) + 1);
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(Access, WhatTheTableDoesNotNameIsDenied) {
  for (const Role role : all_roles()) EXPECT_FALSE(allowed(role, static_cast<Action>(99)));
  for (const Action action : all_actions()) EXPECT_FALSE(allowed(static_cast<Role>(99), action));
}

TEST(Access, OnlyThePlatformAdminTouchesMoneyTenantsAndTheirQuota) {
  for (const Action action : {Action::kManageTenants, Action::kManageTenantQuota, Action::kManagePrices}) {
    for (const Role role : all_roles()) EXPECT_EQ(allowed(role, action), role == Role::kPlatformAdmin);
  }
}

TEST(Access, AuditorAndViewerChangeNothingAndUseNothing) {
  for (const Action action : all_actions()) {
    const std::string_view name = name_of(action);
    if (name.starts_with("read-")) continue;
    EXPECT_FALSE(allowed(Role::kAuditor, action)) << name;
    EXPECT_FALSE(allowed(Role::kViewer, action)) << name;
  }
}

TEST(Access, ADeveloperReachesTheirOwnProjectOnly) {
  const Principal who = principal(Role::kDeveloper);
  EXPECT_TRUE(permits(who, Action::kReadUsage, {.tenant = "t1", .project = "p1"}));
  EXPECT_TRUE(permits(who, Action::kReadUsage, {.tenant = "", .project = "p1"}));
  EXPECT_FALSE(permits(who, Action::kReadUsage, {.tenant = "t1", .project = "p2"}));
  EXPECT_FALSE(permits(who, Action::kReadUsage, {.tenant = "t1", .project = ""}));
  EXPECT_FALSE(permits(who, Action::kReadUsage, {.tenant = "t2", .project = "p1"}));
  EXPECT_FALSE(permits(who, Action::kReadUsage, {}));
  EXPECT_TRUE(permits(who, Action::kUse, {.tenant = "t1", .project = "p1"}));
  EXPECT_FALSE(permits(who, Action::kManageKeys, {.tenant = "t1", .project = "p1"}));
}

TEST(Access, ATenantAdminReachesTheirOwnTenantOnly) {
  const Principal who = principal(Role::kTenantAdmin);
  EXPECT_TRUE(permits(who, Action::kManageKeys, {.tenant = "t1", .project = "p2"}));
  EXPECT_TRUE(permits(who, Action::kManageProjects, {.tenant = "t1", .project = ""}));
  EXPECT_FALSE(permits(who, Action::kManageKeys, {.tenant = "t2", .project = "p1"}));
  EXPECT_FALSE(permits(who, Action::kReadUsage, {}));
  EXPECT_FALSE(permits(who, Action::kManageTenantQuota, {.tenant = "t1", .project = ""}));
}

TEST(Access, WithoutATenantOfTheirOwnNobodyReachesThingsWithoutOne) {
  Principal who = principal(Role::kTenantAdmin);
  who.tenant.clear();
  EXPECT_FALSE(permits(who, Action::kReadUsage, {}));
  who.role = Role::kDeveloper;
  who.project.clear();
  EXPECT_FALSE(permits(who, Action::kReadUsage, {}));
}

TEST(Access, InferenceIsAlwaysMeteredToOnesOwnProject) {
  for (const Role role : all_roles()) EXPECT_LE(reach(role, Action::kUse), Reach::kProject);
}

TEST(Access, JobsAreAlwaysMeteredToOnesOwnProject) {
  for (const Role role : all_roles()) EXPECT_LE(reach(role, Action::kSubmitJobs), Reach::kProject);
}

TEST(Access, WhatAJobWroteIsNotTheAuditorsToRead) {
  EXPECT_TRUE(allowed(Role::kAuditor, Action::kReadJobs));
  EXPECT_FALSE(allowed(Role::kAuditor, Action::kReadJobOutput));
  EXPECT_FALSE(allowed(Role::kViewer, Action::kReadJobOutput));
}

TEST(Access, NobodyGrantsMoreThanTheyHave) {
  for (const Role granter : all_roles()) {
    for (const Role granted : all_roles()) {
      if (!may_grant(granter, granted)) continue;
      EXPECT_TRUE(allowed(granter, Action::kManageKeys));
      for (const Action action : all_actions()) EXPECT_LE(reach(granted, action), reach(granter, action));
    }
    EXPECT_TRUE(may_grant(Role::kPlatformAdmin, granter));
    EXPECT_FALSE(may_grant(Role::kDeveloper, granter));
    EXPECT_FALSE(may_grant(Role::kOperator, granter));
  }
  EXPECT_TRUE(may_grant(Role::kTenantAdmin, Role::kDeveloper));
  EXPECT_TRUE(may_grant(Role::kTenantAdmin, Role::kTenantAdmin));
  EXPECT_FALSE(may_grant(Role::kTenantAdmin, Role::kOperator));
  EXPECT_FALSE(may_grant(Role::kTenantAdmin, Role::kAuditor));
  EXPECT_FALSE(may_grant(Role::kTenantAdmin, Role::kPlatformAdmin));
}

}  // namespace
}  // namespace millrace::identity

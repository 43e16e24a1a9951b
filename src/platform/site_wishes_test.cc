#include "platform/site_wishes.h"

#include <gtest/gtest.h>

#include "control/work_view_fake.h"
#include "host/system_rng.h"
#include "store/memory/memory_store.h"

namespace millrace::platform {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class ManualClock final : public Clock {
 public:
  TimePoint now() const override { return now_; }
  MonotonicPoint monotonic() const override { return {}; }
  void advance(std::chrono::microseconds by) { now_ += by; }

 private:
  TimePoint now_{std::chrono::sys_days{std::chrono::year{2026} / 11 / 28}};
};

class SiteWishesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    control::NodeStatus node;
    node.name = "n1";
    view_.set_nodes({node});
    control::SitePower site;
    site.site = "local";
    view_.set_power({site});
  }
  SiteEventRequest event(std::int64_t budget_milli = 600) {
    SiteEventRequest request;
    request.until = clock_.now() + hours(1);
    request.budget_milli = budget_milli;
    return request;
  }

  store::MemoryStore store_;
  ManualClock clock_;
  host::SystemRng rng_;
  control::FakeWorkView view_;
  SiteWishes wishes_{store_, clock_, rng_, view_};
};

TEST_F(SiteWishesTest, AWishForANodeIsWhatControlReads) {
  EXPECT_EQ(wishes_.wish("n1"), NodeWish{});
  ASSERT_TRUE(wishes_.set_wish("n1", {.cordoned = true, .drain = false}));
  EXPECT_EQ(store_.get("node/n1")->value, R"({"cordoned":true,"drain":false})");
  EXPECT_EQ(wishes_.wish("n1"), (NodeWish{.cordoned = true, .drain = false}));
  ASSERT_TRUE(wishes_.set_wish("n1", {}));
  EXPECT_EQ(store_.get("node/n1").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(wishes_.set_wish("n2", {}).error().code, ErrorCode::kNotFound);
}

TEST_F(SiteWishesTest, AnEventIsWhatControlReadsUntilItIsOver) {
  auto request = event();
  request.from = clock_.now() + minutes(5);
  const auto made = wishes_.create_event(request);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(
      store_.get("site-event/" + made->id)->value,
      R"({"site":"local","from":"2026-11-28T00:05:00.000000Z","until":"2026-11-28T01:00:00.000000Z","budget_milli":600})");
  ASSERT_EQ(wishes_.events()->size(), 1u);
  EXPECT_EQ(wishes_.sweep(), 0u);
  clock_.advance(hours(1));
  EXPECT_TRUE(wishes_.events()->empty());
  EXPECT_EQ(wishes_.cancel_event(made->id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(wishes_.sweep(), 1u);
  EXPECT_TRUE(store_.list("site-event/", "", 10)->empty());
}

TEST_F(SiteWishesTest, AnEventCanBeCancelled) {
  const auto made = wishes_.create_event(event());
  ASSERT_TRUE(made);
  ASSERT_TRUE(wishes_.cancel_event(made->id));
  EXPECT_TRUE(wishes_.events()->empty());
  EXPECT_FALSE(wishes_.cancel_event(made->id));
}

TEST_F(SiteWishesTest, WhatCannotBeIsRefused) {
  auto request = event();
  request.budget_mw = 1000;
  EXPECT_TRUE(wishes_.create_event(request).error().message.starts_with("budget: ")) << "two budgets";
  EXPECT_FALSE(wishes_.create_event(event(1001)));
  EXPECT_FALSE(wishes_.create_event(event(-1)));
  request = event();
  request.until = clock_.now();
  EXPECT_TRUE(wishes_.create_event(request).error().message.starts_with("until: "));
  request = event();
  request.from = request.until;
  EXPECT_FALSE(wishes_.create_event(request));
  request = event();
  request.site = "elsewhere";
  EXPECT_EQ(wishes_.create_event(request).error().code, ErrorCode::kNotFound);
  control::SitePower second;
  second.site = "second";
  view_.set_power({view_.power().front(), second});
  EXPECT_TRUE(wishes_.create_event(event()).error().message.starts_with("site: there are 2 sites"));
}

}  // namespace
}  // namespace millrace::platform

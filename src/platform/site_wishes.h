// SiteWishes: what operators want of nodes (cordon, drain) and of a site's power (events); control reads the records.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/site_events.h"
#include "control/work_view.h"
#include "core/clock.h"
#include "core/result.h"
#include "core/rng.h"
#include "store/store.h"

namespace millrace::platform {

using control::NodeWish;
using control::SiteEvent;

struct SiteEventRequest {
  std::string site;               // empty: the only one
  std::optional<TimePoint> from;  // nullopt: now
  TimePoint until{};
  std::optional<std::int64_t> budget_mw, budget_milli;
};

/// Every method is safe from any thread, and durable on return.
class SiteWishes {
 public:
  static constexpr std::size_t kMostEvents = 1000;  // that are not over

  /// All are borrowed and outlive this.
  SiteWishes(store::Store& store, const Clock& clock, Rng& rng, control::WorkView& view);

  /// kNotFound if control knows no such node.
  Result<control::NodeStatus> node(std::string_view name) const;
  Result<NodeWish> wish(std::string_view node) const;
  Result<NodeWish> set_wish(std::string_view node, const NodeWish& wish);

  /// kInvalidArgument naming the field; kNotFound for a site that control does not know; kExhausted beyond kMostEvents.
  Result<SiteEvent> create_event(const SiteEventRequest& request);
  /// Those that are not over, ordered by when they begin.
  Result<std::vector<SiteEvent>> events() const;
  /// kNotFound for one that is over, too.
  Result<void> cancel_event(std::string_view id);
  /// Forgets events that are over. Answers how many.
  Result<std::size_t> sweep();

 private:
  Result<std::string> site_of(const SiteEventRequest& request) const;
  Result<std::vector<SiteEvent>> all_events() const;

  store::Store& store_;
  const Clock& clock_;
  Rng& rng_;
  control::WorkView& view_;
};

}  // namespace millrace::platform

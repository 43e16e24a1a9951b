#include "twin/sim/power_book.h"

#include <algorithm>

#include "scheduler/power.h"

namespace millrace::twin {

std::int64_t at_meter(std::int64_t it_mw, double pue) {
  const auto pue_milli = std::max<std::int64_t>(static_cast<std::int64_t>(pue * 1000.0 + 0.5), 1000);
  return (it_mw * pue_milli + 999) / 1000;
}

PowerBook::PowerBook(const scheduler::Cluster& cluster, VirtualTime from)
    : cluster_(cluster),
      scopes_(cluster.sites.size() + cluster.feeds.size() + cluster.racks.size() + cluster.nodes.size()),
      powered_(cluster.nodes.size(), false),
      site_energy_(cluster.sites.size(), PowerIntegral(from)),
      site_idle_energy_(cluster.sites.size(), PowerIntegral(from)),
      settled_at_(from),
      backlog_(cluster.sites.size(), false),
      was_backlog_(cluster.sites.size(), false),
      used_mw_(cluster.sites.size(), 0),
      limit_mw_(cluster.sites.size(), 0) {
  for (std::uint32_t i = 0; i < cluster.nodes.size(); ++i) {
    const scheduler::Node& node = cluster.nodes[i];
    const std::int64_t most = scheduler::full_load_mw(cluster, i);
    scope(Level::kSite, node.site).max_mw += most;
    if (node.rack != scheduler::kNoIndex) {
      scope(Level::kRack, node.rack).max_mw += most;
      const scheduler::FeedIndex feed = cluster.racks[node.rack].feed;
      if (feed != scheduler::kNoFeed) scope(Level::kFeed, feed).max_mw += most;
    }
    scope(Level::kNode, i).max_mw = most;
    set_powered(i, node.health != scheduler::Health::kDown);
  }
}

std::size_t PowerBook::slot(Level level, std::uint32_t index) const {
  std::size_t first = 0;
  if (level == Level::kSite) return index;
  first += cluster_.sites.size();
  if (level == Level::kFeed) return first + index;
  first += cluster_.feeds.size();
  if (level == Level::kRack) return first + index;
  return first + cluster_.racks.size() + index;
}

std::int64_t PowerBook::shown(std::size_t slot, std::int64_t it_mw) const {
  return slot < cluster_.sites.size() ? at_meter(it_mw, cluster_.sites[slot].pue) : it_mw;
}

std::int64_t PowerBook::draw_mw(Level level, std::uint32_t index) const {
  const std::size_t at = slot(level, index);
  return shown(at, scopes_[at].draw_mw);
}

void PowerBook::touch(std::size_t slot) {
  if (scopes_[slot].dirty) return;
  scopes_[slot].dirty = true;
  dirty_.push_back(slot);
}

void PowerBook::set_budget(Level level, std::uint32_t index, std::int64_t budget_mw) {
  const std::size_t at = slot(level, index);
  scopes_[at].budget_mw = budget_mw;
  touch(at);
}

void PowerBook::change(scheduler::NodeIndex node, std::int64_t idle_mw, std::int64_t work_mw) {
  const auto apply = [&](std::size_t at) {
    scopes_[at].draw_mw += idle_mw + work_mw;
    scopes_[at].idle_mw += idle_mw;
    touch(at);
  };
  const scheduler::Node& its = cluster_.nodes[node];
  apply(slot(Level::kSite, its.site));
  apply(slot(Level::kNode, node));
  if (its.rack == scheduler::kNoIndex) return;
  apply(slot(Level::kRack, its.rack));
  const scheduler::FeedIndex feed = cluster_.racks[its.rack].feed;
  if (feed != scheduler::kNoFeed) apply(slot(Level::kFeed, feed));
}

void PowerBook::set_powered(scheduler::NodeIndex node, bool powered) {
  if (powered_[node] == powered) return;
  powered_[node] = powered;
  const std::int64_t idle_mw = cluster_.nodes[node].idle_mw;
  change(node, powered ? idle_mw : -idle_mw, 0);
}

void PowerBook::add(scheduler::NodeIndex node, std::int64_t milliwatts) {
  if (milliwatts != 0) change(node, 0, milliwatts);
}

void PowerBook::judge(std::size_t at, VirtualTime now) {
  Scope& scope = scopes_[at];
  const bool infeasible = shown(at, scope.idle_mw) > scope.budget_mw;
  if (infeasible && !scope.infeasible) ++totals_.infeasible;
  scope.infeasible = infeasible;
  const bool over = !infeasible && shown(at, scope.draw_mw) > scope.budget_mw;
  if (over && scope.over_since < 0) {
    scope.over_since = now;
    ++totals_.exceeded;
  } else if (!over && scope.over_since >= 0) {
    totals_.exceeded_s += static_cast<double>(now - scope.over_since) * 1e-6;
    scope.over_since = -1;
  }
}

// Of the time since the last settle, with the state that was left then.
void PowerBook::count_use(VirtualTime now) {
  const auto lasts = static_cast<double>(now - settled_at_);
  for (std::size_t site = 0; site < limit_mw_.size(); ++site) {
    if (limit_mw_[site] == 0) continue;
    const double used = static_cast<double>(used_mw_[site]) * lasts;
    const double limit = static_cast<double>(limit_mw_[site]) * lasts;
    used_ += used;
    limit_ += limit;
    if (!was_backlog_[site]) continue;
    used_backlog_ += used;
    limit_backlog_ += limit;
    totals_.backlog_s += lasts * 1e-6;
  }
}

void PowerBook::settle(VirtualTime now) {
  count_use(now);
  settled_at_ = now;
  was_backlog_ = backlog_;
  for (const std::size_t at : dirty_) {
    scopes_[at].dirty = false;
    judge(at, now);
    if (at >= cluster_.sites.size()) continue;
    const Scope& site = scopes_[at];
    site_energy_[at].set(now, site.draw_mw);
    site_idle_energy_[at].set(now, site.idle_mw);
    const std::int64_t drawn = shown(at, site.draw_mw);
    const std::int64_t most = std::min(site.budget_mw, shown(at, site.max_mw));
    const bool limited = site.budget_mw != kNoBudget && !site.infeasible;
    used_mw_[at] = limited ? drawn : 0;
    limit_mw_[at] = limited ? most : 0;
  }
  dirty_.clear();
  meter_mw_ = 0;
  for (std::size_t site = 0; site < site_energy_.size(); ++site) {
    site_energy_[site].settle(now);
    site_idle_energy_[site].settle(now);
    meter_mw_ += shown(site, scopes_[site].draw_mw);
  }
  totals_.peak_mw = std::max(totals_.peak_mw, meter_mw_);
}

PowerBook::Totals PowerBook::totals() const {
  Totals totals = totals_;
  for (const Scope& scope : scopes_) {
    if (scope.over_since >= 0)
      totals.exceeded_s += static_cast<double>(settled_at_ - scope.over_since) * 1e-6;
  }
  totals.limited = limit_ > 0;
  totals.used_share = limit_ > 0 ? used_ / limit_ : 0.0;
  totals.used_share_backlog = limit_backlog_ > 0 ? used_backlog_ / limit_backlog_ : 0.0;
  return totals;
}

}  // namespace millrace::twin

// Power book: what every site, feed, rack and node draws on the virtual clock, held against its budget.
#pragma once

#include <cstdint>
#include <vector>

#include "scheduler/power.h"
#include "twin/sim/power_integral.h"

namespace millrace::twin {

/// No limit.
inline constexpr std::int64_t kNoBudget = INT64_MAX;

/// IT power times PUE (in thousandths, as budgets are held), rounded up: what the meter of a site shows.
std::int64_t at_meter(std::int64_t it_mw, double pue);

/// Draws are of IT equipment but for sites, which are told at the meter. What happens at one moment is one change: only
/// the state that is left when the clock moves on is judged and counted.
class PowerBook {
 public:
  using Level = scheduler::ScopeKind;

  struct Totals {
    std::int64_t exceeded = 0;  // intervals above a budget that was feasible
    double exceeded_s = 0.0;
    std::int64_t infeasible = 0;  // intervals in which a budget was below the idle draw of what was up
    std::int64_t peak_mw = 0;     // all sites together, at the meter
    bool limited = false;         // some site, at some time
    double used_share = 0.0;      // draw / budget, over the time in which a site was limited; 0 if none was
    double used_share_backlog = 0.0;  // the same over the time in which work waited for power of that site
    double backlog_s = 0.0;           // limited and with work waiting for its power: the sum over all sites
  };

  /// Every node that is not kDown draws its idle power from `from` on.
  PowerBook(const scheduler::Cluster& cluster, VirtualTime from);

  void set_budget(Level level, std::uint32_t index, std::int64_t budget_mw);
  std::int64_t budget(Level level, std::uint32_t index) const { return scope(level, index).budget_mw; }

  /// A node begins (or ends) to draw its idle power. Nothing changes if it did already.
  void set_powered(scheduler::NodeIndex node, bool powered);
  /// Work on a node draws so much more (or less).
  void add(scheduler::NodeIndex node, std::int64_t milliwatts);
  /// Whether work waits for want of power of a site from now on.
  void set_backlog(scheduler::SiteIndex site, bool waiting) { backlog_[site] = waiting; }

  /// Judges the state at `now`. Call before the clock moves on, and at the end.
  void settle(VirtualTime now);

  std::int64_t draw_mw(Level level, std::uint32_t index) const;
  std::int64_t idle_mw(Level level, std::uint32_t index) const { return scope(level, index).idle_mw; }
  std::int64_t meter_mw() const { return meter_mw_; }
  /// IT power of all that is in a scope at full load.
  std::int64_t max_mw(Level level, std::uint32_t index) const { return scope(level, index).max_mw; }
  /// IT energy of a site up to the last settle.
  NanoJoule site_energy(scheduler::SiteIndex site) const { return site_energy_[site].energy(); }
  NanoJoule site_idle_energy(scheduler::SiteIndex site) const { return site_idle_energy_[site].energy(); }
  Totals totals() const;

 private:
  struct Scope {
    std::int64_t draw_mw = 0;  // of IT equipment
    std::int64_t idle_mw = 0;  // of that, what draws with nothing running
    std::int64_t max_mw = 0;   // when all in it runs at its most
    std::int64_t budget_mw = kNoBudget;
    VirtualTime over_since = -1;  // -1: not above its budget
    bool infeasible = false;
    bool dirty = false;
  };

  std::size_t slot(Level level, std::uint32_t index) const;
  Scope& scope(Level level, std::uint32_t index) { return scopes_[slot(level, index)]; }
  const Scope& scope(Level level, std::uint32_t index) const { return scopes_[slot(level, index)]; }
  std::int64_t shown(std::size_t slot, std::int64_t it_mw) const;
  void change(scheduler::NodeIndex node, std::int64_t idle_mw, std::int64_t work_mw);
  void touch(std::size_t slot);
  void judge(std::size_t slot, VirtualTime now);
  void count_use(VirtualTime now);

  const scheduler::Cluster& cluster_;
  std::vector<Scope> scopes_;  // sites, feeds, racks, nodes
  std::vector<std::size_t> dirty_;
  std::vector<bool> powered_;
  std::vector<PowerIntegral> site_energy_, site_idle_energy_;
  VirtualTime settled_at_;
  std::vector<bool> backlog_, was_backlog_;  // by site: now, since settled_at_
  std::int64_t meter_mw_ = 0;
  std::vector<std::int64_t> used_mw_;  // by site, since settled_at_; 0 where it had no limit
  std::vector<std::int64_t> limit_mw_;
  double used_ = 0.0, limit_ = 0.0, used_backlog_ = 0.0, limit_backlog_ = 0.0;  // mW x us
  Totals totals_;
};

}  // namespace millrace::twin

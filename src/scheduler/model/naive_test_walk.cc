#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "scheduler/model/naive_test_model.h"

namespace millrace::scheduler::naive {
TimePoint end_of(const Workload& w, TimePoint started) {
  if (w.limit) return started + *w.limit;
  return w.service ? TimePoint::max() : kSomeDay;
}

TimePoint window(TimePoint now, const Workload& w) {
  if (!w.limit) return TimePoint::max();
  std::int64_t minutes = (w.limit->count() + 59) / 60;
  std::int64_t unit = 1;
  while (minutes > 63 * unit) unit *= 2;
  return now + std::chrono::minutes((minutes + unit - 1) / unit * unit);
}

Model::Alike Model::alike(const Item& item) const {
  const Workload& w = item.w;
  const std::string shape =
      fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {} {}", w.demand.cpu_milli, w.demand.memory_mib,
                  w.demand.accelerators, w.demand.accelerator_milli, w.tasks, w.tasks_per_node, w.kinds,
                  w.earlier_kinds_first, static_cast<int>(w.together), static_cast<int>(w.spread),
                  w.spread == Spread::kNone ? "" : w.siblings, w.zones, w.jurisdictions, w.attested,
                  w.accelerator_draw_milli);
  const TimePoint end = window(TimePoint{}, w);
  return {w.account, item.rank(), shape, end.time_since_epoch().count()};
}

void Model::submit(const Workload& w, TimePoint now) {
  stale_ = true;
  Item item;
  item.w = w;
  if (w.not_before && *w.not_before > now) item.where = Where::kWaiting;
  items_.emplace(w.id, item);
}

void Model::cancel(WorkloadId id, TimePoint now) {
  (void)now;
  Item& item = items_.at(id);
  for (Use& u : use_) {
    if (!u.kept || u.kept->id != id) continue;
    u.kept.reset();
    u.keeps_next = true;
  }
  if (item.promise) released_ = true;
  stale_ = true;
  item.where = Where::kGone;
  item.promise.reset();
}

void Model::ended(WorkloadId id, TimePoint now) {
  Item& item = items_.at(id);
  item.where = Where::kGone;
  use(item.w.account, item.w, -1, now);
  released_ = true;
}

void Model::set_health(NodeIndex node, Health health) {
  if (cluster_.nodes[node].health == health) return;
  cluster_.nodes[node].health = health;
  released_ = true;
  if (health == Health::kReady) return;
  const auto here = [&](const TaskPlace& p) { return p.node == node; };
  for (auto& [id, item] : items_) {
    const bool runs_here = item.where == Where::kRunning && std::ranges::any_of(item.places, here);
    if (health == Health::kDown && runs_here) lost_.insert(id);
    if (item.where != Where::kPending || !item.promise) continue;
    if (std::none_of(item.promise->places.begin(), item.promise->places.end(), here)) continue;
    item.promise.reset();
    item.fresh = true;
  }
}

void Model::set_quota(AccountIndex account, const Quota& quota) {
  accounts_[account].quota = quota;
  released_ = true;
}

std::vector<WorkloadId> Model::lower_promises(std::int32_t rank) const {
  std::vector<WorkloadId> lower;
  for (const auto& [id, item] : items_) {
    if (item.where == Where::kPending && item.promise && item.rank() < rank) lower.push_back(id);
  }
  std::sort(lower.begin(), lower.end(), [this](WorkloadId a, WorkloadId b) {
    const Item& x = items_.at(a);
    const Item& y = items_.at(b);
    if (x.rank() != y.rank()) return x.rank() < y.rank();
    return x.promise->begin != y.promise->begin ? x.promise->begin > y.promise->begin : a > b;
  });
  return lower;
}

bool Model::could_start(WorkloadId id, TimePoint now) {
  const Item& item = items_.at(id);
  if (lacking(item) || quota_is_kept(item, now)) return false;
  if (item.promise && promise_is_free(item, window(now, item.w))) return true;
  return place(item, now).has_value();
}

// Into a smaller domain, if it prefers one: of kinds that it prefers first, and of none that it would rather not have.
void Model::gather(const Item& item, TimePoint now, std::vector<TaskPlace>& places) {
  if (item.w.together == Together::kAnywhere) return;
  std::map<std::int64_t, std::set<int>> by_rank;
  for (NodeIndex n = 0; n < cluster_.nodes.size(); ++n) {
    if (!eligible(item.w, n)) continue;
    const std::int64_t rank = item.w.tasks == 1 ? 0 : kind_rank(item.w, n);
    if (item.w.tasks == 1 || rank <= kind_rank(item.w, places.front().node))
      by_rank[rank].insert(part_of(item.w, n));
  }
  ignored_ = {item.w.id};
  const std::size_t size = size_of_domain(places);
  for (const auto& [rank, parts] : by_rank) {
    const auto gathered = place_in_one_domain(item, now, parts);
    if (!gathered || size_of_domain(*gathered) >= size) continue;
    places = *gathered;
    break;
  }
  ignored_.clear();
}

bool Model::try_start(Item& item, TimePoint now, bool consider, bool& kept_back, bool& promised_only) {
  kept_back = promised_only = false;
  if (const auto account = lacking(item)) {
    Use& u = use_[*account];
    const bool at_once = consider && (!u.kept || u.kept->rank < item.rank());
    if (ever_within(item, *account) && (at_once || (u.keeps_next && !u.kept)))
      u.kept = keep_quota(item, *account);
    kept_back = true;
    return false;
  }
  if (quota_is_kept(item, now)) {
    kept_back = true;
    return false;
  }
  std::optional<std::vector<TaskPlace>> places;
  if (item.promise && promise_is_free(item, window(now, item.w))) {
    places = item.promise->places;
    gather(item, now, *places);
  }
  if (!places) places = place(item, now);
  if (!places) {
    promised_only = ask_for_room(item, now);
    return false;
  }
  std::ranges::sort(*places, {}, [](const TaskPlace& p) { return std::pair(p.node, p.devices); });
  if (item.promise) {
    ghosts_.emplace_back(item.w.id, *item.promise);
    ++starts_promised_;
    if (item.promise->begin > now) released_ = true;
  }
  for (AccountIndex a = 0; a < use_.size(); ++a) {
    auto& kept = use_[a].kept;
    if (!kept) continue;
    if (kept->id == item.w.id) unkept_.push_back(a);
    if (!kept->room_at || kept->rank != item.rank() || kept->account != item.w.account) continue;
    if (window(now, item.w) <= *kept->room_at) continue;
    for (std::size_t r = 0; r < 3; ++r) kept->spare[r] -= request(item.w)[r];
  }
  item.promise.reset();
  item.where = Where::kRunning;
  item.started = now;
  item.end = end_of(item.w, now);
  item.places = *places;
  use(item.w.account, item.w, 1, now);
  starts_.push_back({.id = item.w.id, .places = *places, .cap_milli = 1000, .reason = {}});
  return true;
}

bool Model::ever_fits(const Workload& w) const {
  Model empty(cluster_, accounts_, policies_);
  for (Node& node : empty.cluster_.nodes) node.health = Health::kReady;
  return empty.fits_now(w) >= w.tasks;
}

void Model::visit(Item& item, TimePoint now, bool full) {
  const bool consider = item.fresh || full;
  item.fresh = false;
  bool kept_back = false;
  bool promised_only = false;
  if (!ever_fits(item.w) || try_start(item, now, consider, kept_back, promised_only)) return;
  if (kept_back) {
    if (!consider || !item.promise || item.promise->begin > now) return;
    ghosts_.emplace_back(item.w.id, *item.promise);
    item.promise.reset();
    released_ = true;
    return;
  }
  if (promised_only) return;
  if (!consider) return;
  if (item.promise) {
    if (full) arrange(item, now, true);
    return;
  }
  const bool depth = has_depth(item.rank());
  if (!depth && lower_promises(item.rank()).empty()) return;
  if (planning_ && (full || is_first_without(item))) {
    arrange(item, now, depth);
  } else {
    released_ = true;
  }
}

/// Whether all that came before it, and are like it, are promised something.
bool Model::is_first_without(const Item& item) const {
  return std::ranges::none_of(items_, [&](const auto& entry) {
    const Item& other = entry.second;
    return other.where == Where::kPending && !other.promise && alike(other) == alike(item) &&
           turn_of(other) < turn_of(item);
  });
}

bool Model::has_depth(std::int32_t rank) const {
  int taken = starts_promised_;
  for (const auto& [id, item] : items_) {
    if (item.where == Where::kPending && item.promise) ++taken;
    if (item.displaced && item.rank() >= rank) ++taken;
  }
  return taken < policies_.reservations;
}

void Model::arrange(Item& item, TimePoint now, bool beside) {
  if (item.displaced) return;
  constexpr TimePoint kNever = TimePoint::max();
  const bool lower = !lower_promises(item.rank()).empty();
  std::optional<Keep> keep;
  std::vector<WorkloadId> drops;
  if (beside) keep = plan(item, now, INT32_MIN, kNever);
  if (lower && !item.promise && (!keep || keep->begin > now)) {
    if (auto over = plan(item, now, item.rank(), keep ? sooner_than(keep->begin, now) : kNever)) {
      drops = in_the_way(item, *over, now);
      keep = over;
    }
  }
  if (!keep) return;
  if (!beside) displace(lower_promises(item.rank()).front());
  for (const WorkloadId id : drops) {
    if (items_.at(id).promise) displace(id);
  }
  if (item.promise) {
    ghosts_.emplace_back(item.w.id, *item.promise);
  } else {
    for (const WorkloadId id : lower_promises(item.rank())) {
      if (!has_depth(item.rank())) displace(id);
    }
    if (!has_depth(item.rank())) return;
  }
  item.promise = keep;
  if (keep->begin <= now) item.fresh = due_ = true;
}

void Model::displace(WorkloadId id) {
  Item& item = items_.at(id);
  ghosts_.emplace_back(id, *item.promise);
  item.promise.reset();
  item.displaced = true;
  released_ = true;
}

void Model::ask(Item& item, const std::vector<WorkloadId>& drops) {
  if (drops_.empty()) drops_ = drops;
  asked_.insert(alike(item));
  item.fresh = true;
}

bool Model::ask_for_room(Item& item, TimePoint now) {
  std::vector<WorkloadId> lower = lower_promises(item.rank());
  if (lower.empty() || fits_now(item.w) < item.w.tasks || asked_.contains(alike(item))) return false;
  if (!drops_.empty()) {
    ask(item, {});
    return true;
  }
  std::erase_if(lower, [&](WorkloadId id) {
    const Item& other = items_.at(id);
    if (!apart(item, *other.promise, other)) return false;
    return std::none_of(other.promise->places.begin(), other.promise->places.end(), [&](const TaskPlace& p) {
      return cluster_.nodes[p.node].health == Health::kReady && eligible(item.w, p.node) &&
             fits(free_now(p.node), item.w.demand);
    });
  });
  std::vector<WorkloadId> drops;
  bool enough = false;
  for (const WorkloadId id : lower) {
    drops.push_back(id);
    ignored_.insert(id);
    enough = place(item, now).has_value();
    if (enough) break;
  }
  ignored_.clear();
  if (enough) ask(item, drops);
  return enough;
}

bool Model::walk(TimePoint now, bool full) {
  drops_.clear();
  asked_.clear();
  starts_promised_ = 0;
  for (Use& u : use_) {
    if (full) u.kept.reset();
  }
  std::set<WorkloadId> left;
  for (const auto& [id, item] : items_) {
    if (item.where == Where::kPending) left.insert(id);
  }
  while (!left.empty()) {
    const WorkloadId id = first_in_order(left, now);
    left.erase(id);
    if (std::ranges::find(drops_, id) != drops_.end()) continue;
    visit(items_.at(id), now, full);
  }
  bool again = std::exchange(due_, false) || !ghosts_.empty();
  ghosts_.clear();
  for (auto& [id, item] : items_) {
    if (std::exchange(item.displaced, false)) item.fresh = true;
  }
  for (const AccountIndex a : std::exchange(unkept_, {})) {
    use_[a].kept.reset();
    use_[a].keeps_next = again = true;
  }
  for (const WorkloadId id : drops_) {
    Item& item = items_.at(id);
    if (item.where != Where::kPending || !item.promise) continue;
    item.promise.reset();
    item.fresh = true;
    released_ = again = true;
  }
  return again;
}

std::vector<Start> Model::pass(TimePoint now, bool full) {
  starts_.clear();
  for (auto& [id, item] : items_) {
    if (item.where == Where::kWaiting && *item.w.not_before <= now) {
      item.where = Where::kPending;
      item.fresh = true;
    }
    const TimePoint since = std::max(item.w.submitted, item.w.not_before.value_or(item.w.submitted));
    if (item.where == Where::kPending && !item.starved && policies_.starvation &&
        since + *policies_.starvation <= now) {
      item.starved = true;
      item.fresh = true;
    }
  }
  for (const WorkloadId id : std::exchange(lost_, {})) {
    Item& item = items_.at(id);
    if (item.where != Where::kRunning) continue;
    item.end = std::min(item.end, now);
    item.leaving = true;
  }
  if (!last_full_ || ((released_ || stale_) && now - *last_full_ >= policies_.replan_every)) full = true;
  if (full) {
    last_full_ = now;
    released_ = stale_ = false;
  }
  planning_ = full || !released_;
  bool again = true;
  for (int i = 0; i < 8 && again; ++i) {
    again = walk(now, full);
    full = false;
  }
  for (Use& u : use_) u.keeps_next = false;
  return starts_;
}

}  // namespace millrace::scheduler::naive

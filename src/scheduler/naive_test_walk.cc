#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "scheduler/naive_test_model.h"

namespace millrace::scheduler::naive {
namespace {

TimePoint window(TimePoint now, const Workload& w) {
  if (!w.limit) return TimePoint::max();
  std::int64_t minutes = (w.limit->count() + 59) / 60;
  std::int64_t unit = 1;
  while (minutes > 63 * unit) unit *= 2;
  return now + std::chrono::minutes((minutes + unit - 1) / unit * unit);
}

}  // namespace

Model::Alike Model::alike(const Item& item) const {
  const Workload& w = item.w;
  const std::string shape =
      fmt::format("{} {} {} {} {} {} {} {} {} {} {} {}", w.demand.cpu_milli, w.demand.memory_mib,
                  w.demand.accelerators, w.demand.accelerator_milli, w.tasks, w.tasks_per_node, w.kinds,
                  static_cast<int>(w.together), w.spread_racks, w.zones, w.jurisdictions, w.attested);
  const TimePoint end = window(TimePoint{}, w);
  return {w.account, item.rank(), shape, end.time_since_epoch().count()};
}

void Model::left_queue(const Item& left) {
  const Alike key = alike(left);
  for (const auto& [id, item] : items_) {
    if (id != left.w.id && item.where == Where::kPending && alike(item) == key) return;
  }
  unplannable_.erase(key);
}

void Model::submit(const Workload& w, TimePoint now) {
  Item item;
  item.w = w;
  if (w.not_before && *w.not_before > now) item.where = Where::kWaiting;
  items_.emplace(w.id, item);
}

void Model::cancel(WorkloadId id, TimePoint now) {
  (void)now;
  Item& item = items_.at(id);
  for (Use& u : use_) {
    if (u.kept && u.kept->second == id) u.kept.reset();
  }
  if (item.promise) released_ = true;
  if (item.where == Where::kPending) left_queue(item);
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
  for (auto& [id, item] : items_) {
    if (item.where != Where::kPending || !item.promise) continue;
    const auto here = [&](const TaskPlace& p) { return p.node == node; };
    if (std::none_of(item.promise->places.begin(), item.promise->places.end(), here)) continue;
    item.promise.reset();
    item.fresh = true;
  }
}

void Model::set_quota(AccountIndex account, const Quota& quota) {
  accounts_[account].quota = quota;
  released_ = true;
}

bool Model::lower_promise(std::int32_t rank) const {
  return std::any_of(items_.begin(), items_.end(), [&](const auto& e) {
    return e.second.where == Where::kPending && e.second.promise && e.second.rank() < rank;
  });
}

bool Model::could_start(WorkloadId id, TimePoint now) {
  const Item& item = items_.at(id);
  if (lacking(item) || quota_is_kept(item)) return false;
  if (item.promise && promise_is_free(item)) return true;
  return place(item, window(now, item.w), INT32_MIN).has_value();
}

bool Model::try_start(Item& item, TimePoint now, bool consider, bool& kept_back, bool& promised_only) {
  kept_back = promised_only = false;
  if (const auto account = lacking(item)) {
    Use& u = use_[*account];
    if (consider && ever_within(item, *account) && (!u.kept || u.kept->first < item.rank()))
      u.kept = {item.rank(), item.w.id};
    kept_back = true;
    return false;
  }
  if (quota_is_kept(item)) {
    kept_back = true;
    return false;
  }
  std::optional<std::vector<TaskPlace>> places;
  if (item.promise && promise_is_free(item)) places = item.promise->places;
  if (!places) places = place(item, window(now, item.w), INT32_MIN);
  if (!places) {
    promised_only = lower_promise(item.rank()) && place(item, window(now, item.w), item.rank());
    return false;
  }
  std::ranges::sort(*places, {}, [](const TaskPlace& p) { return std::pair(p.node, p.devices); });
  if (item.promise) ghosts_.emplace_back(item.w.id, *item.promise);
  for (AccountIndex a = 0; a < use_.size(); ++a) {
    if (use_[a].kept && use_[a].kept->second == item.w.id) unkept_.push_back(a);
  }
  left_queue(item);
  item.promise.reset();
  item.where = Where::kRunning;
  item.started = now;
  item.end = item.w.limit ? now + *item.w.limit : TimePoint::max();
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
  if (kept_back) return;
  const auto ask_drop = [&] {
    drop_below_ = std::max(drop_below_, item.rank());
    if (full) {
      again_full_ = true;
    } else {
      item.fresh = true;
    }
  };
  if (promised_only) return ask_drop();
  if (!consider) return;
  if (item.promise) {
    if (!full) return;
    if (auto better = plan(item, now)) {
      ghosts_.emplace_back(item.w.id, *item.promise);
      item.promise = better;
    }
    return;
  }
  if (!unplannable_.contains(alike(item)) && lower_promise(item.rank())) return ask_drop();
  const auto promised = std::count_if(items_.begin(), items_.end(), [](const auto& e) {
    return e.second.where == Where::kPending && e.second.promise.has_value();
  });
  if (promised >= policies_.reservations) return;
  item.promise = plan(item, now);
  if (item.promise) {
    unplannable_.erase(alike(item));
  } else {
    unplannable_.insert(alike(item));
  }
}

bool Model::walk(TimePoint now, bool full) {
  again_full_ = false;
  drop_below_ = INT32_MIN;
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
    visit(items_.at(id), now, full);
  }
  bool again = !ghosts_.empty();
  ghosts_.clear();
  for (const AccountIndex a : std::exchange(unkept_, {})) {
    use_[a].kept.reset();
    again = true;
  }
  for (auto& [id, item] : items_) {
    if (item.where != Where::kPending || !item.promise || item.rank() >= drop_below_) continue;
    item.promise.reset();
    item.fresh = true;
    released_ = again = true;
  }
  return again || again_full_;
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
      left_queue(item);
      item.starved = true;
      item.fresh = true;
    }
    const auto down = [&](const TaskPlace& p) { return cluster_.nodes[p.node].health == Health::kDown; };
    if (item.where == Where::kRunning && std::any_of(item.places.begin(), item.places.end(), down)) {
      item.end = std::min(item.end, now);
    }
  }
  if (!last_full_ || (released_ && now - *last_full_ >= policies_.replan_every)) full = true;
  if (full) {
    last_full_ = now;
    released_ = false;
  }
  bool again = true;
  for (int i = 0; i < 8 && again; ++i) {
    again = walk(now, full);
    full = again_full_;
  }
  return starts_;
}

}  // namespace millrace::scheduler::naive

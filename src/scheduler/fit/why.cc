#include "scheduler/fit/why.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "scheduler/fit/place.h"

namespace millrace::scheduler {
namespace {

constexpr std::size_t kKindsNamed = 3;

/// Whose promise begins first on a node, if it is not the job's own.
const Promised* first_other(const State& state, const Job& job, const UntilPromised::Entry& entry) {
  const auto& promises = state.pool.node(entry.node).promises;
  const auto it = std::ranges::find_if(
      promises, [&](const Promised& p) { return p.job != &job && p.begin == entry.begin; });
  return it == promises.end() ? nullptr : &*it;
}

/// Calls `of` with each state of a node of these classes that has devices for `least`, and how many nodes
/// are in it, promises apart.
template <typename Of>
void each_state_now(const State& state, const std::vector<ClassIndex>& classes, const Demand& least, Of of) {
  for (const ClassIndex index : classes) {
    const NodeClass& c = state.pool.classes()[index];
    for (const auto& [free, peers] : c.lasting) {
      if (!class_has_devices(free, least)) break;
      of(free, std::ssize(peers.nodes) - peers.promised);
    }
    for (const auto& [free, entry] : c.passing) {
      if (!class_has_devices(free, least)) break;
      of(free, std::ssize(entry.nodes));
    }
  }
}

/// Of the nodes where `demand` fits, the most that one has free.
std::int64_t most_free(const State& state, const Job& job, const Demand& demand,
                       std::int64_t NodeState::* resource) {
  std::int64_t most = 0;
  each_state_now(state, job.shape->classes, job.shape->key.demand,
                 [&](const NodeState& free, std::int64_t nodes) {
                   if (nodes > 0 && fits(free, demand)) most = std::max(most, free.*resource);
                 });
  return most;
}

/// One task needs more accelerators than any node has free: how many the freest has.
void name_most_devices(const State& state, const Job& job, Reason& reason) {
  const Demand& demand = job.shape->key.demand;
  const Demand one{.accelerators = 1, .accelerator_milli = demand.accelerator_milli};
  std::int64_t most = 0;
  each_state_now(state, job.shape->classes, one, [&](const NodeState& free, std::int64_t nodes) {
    if (nodes == 0) return;
    const auto devices = std::ranges::count_if(
        free.device_milli_free, [&](std::int16_t milli) { return milli >= demand.accelerator_milli; });
    most = std::max<std::int64_t>(most, devices);
  });
  if (most == 0 || most >= demand.accelerators) return;
  reason.free = most * demand.accelerator_milli;
  reason.subject += " on one node";
}

/// " of kind a or b, of 80 GiB or more, in zone FR": the constraints on accelerators and nodes that others may be free beside.
std::string asked_of(const State& state, const ShapeKey& key) {
  std::string asked;
  const auto add = [&](const std::string& text) { asked += (asked.empty() ? "" : ",") + text; };
  if (key.demand.accelerators > 0 && !key.kinds.empty()) {
    std::vector<std::string_view> names;
    for (const KindIndex kind : key.kinds) names.push_back(state.cluster.kinds[kind].kind);
    const bool few = names.size() <= kKindsNamed;
    add(few ? fmt::format(" of kind {}", fmt::join(names, " or "))
            : fmt::format(" of {} kinds", names.size()));
  }
  if (key.demand.accelerators > 0 && key.accelerator_memory_mib > 0)
    add(fmt::format(" of {} MiB or more", key.accelerator_memory_mib));
  if (!key.zones.empty()) add(fmt::format(" in zone {}", fmt::join(key.zones, " or ")));
  if (!key.jurisdictions.empty())
    add(fmt::format(" where the law of {} applies", fmt::join(key.jurisdictions, " or ")));
  if (key.attested) add(" on attested nodes");
  return asked;
}

/// " of one kind" where a gang could have several.
std::string of_one_kind(const State& state, const Shape& shape) {
  std::set<KindIndex> kinds;
  for (const Part& part : shape.parts) kinds.insert(state.pool.classes()[part.classes.front()].kind);
  return shape.key.tasks > 1 && shape.key.demand.accelerators > 0 && kinds.size() > 1 ? " of one kind" : "";
}

/// " on one site", " of one kind on one site": where several would do one by one.
std::string in_one_part(const State& state, const Shape& shape) {
  std::set<SiteIndex> sites;
  for (const Part& part : shape.parts) sites.insert(state.pool.classes()[part.classes.front()].site);
  return of_one_kind(state, shape) + (sites.size() > 1 ? " on one site" : "");
}

/// Accelerators are free if it needs any, but not the cores or the memory.
void name_lack_beside(const State& state, const Job& job, Reason& reason) {
  const ShapeKey& key = job.shape->key;
  const bool beside = key.demand.accelerators > 0;
  if (beside && key.tasks == 1 && reason.free == 0) name_most_devices(state, job, reason);
  Demand demand = key.demand;
  demand.cpu_milli = demand.memory_mib = 0;
  if (count_now(state, job, demand) < key.tasks) return;
  Demand with_cores = demand;
  with_cores.cpu_milli = key.demand.cpu_milli;
  const std::int64_t with_cores_fit = count_now(state, job, with_cores);
  const bool cores = with_cores_fit < key.tasks;
  const std::int64_t each = cores ? key.demand.cpu_milli : key.demand.memory_mib;
  const std::int64_t fit = cores ? with_cores_fit : count_now(state, job, key.demand);
  if (fit >= key.tasks) return;
  reason.resource = cores ? "cores" : "MiB of memory";
  reason.needed = each * key.tasks;
  reason.free = each * fit;
  const std::string asked = asked_of(state, key);
  if (key.tasks > 1) {
    reason.subject = (beside ? " beside its accelerators" : "") + asked + in_one_part(state, *job.shape);
    return;
  }
  reason.subject = (beside ? " on a node with free accelerators" : " on one node") + asked;
  reason.free = cores ? most_free(state, job, demand, &NodeState::cpu_milli_free)
                      : most_free(state, job, with_cores, &NodeState::memory_mib_free);
}

/// Which constraint no node meets, or that none meets them all.
std::string unmet(const State& state, const ShapeKey& key) {
  const auto none = [&](auto meets) { return std::ranges::none_of(state.pool.classes(), meets); };
  const auto in = [](const std::vector<std::string>& wanted, const std::string& value) {
    return wanted.empty() || std::ranges::find(wanted, value) != wanted.end();
  };
  const auto& sites = state.cluster.sites;
  if (none([&](const NodeClass& c) { return in(key.zones, sites[c.site].zone); }))
    return fmt::format("no node is in zone {}", fmt::join(key.zones, " or "));
  if (none([&](const NodeClass& c) { return in(key.jurisdictions, sites[c.site].jurisdiction); }))
    return fmt::format("no node is where the law of {} applies", fmt::join(key.jurisdictions, " or "));
  if (key.attested && none([](const NodeClass& c) { return c.attested; })) return "no node is attested";
  if (key.demand.accelerators > 0) {
    const auto of_kind = [&](const NodeClass& c) {
      return c.accelerators > 0 &&
             (key.kinds.empty() || std::ranges::find(key.kinds, c.kind) != key.kinds.end());
    };
    const auto& kinds = state.cluster.kinds;
    const auto memory_mib = [&](const NodeClass& c) {
      return kinds[c.kind].memory_bytes.value_or(0) / (1 << 20);
    };
    if (none(of_kind))
      return key.kinds.empty() ? "no node has an accelerator"
                               : "no node has an accelerator of the kinds asked for";
    if (none([&](const NodeClass& c) { return of_kind(c) && memory_mib(c) >= key.accelerator_memory_mib; }))
      return fmt::format("no accelerator is known to have {} MiB of memory", key.accelerator_memory_mib);
  }
  return "no node meets all of its constraints";
}

std::int64_t free_in(const State& state, const Pool::DomainNodes& domain, const Part& part) {
  std::int64_t sum = 0;
  for (const NodeIndex node : domain.nodes) {
    const NodeRecord& record = state.pool.node(node);
    if (!record.listed || !std::ranges::binary_search(part.classes, record.node_class)) continue;
    for (const std::int16_t milli : record.now.device_milli_free) sum += std::max<std::int64_t>(milli, 0);
  }
  return sum;
}

/// Thousandths of accelerators that are free now on the best site, or in the best domain, whether or not a whole task fits
/// where they are.
std::int64_t free_in_pieces(const State& state, const Job& job) {
  std::int64_t most = 0;
  if (job.shape->key.together == Together::kOneDomain) {
    for (const Part& part : job.shape->parts) {
      for (const DomainIndex d : part.domains)
        most = std::max(most, free_in(state, state.pool.domains()[d], part));
    }
    return most;
  }
  const Demand least{.accelerators = 1, .accelerator_milli = 1};
  for (const Part& part : job.shape->parts) {
    std::int64_t sum = 0;
    each_state_now(state, part.classes, least, [&](const NodeState& free, std::int64_t nodes) {
      for (const std::int16_t milli : free.device_milli_free) sum += std::max<std::int64_t>(milli, 0) * nodes;
    });
    most = std::max(most, sum);
  }
  return most;
}

}  // namespace

bool lacks_room(ReasonCode code) {
  return code == ReasonCode::kCapacity || code == ReasonCode::kDomain || code == ReasonCode::kSpread;
}

bool comes_before_room(ReasonCode code) { return code == ReasonCode::kPower || code == ReasonCode::kQuota; }

Reason never_fits(const State& state, const Shape& shape) {
  Reason reason;
  reason.code = ReasonCode::kNeverFits;
  const auto most = [&](auto of) {
    std::int64_t result = 0;
    for (const ClassIndex c : shape.classes) result = std::max(result, of(state.pool.classes()[c]));
    return result;
  };
  const auto lacks = [&](std::int64_t needed, std::int64_t there, const char* resource) {
    reason.needed = needed;
    reason.free = there;
    reason.resource = resource;
    return needed > there;
  };
  const Demand& demand = shape.key.demand;
  if (shape.classes.empty()) {
    reason.resource = "nodes";
    reason.subject = unmet(state, shape.key);
  } else if (!lacks(std::int64_t{demand.accelerators} * demand.accelerator_milli,
                    most([](const NodeClass& c) { return std::int64_t{c.accelerators} * 1000; }),
                    "accelerators") &&
             !lacks(demand.cpu_milli, most([](const NodeClass& c) { return c.cpu_milli; }), "cores") &&
             !lacks(demand.memory_mib, most([](const NodeClass& c) { return c.memory_mib; }),
                    "MiB of memory")) {
    lacks(shape.key.tasks, shape.holds_most, "tasks");
    if (shape.key.together == Together::kOneDomain) {
      reason.subject = of_one_kind(state, shape) + " in one domain";
    } else {
      reason.subject = in_one_part(state, shape);
    }
    if (shape.key.spread != Spread::kNone && shape.key.tasks > 1)
      reason.subject += fmt::format(" each on another {}", name_of(shape.key.spread));
  }
  return reason;
}

Reason power_reason(const State& state, const PowerLedger::Lack& lack) {
  Reason reason;
  reason.code = ReasonCode::kPower;
  reason.needed = lack.needed;
  reason.free = lack.free;
  reason.at = lack.at;
  reason.subject = state.power.name_of(lack.budget->scope);
  reason.scope = lack.budget->scope;
  reason.resource = "W";
  return reason;
}

Reason room_reason(const State& state, const Job& job, std::int64_t free) {
  const ShapeKey& key = job.shape->key;
  Reason reason;
  reason.code = ReasonCode::kCapacity;
  reason.needed = key.tasks;
  reason.free = free;
  reason.resource = "tasks";
  for (const ClassIndex c : job.shape->classes) reason.closed += state.pool.classes()[c].closed;
  if (key.together == Together::kOneDomain) reason.code = ReasonCode::kDomain;
  if (key.spread != Spread::kNone) {
    reason.code = ReasonCode::kSpread;
    reason.resource = std::string(name_of(key.spread)) + "s";
    reason.subject = key.siblings;
  } else if (key.demand.accelerators > 0) {
    const std::int64_t each = std::int64_t{key.demand.accelerators} * key.demand.accelerator_milli;
    reason.needed *= each;
    reason.free *= each;
    reason.resource = "accelerators";
  }
  if (reason.code != ReasonCode::kSpread) reason.subject = asked_of(state, key);
  const bool counts_devices = reason.resource == "accelerators" && key.tasks > 1;
  if (counts_devices && std::min(free_in_pieces(state, job), reason.needed) > reason.free)
    reason.subject +=
        fmt::format(" in tasks of {}", key.demand.accelerators * key.demand.accelerator_milli / 1000.0);
  if (reason.code == ReasonCode::kDomain) reason.subject += of_one_kind(state, *job.shape);
  if (reason.code == ReasonCode::kSpread) reason.where = in_one_part(state, *job.shape);
  if (reason.code != ReasonCode::kCapacity) return reason;
  reason.subject += in_one_part(state, *job.shape);
  name_lack_beside(state, job, reason);
  return reason;
}

void name_promise(const State& state, const Job& job, Reason& reason) {
  std::optional<UntilPromised::Entry> first;
  for (const ClassIndex c : job.shape->classes) {
    for (const auto& [free, entry] : state.pool.classes()[c].passing) {
      if (!class_has_devices(free, job.shape->key.demand)) break;
      if (tasks_that_fit(free, job.shape->key) == 0) continue;
      // The first comes last; not one that is its own.
      for (auto it = entry.nodes.rbegin(); it != entry.nodes.rend(); ++it) {
        if (first && first->begin <= it->begin) break;
        if (first_other(state, job, *it) == nullptr) continue;
        first = *it;
        break;
      }
    }
  }
  if (!first) return;
  if (first->begin < kSomeDay) reason.at = first->begin;
  reason.other = first_other(state, job, *first)->job->work.id;
}

void add_expected(State& state, const Promise& promise, TimePoint now, Reason& reason) {
  if (promise.claim) {
    const Job* victim = promise.because ? state.find(*promise.because) : nullptr;
    const bool is_gone = victim == nullptr || victim->phase != Phase::kRunning || !victim->stopping;
    if (promise.begin <= now && is_gone && reason.code != ReasonCode::kNone) return;  // it is something else
    reason = {};
    reason.code = ReasonCode::kPreempting;
    if (promise.begin > now) reason.at = promise.begin;
  } else if (lacks_room(reason.code) && promise.begin > now) {
    if (promise.begin < kSomeDay) reason.at = promise.begin;
    reason.other = promise.because;
    if (reason.other && state.find(*reason.other) == nullptr) reason.other.reset();
  }
}

void forget_past(State& state, TimePoint now, Reason& reason) {
  if (reason.code != ReasonCode::kPromised) return;
  if (reason.at && *reason.at <= now) reason.at.reset();
  const Job* other = reason.other ? state.find(*reason.other) : nullptr;
  if (other == nullptr || other->phase != Phase::kRunning) return;
  reason.other.reset();
  reason.at.reset();
}

}  // namespace millrace::scheduler

// Place: where a workload could run now.
#pragma once

#include <optional>
#include <vector>

#include "scheduler/books/state.h"

namespace millrace::scheduler {

struct Found {
  std::vector<TaskPlace> places;
  std::int32_t cap_milli = 1000;
  const Budgeted* capped_by = nullptr;  // what keeps it from drawing more, if it is capped
  std::vector<ScopeDraw> draws;
};

/// Tasks of `job` that fit now, for work that is over by `until`; TimePoint::min() looks past all promises. At most its
/// number of tasks. Of a gang: on the best site; with one domain: in the best domain. With spread: failure groups.
std::int64_t count_places(State& state, const Job& job, TimePoint until);

/// The same of all that is free now, promised or not, if each task needed `demand`; wherever they are on the best site.
std::int64_t count_now(const State& state, const Job& job, const Demand& demand);

/// The same of one part in one domain.
std::int64_t count_in_domain(State& state, const Job& job, const Part& part, DomainIndex domain,
                             TimePoint until);
/// The same on one node alone.
std::int64_t count_on(State& state, const Job& job, NodeIndex node, TimePoint until);
/// Whether work that it is kept apart from is in the node's failure group.
bool is_kept_off(const State& state, const Job& job, NodeIndex node, TimePoint until);

/// As Policies::site_cost.
std::int64_t site_cost(const State& state, SiteIndex site);

/// If it starts now, under a cap.
Stay stay_of(const Job& job, TimePoint now, std::int32_t cap_milli);

/// The least that its accelerators may be capped at to start it.
std::int32_t least_cap(const State& state, const Job& job);

/// Whether its draw is within every budget wherever it runs now; false if that is not plain to see.
bool power_is_ample(const State& state, const Job& job, TimePoint now);

/// What it lacks of room for work that is over by `until`, or whose promise keeps it from that; nullopt where there is room.
std::optional<Reason> no_room(State& state, const Job& job, TimePoint until);

/// Finds places for all tasks and occupies them (job.end must be set), or changes nothing and says why in `reason`.
/// Order among places: the policy's score, the site's cost (before the score for work with a deadline), the node. For a
/// domain: size, site cost, index.
std::optional<Found> find_places(State& state, Job& job, TimePoint now, Reason& reason);

/// The same; the power that it is promised is its own.
std::optional<Found> find_places_beside_promise(State& state, Job& job, TimePoint now, Reason& reason);

/// The places that it was promised, if they are free now and the budgets allow. Likewise occupied. A reason only if it is
/// the budgets that do not.
std::optional<Found> find_promised(State& state, Job& job, TimePoint now, Reason& reason);

/// Of work that prefers or needs a domain, and has what it was promised: places in a smaller one, if there are such now.
/// Occupies them in place of `found`, or changes nothing.
void gather(State& state, Job& job, TimePoint now, Found& found);

/// Gives back what find_places occupied.
void undo(State& state, Job& job, const std::vector<TaskPlace>& places);

/// False if neither this state nor any that FreerFirst puts after it has the devices.
bool class_has_devices(const NodeState& state, const Demand& demand);

}  // namespace millrace::scheduler

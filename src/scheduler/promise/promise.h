// Promises as they bind capacity, power and (claims) quota.
#pragma once

#include <vector>

#include "scheduler/books/state.h"

namespace millrace::scheduler {

void give_promise(State& state, Job& job, Promise promise, TimePoint now);
/// Promises that together exceed a budget would keep each other from starting: a full pass gives them anew, in order.
void drop_overdrawn(State& state, TimePoint now);
/// At once: its capacity is gained.
void drop_promise(State& state, Job& job, TimePoint now);
/// The same, and it is looked at again.
void take_promise_away(State& state, Job& job, TimePoint now);
/// At the end of the walk.
void retire_promise(State& state, Job& job);
void lay_ghosts(State& state);
void set_rank(State& state, Job& job, std::int32_t rank);

/// In which order promises give way: the lowest rank, then the latest, first.
void sort_by_precedence(std::vector<Job*>& promised);
bool has_lower_promises(const State& state, std::int32_t rank);
/// Promises to work of lower ranks, but claims, in the order in which they give way.
std::vector<Job*> lower_promises(const State& state, std::int32_t rank);

}  // namespace millrace::scheduler

// Running work: begins, is capped, ends.
#pragma once

#include <vector>

#include "scheduler/books/state.h"

namespace millrace::scheduler {

/// Takes over places that are occupied in the pool already.
void begin_running(State& state, Job& job, std::vector<TaskPlace> places, std::int32_t cap_milli,
                   const Budgeted* capped_by, TimePoint now);
void stop_running(State& state, Job& job, TimePoint by);
void end_running(State& state, Job& job, TimePoint now);
/// Its expected end moves with it.
void set_cap(State& state, Job& job, std::int32_t cap_milli, const Budgeted* capped_by, TimePoint now);
struct CapState {
  std::int32_t cap_milli;
  const Budgeted* capped_by;
  TimePoint end;
};
/// As it was before.
void restore_cap(State& state, Job& job, const CapState& as);
std::vector<Job*> all_running(State& state);

}  // namespace millrace::scheduler

// What happens when budgets fall.
#pragma once

#include <optional>

#include "scheduler/books/state.h"

namespace millrace::scheduler {

void keep_budgets(State& state, TimePoint now, Plan& plan);
std::optional<TimePoint> next_budget_time(State& state, TimePoint now);

}  // namespace millrace::scheduler

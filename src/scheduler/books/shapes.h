// Shapes: alike work is one shape, made when the first of it comes.
#pragma once

#include "scheduler/books/state.h"

namespace millrace::scheduler {

Shape& intern(State& state, const Workload& workload);
/// On which it may run, as TypicalDemand::kinds.
std::uint64_t kinds_of(const State& state, const Shape& shape);
void drop_shape(State& state, Shape& shape);

}  // namespace millrace::scheduler

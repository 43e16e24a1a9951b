// Shapes: alike work is one shape, made when the first of it comes.
#pragma once

#include "scheduler/books/state.h"

namespace millrace::scheduler {

Shape& intern(State& state, const Workload& workload);
void drop_shape(State& state, Shape& shape);

}  // namespace millrace::scheduler

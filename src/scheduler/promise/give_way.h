// Promises of lower ranks that give way to one of a higher rank.
#pragma once

#include <optional>
#include <vector>

#include "scheduler/books/state.h"

namespace millrace::scheduler {

struct Arrangement {
  Promise promise;
  std::vector<Job*> displaced;  // must lose their promises for it
};
/// The earliest promise for a job: beside all others, or, if it has none, where lower ranks give way if it then begins
/// clearly earlier. With `beside` false only the latter.
std::optional<Arrangement> arrange(State& state, const Job& job, TimePoint now, bool beside);

}  // namespace millrace::scheduler

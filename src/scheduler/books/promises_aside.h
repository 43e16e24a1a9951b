// Promises set aside: what work could get if some were not there.
#pragma once

#include <vector>

#include "scheduler/books/state.h"

namespace millrace::scheduler {

/// What these are promised, if anything, keeps nothing from others as long as this lives. Nothing is given or dropped
/// meanwhile.
class PromisesAside {
 public:
  PromisesAside(State& state, std::vector<const Job*> jobs);
  PromisesAside(const PromisesAside&) = delete;
  PromisesAside& operator=(const PromisesAside&) = delete;
  ~PromisesAside();

 private:
  State& state_;
  std::vector<const Job*> jobs_;
};

}  // namespace millrace::scheduler

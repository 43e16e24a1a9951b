// Limits: how many files this process may open, and how a thread gives way to others.
#pragma once

#include <cstdint>

#include "core/result.h"

namespace millrace::host {

struct OpenFiles {
  std::int64_t soft = 0;
  std::int64_t hard = 0;
};

/// Raises the soft limit to the hard one and answers what holds now.
Result<OpenFiles> raise_open_files();

/// For the calling thread, whose work may wait: it keeps its share of the processor, but does not take it from a thread
/// that runs, and hands it over within 0.1 ms to one that wakes up (Linux 6.12 and later; earlier ones know only the
/// first half). Without it a thread that wakes may wait for the next timer tick, 4 ms.
void run_in_background();

}  // namespace millrace::host

// Limits: how many files this process may open.
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

}  // namespace millrace::host

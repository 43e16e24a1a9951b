// fatal: the end of a process that can no longer keep its promises.
#pragma once

#include <string_view>

namespace millrace::host {

/// Writes `what` to stderr and aborts. For a failed sync (what is durable is unknown) and broken own invariants only.
[[noreturn]] void fatal(std::string_view what);

}  // namespace millrace::host

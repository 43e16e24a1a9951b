// Progress: how a long run tells how far it is; the caller shows it, or not.
#pragma once

#include <functional>
#include <string_view>

namespace millrace::twin {

/// `done` of 0 to 1. Called at most a few hundred times a run, on the thread that runs it. May be empty.
using Progress = std::function<void(double done, std::string_view what)>;

}  // namespace millrace::twin

// Supervise: the role of the process that runs one workload, apart from whoever started it.
#pragma once

#include <string>

namespace millrace::executor {

/// Runs the workload that `folder`/spec.json describes until it ends; then writes exit.json and returns the exit
/// status for main (0: the workload ran, however it ended). Call it in a process of its own, before any thread.
/// docs and wire format: executor/README.md and executor/protocol.h.
int supervise_main(const std::string& folder);

}  // namespace millrace::executor

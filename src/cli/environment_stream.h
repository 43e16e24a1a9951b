// The bytes between standard input and output and an environment's ssh server, through the gateway.
#pragma once

#include <string>

#include "cli/client.h"

namespace millrace::cli {

/// Connects to the gateway as `host` and carries bytes until either side ends. kDenied, kNotFound, kUnavailable: the
/// gateway answered so.
Result<void> carry_stream(const Settings& settings, const std::string& host);

}  // namespace millrace::cli

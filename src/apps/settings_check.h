// SettingsCheck: what server and gateway would refuse to start with, told before either is started.
#pragma once

#include "core/result.h"
#include "host/config.h"

namespace millrace::apps {

/// kInvalidArgument for an address, a certificate, a zone or a file of hours that cannot be used.
Result<void> check_settings(const host::Config& config);

}  // namespace millrace::apps

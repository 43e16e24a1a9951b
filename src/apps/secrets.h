// Secrets of an installation: the pepper of key digests, and the two keys that exist from the start.
#pragma once

#include <string>

#include "apps/installation.h"
#include "core/result.h"

namespace millrace::apps {

/// Makes what is missing in HOME/secrets (mode 0600): pepper, bootstrap.key (platform-admin), developer.key.
Result<void> make_secrets(const Installation& installation);

/// The text of a key file.
Result<std::string> read_key(const Installation& installation, const std::string& name);

}  // namespace millrace::apps

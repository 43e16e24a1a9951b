// Bootstrap: what exists from the first start of a server: tenant and project `default`, and the two keys.
#pragma once

#include "apps/installation.h"
#include "core/result.h"
#include "identity/directory.h"

namespace millrace::apps {

/// Creates what is missing; what exists stays as it is. The quota of a new tenant `default` is unlimited.
Result<void> bootstrap(const Installation& installation, identity::Directory& directory);

}  // namespace millrace::apps

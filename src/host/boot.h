// Boot: which run of the machine this is.
#pragma once

#include <string>

#include "core/result.h"

namespace millrace::host {

/// 36 characters that every start of the machine makes anew (random(4), /proc/sys/kernel/random/boot_id).
Result<std::string> boot_id();

}  // namespace millrace::host

// PastUse: what accounts used, as it is stored, so that a restart does not forget whose turn it is.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "scheduler/accounts.h"

namespace millrace::control {

/// Record "past-use/<account>", by the account's name in AccountBook. Written by control with what changed it.
inline constexpr std::string_view kPastUsePrefix = "past-use/";

/// kCorrupt naming what is wrong.
Result<scheduler::PastUse> parse_past_use(std::string_view json);
/// {"as_of_us":N,"accelerators_milli":X,"cpu_milli":X,"memory_mib":X}; reads back as the same values, bit for bit.
std::string to_json(const scheduler::PastUse& past);

}  // namespace millrace::control

// The rules that every Store applies alike, with the words it refuses in.
#pragma once

#include <string_view>

#include "store/store.h"

namespace millrace::store {

/// kDenied unless the fence that a handle holds is the last one taken.
Result<void> check_fence(std::int64_t held, std::int64_t last_taken);

/// kConflict unless the key's revision (0: absent) is the expected one.
Result<void> check_expectation(const Transaction::Expect& expect, Revision found);

std::unexpected<Error> no_such_record(std::string_view key);

}  // namespace millrace::store
